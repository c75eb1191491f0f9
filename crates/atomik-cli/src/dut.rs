//! The compiled Verilog of a configuration.

use atomik_hdl::Config;
use atomik_sim::dut::Dut;
use atomik_sim::supplied::Subject;
use atomik_sim::verilate::Builder;
use atomik_terminal::spinner;

use crate::error::CommandError;

/// Builds the model of `config`, with a spinner: the first build takes seconds.
pub fn build(builder: &Builder, config: Config) -> Result<Dut, CommandError> {
    build_subject(builder, config, &Subject::default())
}

/// As [`build`], of what `subject` puts in place of the generated Verilog.
pub fn build_subject(
    builder: &Builder,
    config: Config,
    subject: &Subject,
) -> Result<Dut, CommandError> {
    let progress = spinner(format!("compiling {}", config.name()));
    let dut = Dut::of(builder, config, subject);
    progress.finish_and_clear();
    Ok(dut?)
}
