//! `atomik eval generate`.

use atomik_terminal::Status;
use atomik_workload::generate::{Counter, Mix, SEED, Text, Zipf};
use atomik_workload::trace_writer::Size;
use atomik_workload::workload::Line;

use super::trace_output::OutputArgs;
use crate::error::CommandError;

const ZIPF_EXAMPLES: &str = "\
Examples:
  atomik eval generate zipf -o zipf.jsonl
  atomik eval generate zipf --multi-writer 0.5 --overlap 0.05 --window 500 -o contended.jsonl
  atomik eval generate zipf --ops 10000000 --keys 1000000 --mix toggle=8,set=1,add=1 | head";

const COUNTER_EXAMPLES: &str = "\
Examples:
  atomik eval generate counter --nodes 5 -o counter.jsonl";

const TEXT_EXAMPLES: &str = "\
Examples:
  atomik eval generate text --authors 4 --nodes 4 -o text.jsonl";

/// Make a trace from a seed
///
/// The same settings give the same bytes on every machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Debug, clap::Subcommand)]
enum Workload {
    /// State over keys of different popularity, with settings for writers and overlap
    ///
    /// A key has several fields for each kind of operation. Most keys have one writer; a share of
    /// them (--multi-writer) has fields that belong to different nodes, so that several nodes write
    /// the key, each its own bits. A share of the operations (--overlap) changes bits that another
    /// node changes within --window milliseconds.
    #[command(after_help = ZIPF_EXAMPLES)]
    Zipf(ZipfArgs),
    /// Counters to which all nodes add concurrently
    #[command(after_help = COUNTER_EXAMPLES)]
    Counter(CounterArgs),
    /// Documents with several authors, which xor gets wrong
    #[command(after_help = TEXT_EXAMPLES)]
    Text(TextArgs),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Seed of the trace
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Number of nodes
    #[arg(long, value_name = "N", default_value_t = 3)]
    nodes: u32,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
struct ZipfArgs {
    #[command(flatten)]
    common: Common,
    /// Number of operations
    #[arg(long = "ops", value_name = "N", default_value_t = Zipf::default().operations)]
    operations: u64,
    /// Operations per second, of all nodes together
    #[arg(long, value_name = "PER_SECOND", default_value_t = Zipf::default().rate)]
    rate: f64,
    /// Number of keys
    #[arg(long, value_name = "N", default_value_t = Zipf::default().keys)]
    keys: u32,
    /// Exponent of the Zipf distribution of the keys; 0 is uniform
    #[arg(long, value_name = "S", default_value_t = Zipf::default().exponent)]
    exponent: f64,
    /// Fields of each class per key
    #[arg(long, value_name = "N", default_value_t = Zipf::default().fields)]
    fields: u32,
    /// Share of keys with several writers
    #[arg(long, value_name = "SHARE", default_value_t = Zipf::default().multi_writer)]
    multi_writer: f64,
    /// Share of operations on bits that another node changes within the window
    #[arg(long, value_name = "SHARE", default_value_t = Zipf::default().overlap)]
    overlap: f64,
    /// Window for overlaps
    #[arg(long, value_name = "MS", default_value_t = Zipf::default().window_ms)]
    window: u64,
    /// Kinds of operations with weights: toggle, set, add, insert, remove, append
    #[arg(long, value_name = "OP=WEIGHT,…", default_value_t = Zipf::default().mix)]
    mix: Mix,
}

#[derive(Debug, clap::Args)]
struct CounterArgs {
    #[command(flatten)]
    common: Common,
    /// Number of operations
    #[arg(long = "ops", value_name = "N", default_value_t = Counter::default().operations)]
    operations: u64,
    /// Operations per second, of all nodes together
    #[arg(long, value_name = "PER_SECOND", default_value_t = Counter::default().rate)]
    rate: f64,
    /// Number of counters
    #[arg(long, value_name = "N", default_value_t = Counter::default().keys)]
    keys: u32,
    /// Exponent of the Zipf distribution of the counters; 0 is uniform
    #[arg(long, value_name = "S", default_value_t = Counter::default().exponent)]
    exponent: f64,
}

#[derive(Debug, clap::Args)]
struct TextArgs {
    #[command(flatten)]
    common: Common,
    /// Number of operations; most are key presses
    #[arg(long = "ops", value_name = "N", default_value_t = Text::default().operations)]
    operations: u64,
    /// Number of authors, spread over the nodes in turn
    #[arg(long, value_name = "N", default_value_t = Text::default().authors)]
    authors: u32,
    /// Number of documents; the authors are spread over them
    #[arg(long, value_name = "N", default_value_t = Text::default().documents)]
    documents: u32,
}

pub fn run(args: &Args) -> Result<Status, CommandError> {
    match &args.workload {
        Workload::Zipf(args) => zipf(args),
        Workload::Counter(args) => counter(args),
        Workload::Text(args) => text(args),
    }
}

fn zipf(args: &ZipfArgs) -> Result<Status, CommandError> {
    let settings = Zipf {
        seed: args.common.seed,
        operations: args.operations,
        rate: args.rate,
        nodes: args.common.nodes,
        keys: args.keys,
        exponent: args.exponent,
        fields: args.fields,
        multi_writer: args.multi_writer,
        overlap: args.overlap,
        window_ms: args.window,
        mix: args.mix.clone(),
    };
    let mut lines = settings.lines()?;
    let size = write(&args.common, args.operations, &mut lines)?;
    let share = lines.overlapping() as f64 / args.operations.max(1) as f64;
    eprintln!(
        "zipf: {size}; {:.2} % of the operations overlap within {} ms",
        100.0 * share,
        args.window
    );
    Ok(Status::Done)
}

fn counter(args: &CounterArgs) -> Result<Status, CommandError> {
    let settings = Counter {
        seed: args.common.seed,
        operations: args.operations,
        rate: args.rate,
        nodes: args.common.nodes,
        keys: args.keys,
        exponent: args.exponent,
    };
    let size = write(&args.common, args.operations, &mut settings.lines()?)?;
    eprintln!("counter: {size}");
    Ok(Status::Done)
}

fn text(args: &TextArgs) -> Result<Status, CommandError> {
    let settings = Text {
        seed: args.common.seed,
        operations: args.operations,
        nodes: args.common.nodes,
        authors: args.authors,
        documents: args.documents,
    };
    let size = write(&args.common, args.operations, &mut settings.lines()?)?;
    eprintln!("text: {size}");
    Ok(Status::Done)
}

fn write(
    common: &Common,
    operations: u64,
    lines: &mut dyn Iterator<Item = Line>,
) -> Result<Size, CommandError> {
    let mut output = common.output.create(Some(operations))?;
    for line in lines {
        output.write(&line).map_err(|error| output.error(error))?;
    }
    Ok(output.finish()?)
}
