//! The compiled Verilog of a configuration.

use atomik_hdl::Config;
use atomik_sim::dut::Dut;
use atomik_sim::verilate::Builder;
use atomik_terminal::spinner;

use crate::error::CommandError;

/// Builds the model of `config`, with a spinner: the first build takes seconds.
pub fn build(builder: &Builder, config: Config) -> Result<Dut, CommandError> {
    let progress = spinner(format!("compiling {}", config.name()));
    let dut = Dut::build(builder, config);
    progress.finish_and_clear();
    Ok(dut?)
}
