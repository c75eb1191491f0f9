//! Bytes on the serial line of a board.

use atomik_device::frame::{Decoder, Frame};
use atomik_device::message::Info;

use crate::target::Target;

/// Bytes as a board, or noise on its line, may send them.
pub(crate) const DEVICE: Target = Target {
    name: "device",
    about: "frames on the serial line of a board",
    run,
    seeds,
};

fn seeds() -> Vec<Vec<u8>> {
    let frame = |kind, payload: &[u8]| Frame {
        kind,
        number: 7,
        epoch: 0x0102_0304,
        payload: payload.to_vec(),
    };
    [
        frame(0x81, &[1, 64, 0, 0, 2, 0, 0, 4, 0, 0, 0, 0]),
        frame(0x83, &[0; 40]),
        frame(0xff, &[0x12, 0]),
    ]
    .iter()
    .filter_map(|frame| frame.to_wire().ok())
    .collect()
}

/// Every frame that the decoder finds is encoded to bytes that decode to it again.
fn run(input: &[u8]) {
    let mut decoder = Decoder::default();
    for frame in input
        .iter()
        .filter_map(|&byte| decoder.push(byte))
        .flatten()
    {
        let mut again = Decoder::default();
        #[allow(clippy::expect_used, reason = "it was decoded, so it is short enough")]
        let wire = frame.to_wire().expect("a decoded frame fits");
        let found: Vec<_> = wire
            .into_iter()
            .filter_map(|byte| again.push(byte))
            .collect();
        assert_eq!(found, [Ok(frame.clone())]);
        // An error is an answer, too.
        let _ = Info::from_frame(&frame);
    }
}
