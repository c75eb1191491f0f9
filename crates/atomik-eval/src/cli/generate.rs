//! `atomik eval generate`.

use atomik_workload::generate::{Counter, Mix, SEED, SettingsError, Text, Zipf};
use atomik_workload::workload::Line;

use super::import::To;
use super::output::Output;
use super::{Failure, Outcome};

/// Make a trace from a seed.
///
/// The same settings give the same bytes, on every machine.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    workload: Workload,
}

#[derive(clap::Subcommand, Debug)]
enum Workload {
    /// State spread over popular and less popular keys, with knobs for writers and overlap
    ///
    /// A key has some fields of each kind of operation. The fields of most keys have one writer;
    /// those of a share of the keys (--multi-writer) belong to different nodes, so that several
    /// nodes write the key, each its own bits. A share of the operations (--overlap) touches bits
    /// that another node touches within --window milliseconds.
    #[command(after_help = "Examples:
  atomik eval generate zipf -o zipf.jsonl
  atomik eval generate zipf --multi-writer 0.5 --overlap 0.05 --window 500 -o contended.jsonl
  atomik eval generate zipf --ops 10000000 --keys 1000000 --mix toggle=8,set=1,add=1 | head")]
    Zipf {
        #[command(flatten)]
        common: Common,
        /// Operations
        #[arg(long = "ops", value_name = "N", default_value_t = Zipf::default().operations)]
        operations: u64,
        /// Operations a second, all nodes together
        #[arg(long, value_name = "PER_SECOND", default_value_t = Zipf::default().rate)]
        rate: f64,
        /// Keys
        #[arg(long, value_name = "N", default_value_t = Zipf::default().keys)]
        keys: u32,
        /// Exponent of the Zipf distribution of the keys; 0 is uniform
        #[arg(long, value_name = "S", default_value_t = Zipf::default().exponent)]
        exponent: f64,
        /// Fields of each class and key
        #[arg(long, value_name = "N", default_value_t = Zipf::default().fields)]
        fields: u32,
        /// Keys with several writers, as a share
        #[arg(long, value_name = "SHARE", default_value_t = Zipf::default().multi_writer)]
        multi_writer: f64,
        /// Operations on bits that another node touches within the window, as a share
        #[arg(long, value_name = "SHARE", default_value_t = Zipf::default().overlap)]
        overlap: f64,
        /// The window
        #[arg(long, value_name = "MS", default_value_t = Zipf::default().window_ms)]
        window: u64,
        /// Kinds of operations and their weights: toggle, set, add, insert, remove, append
        #[arg(long, value_name = "OP=WEIGHT,…", default_value_t = Zipf::default().mix)]
        mix: Mix,
    },
    /// Counters that all nodes add to at once: what xor gets wrong
    #[command(after_help = "Example:
  atomik eval generate counter --nodes 5 -o counter.jsonl")]
    Counter {
        #[command(flatten)]
        common: Common,
        /// Operations
        #[arg(long = "ops", value_name = "N", default_value_t = Counter::default().operations)]
        operations: u64,
        /// Operations a second, all nodes together
        #[arg(long, value_name = "PER_SECOND", default_value_t = Counter::default().rate)]
        rate: f64,
        /// Counters
        #[arg(long, value_name = "N", default_value_t = Counter::default().keys)]
        keys: u32,
        /// Exponent of the Zipf distribution of the counters; 0 is uniform
        #[arg(long, value_name = "S", default_value_t = Counter::default().exponent)]
        exponent: f64,
    },
    /// People writing documents together: what xor gets wrong
    #[command(after_help = "Example:
  atomik eval generate text --authors 4 --nodes 4 -o text.jsonl")]
    Text {
        #[command(flatten)]
        common: Common,
        /// Operations; most are a key that is pressed
        #[arg(long = "ops", value_name = "N", default_value_t = Text::default().operations)]
        operations: u64,
        /// Authors; they take turns at the nodes
        #[arg(long, value_name = "N", default_value_t = Text::default().authors)]
        authors: u32,
        /// Documents; the authors are spread over them
        #[arg(long, value_name = "N", default_value_t = Text::default().documents)]
        documents: u32,
    },
}

#[derive(clap::Args, Debug)]
struct Common {
    /// The seed
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Nodes
    #[arg(long, value_name = "N", default_value_t = 3)]
    nodes: u32,
    #[command(flatten)]
    to: To,
}

pub fn run(args: &Args) -> Result<Outcome, Failure> {
    let refused = |error: SettingsError| Failure::Input(error.to_string());
    match &args.workload {
        Workload::Zipf {
            common,
            operations,
            rate,
            keys,
            exponent,
            fields,
            multi_writer,
            overlap,
            window,
            mix,
        } => {
            let settings = Zipf {
                seed: common.seed,
                operations: *operations,
                rate: *rate,
                nodes: common.nodes,
                keys: *keys,
                exponent: *exponent,
                fields: *fields,
                multi_writer: *multi_writer,
                overlap: *overlap,
                window_ms: *window,
                mix: mix.clone(),
            };
            let mut lines = settings.lines().map_err(refused)?;
            let words = write(common, *operations, &mut lines)?;
            let share = lines.overlapping() as f64 / (*operations).max(1) as f64;
            eprintln!(
                "zipf: {words}; {:.2} % of the operations overlap within {window} ms",
                100.0 * share
            );
        }
        Workload::Counter {
            common,
            operations,
            rate,
            keys,
            exponent,
        } => {
            let settings = Counter {
                seed: common.seed,
                operations: *operations,
                rate: *rate,
                nodes: common.nodes,
                keys: *keys,
                exponent: *exponent,
            };
            let mut lines = settings.lines().map_err(refused)?;
            eprintln!("counter: {}", write(common, *operations, &mut lines)?);
        }
        Workload::Text {
            common,
            operations,
            authors,
            documents,
        } => {
            let settings = Text {
                seed: common.seed,
                operations: *operations,
                nodes: common.nodes,
                authors: *authors,
                documents: *documents,
            };
            let mut lines = settings.lines().map_err(refused)?;
            eprintln!("text: {}", write(common, *operations, &mut lines)?);
        }
    }
    Ok(Outcome::Fine)
}

fn write(
    common: &Common,
    operations: u64,
    lines: &mut dyn Iterator<Item = Line>,
) -> Result<String, Failure> {
    let mut output = Output::open(common.to.file.as_deref(), Some(operations))?;
    for line in lines {
        if let Err(error) = output.write(&line) {
            return Err(output.failure(error));
        }
    }
    output.finish()
}
