//! Traces, line by line.

use atomik_trace::{Cycles, Geometry, Reader};

use crate::target::Target;

/// A trace for register files of 12 bits, 16 addresses and 4 lanes, whose words xor, or also add.
pub(crate) const TRACE: Target = Target {
    name: "trace",
    about: "traces of commands",
    run,
    seeds,
};

fn seeds() -> Vec<Vec<u8>> {
    [
        &br#"{"op":"accum","addr":3,"data":"0xfff","lane":2,"cycle":7}"#[..],
        br#"{"op":"load","addr":0,"data":"4095"}
{"op":"swap","addr":0}
{"op":"rollback","addr":15,"data":"0x0f"}
{"op":"accum","addr":1,"data":[-3,"0x7f"]}
"#,
        br#"{"op":"nop","cycle":5}
{"op":"read","addr":1,"cycle":5,"lane":1}
"#,
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

/// Every trace is read to its end, or an error names the line.
fn run(input: &[u8]) {
    for layout in ["xor:12", "add:5,xor:7"] {
        run_as(layout, input);
    }
}

fn run_as(layout: &str, input: &[u8]) {
    #[allow(clippy::expect_used, reason = "constants")]
    let geometry =
        Geometry::with_layout(layout.parse().expect("a layout"), 16, 4).expect("a valid geometry");
    let lines = input.split(|&byte| byte == b'\n').count();
    let mut cycles = Cycles::new(Reader::new("fuzz", input, geometry));
    loop {
        match cycles.next_cycle() {
            Ok(Some(commands)) => assert!(commands.len() <= 4 * lines),
            Ok(None) => return,
            Err(error) => {
                assert!(error.to_string().contains("fuzz:"), "{error}");
                return;
            }
        }
    }
}
