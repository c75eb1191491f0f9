//! The golden model through the functions of the library.

use std::ffi::{CStr, CString};
use std::fs;
use std::ptr::{null, null_mut};

use atomik_algebra::{Layout as Fields, Op};
use atomik_c::model::*;
use atomik_c::status::{AtomikStatus, atomik_last_error};
use atomik_golden::record::Layout;
use atomik_golden::{Golden, Timing};

/// A model that is freed at the end.
struct Model(*mut AtomikModel);

impl Drop for Model {
    fn drop(&mut self) {
        unsafe { atomik_model_free(self.0) }
    }
}

fn last() -> String {
    let text = unsafe { CStr::from_ptr(atomik_last_error()) };
    text.to_str().unwrap().to_owned()
}

fn new(layout: &CStr, depth: u32, lanes: u32, timing: Timing) -> Model {
    let Timing {
        latency,
        clear_cycles,
    } = timing;
    let mut model = null_mut();
    let layout = layout.as_ptr();
    let status =
        unsafe { atomik_model_new(layout, depth, lanes, latency, clear_cycles, &mut model) };
    assert_eq!(status, AtomikStatus::Ok, "{}", last());
    Model(model)
}

fn open(path: &str) -> Result<Model, (AtomikStatus, String)> {
    let mut model = null_mut();
    let path = CString::new(path).unwrap();
    match unsafe { atomik_model_open(path.as_ptr(), &mut model) } {
        AtomikStatus::Ok => Ok(Model(model)),
        status => Err((status, last())),
    }
}

const TIMING: Timing = Timing {
    latency: 3,
    clear_cycles: 5,
};

/// Numbers that look random (a linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1);
        (self.0 >> 33) % bound
    }

    fn word(&mut self) -> u64 {
        self.below(1 << 31) << 62 | self.below(1 << 31) << 31 | self.below(1 << 31)
    }
}

/// Drives a model and a golden model with the same random inputs, by words of the ports or by lane,
/// and compares every output in every cycle.
fn compare(layout: &CStr, depth: u32, lanes: u32, by_lane: bool) {
    let fields: Fields = layout.to_str().unwrap().parse().unwrap();
    let ports = Layout::new(fields.width(), depth as usize, lanes).unwrap();
    let mut golden = Golden::new(ports, fields, TIMING).unwrap();
    let model = new(layout, depth, lanes, TIMING);
    let mut numbers = Numbers(1);
    let mut responses = 0;
    for cycle in 0..2000 {
        let mut cmd = vec![0; ports.cmd_words()];
        let mut record = ports.command_mut(&mut cmd, 0);
        let (rst, op) = (
            cycle < 2 || numbers.below(200) == 0,
            numbers.below(8) as u32,
        );
        record.set_reset(rst);
        record.set_op(op as u8);
        let mut valid = 0;
        for lane in 0..lanes {
            let addr = numbers.below(depth.min(4).into()) as usize;
            let mut data = vec![0; ports.limbs()];
            data.iter_mut().for_each(|limb| *limb = numbers.word());
            let spare = 64 * ports.limbs() as u32 - ports.width();
            *data.last_mut().unwrap() &= u64::MAX >> spare;
            let offers = numbers.below(4) > 0;
            valid |= u32::from(offers) << lane;
            record.set_lane(lane, offers, addr, &data);
            if by_lane {
                let data = data.as_ptr();
                let status = unsafe { atomik_model_set_lane(model.0, lane, addr as u64, data) };
                assert_eq!(status, AtomikStatus::Ok, "{}", last());
            }
        }
        if !by_lane {
            for (word, &bits) in (0..).zip(&cmd[ports.addr_range()]) {
                let status = unsafe { atomik_model_set_cmd_addr(model.0, word, bits) };
                assert_eq!(status, AtomikStatus::Ok, "{}", last());
            }
            for (word, &bits) in (0..).zip(&cmd[ports.data_range()]) {
                let status = unsafe { atomik_model_set_cmd_data(model.0, word, bits) };
                assert_eq!(status, AtomikStatus::Ok, "{}", last());
            }
        }
        let mut rsp = vec![0; ports.rsp_words()];
        golden.step(&cmd, &mut rsp).unwrap();
        let expected = ports.response(&rsp, 0);
        unsafe {
            let data: Vec<u64> = (0..ports.limbs() as u32)
                .map(|word| atomik_model_rsp_data(model.0, word))
                .collect();
            assert_eq!(atomik_model_ready(model.0), expected.ready(), "{cycle}");
            assert_eq!(atomik_model_rsp_valid(model.0), expected.valid(), "{cycle}");
            assert_eq!(atomik_model_rsp_clean(model.0), expected.clean(), "{cycle}");
            assert_eq!(data, expected.data(), "{cycle}");
            assert_eq!(atomik_model_defined(model.0), cycle > 0);
            let status = atomik_model_clock(model.0, rst, valid, op);
            assert_eq!(status, AtomikStatus::Ok, "{}", last());
        }
        responses += usize::from(expected.valid());
    }
    assert!(responses > 100, "{responses} responses");
}

#[test]
fn every_output_is_that_of_the_golden_model() {
    for by_lane in [false, true] {
        compare(c"xor:8", 16, 2, by_lane);
        compare(c"xor:48,add:16", 64, 4, by_lane);
        compare(c"xor:64", 1, 16, by_lane);
        compare(c"add:65", 8, 3, by_lane);
        compare(c"xor:512", 2, 32, by_lane);
    }
}

#[test]
fn the_manifest_gives_sizes_and_timing() {
    let hdl = concat!(env!("CARGO_MANIFEST_DIR"), "/../../hdl");
    let model = open(&format!("{hdl}/atomik_regfile_w8_d16_l2.json")).unwrap();
    let sizes = unsafe {
        [
            atomik_model_width(model.0),
            atomik_model_depth(model.0),
            atomik_model_lanes(model.0),
            atomik_model_latency(model.0),
            atomik_model_clear_cycles(model.0),
        ]
    };
    assert_eq!(sizes, [8, 16, 2, 13, 43]);
}

#[test]
fn a_manifest_with_a_field_that_adds_gives_the_layout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("design.json");
    let path = path.to_str().unwrap();
    let text = |layout: &str| {
        format!(
            r#"{{"name": "x", "width": 8, "layout": "{layout}", "depth": 1, "lanes": 1,
                 "latency": 1, "clear_cycles": 1}}"#
        )
    };
    fs::write(path, text("xor:4,add:4")).unwrap();
    let model = open(path).unwrap();
    let clock = |rst, op: Op, data: u64| unsafe {
        atomik_model_set_cmd_data(model.0, 0, data);
        atomik_model_clock(model.0, rst, 1, op.code().into());
    };
    clock(true, Op::Nop, 0);
    clock(false, Op::Accum, 0x91);
    clock(false, Op::Accum, 0x93);
    clock(false, Op::Read, 0);
    assert_eq!(unsafe { atomik_model_rsp_data(model.0, 0) }, 0x22);

    fs::write(path, text("xor:9")).unwrap();
    assert_eq!(open(path).err().unwrap().0, AtomikStatus::Manifest);
}

#[test]
fn what_is_no_manifest_is_refused_with_a_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("design.json");
    let path = path.to_str().unwrap();
    for text in [None, Some("{"), Some("{}")] {
        if let Some(text) = text {
            fs::write(path, text).unwrap();
        }
        let (status, message) = open(path).err().unwrap();
        assert_eq!(status, AtomikStatus::Manifest);
        assert!(message.starts_with(path), "{message}");
        assert!(message.contains("give the NAME.json"), "{message}");
    }
}

#[test]
fn what_does_not_fit_the_ports_is_refused() {
    let model = new(c"xor:8", 16, 2, TIMING);
    unsafe {
        for (status, expected) in [
            (
                atomik_model_set_cmd_addr(model.0, 1, 0),
                AtomikStatus::Address,
            ),
            (
                atomik_model_set_cmd_addr(model.0, 0, 0x100),
                AtomikStatus::Value,
            ),
            (
                atomik_model_set_cmd_data(model.0, 0, 0x1_0000),
                AtomikStatus::Value,
            ),
            (
                atomik_model_set_lane(model.0, 2, 0, &0),
                AtomikStatus::Address,
            ),
            (
                atomik_model_set_lane(model.0, 0, 16, &0),
                AtomikStatus::Address,
            ),
            (
                atomik_model_set_lane(model.0, 0, 0, &0x100),
                AtomikStatus::Value,
            ),
            (
                atomik_model_set_lane(model.0, 0, 0, null()),
                AtomikStatus::NullPointer,
            ),
            (
                atomik_model_clock(model.0, false, 4, 0),
                AtomikStatus::Value,
            ),
            (
                atomik_model_clock(model.0, false, 1, 8),
                AtomikStatus::Value,
            ),
            (
                atomik_model_clock(null_mut(), true, 0, 0),
                AtomikStatus::NullPointer,
            ),
        ] {
            assert_eq!(status, expected, "{}", last());
        }
        assert_eq!(atomik_model_rsp_data(model.0, 1), 0);
        assert_eq!(atomik_model_rsp_data(null(), 0), 0);
        assert!(!atomik_model_ready(null()));
    }
    for (depth, lanes, latency, clear) in [
        (12, 1, 1, 1),
        (16, 0, 1, 1),
        (16, 33, 1, 1),
        (16, 1, 0, 1),
        (16, 1, u32::MAX, 1),
        (16, 1, 1, 0),
    ] {
        let mut model = null_mut();
        let layout = c"xor:8".as_ptr();
        let status = unsafe { atomik_model_new(layout, depth, lanes, latency, clear, &mut model) };
        assert_eq!(status, AtomikStatus::Size);
        assert!(model.is_null());
    }
}

#[test]
fn the_op_codes_are_those_of_the_specification() {
    let ops = [
        AtomikOp::Nop,
        AtomikOp::Load,
        AtomikOp::Accum,
        AtomikOp::Read,
        AtomikOp::Swap,
        AtomikOp::Delta,
        AtomikOp::Drain,
    ];
    assert_eq!(ops.map(|op| op as u8), Op::ALL.map(Op::code));
}
