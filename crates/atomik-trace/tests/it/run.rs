//! Traces on the software model, against a second, much simpler implementation of the spec.

use std::collections::HashMap;

use atomik_algebra::{FieldKind, Layout, Op};
use atomik_trace::{
    Command, CommandWriter, Data, Error, Geometry, Random, Reader, ResponseWriter, Trace, run_model,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

fn text(commands: &[Command], width: u32) -> Vec<u8> {
    let mut text = Vec::new();
    let mut writer = CommandWriter::new(&mut text, width);
    for command in commands {
        writer.write(command).unwrap();
    }
    text
}

fn run(text: &[u8], geometry: Geometry, cycles: bool) -> String {
    let mut trace = Trace::spool("t", text, geometry).unwrap();
    let mut out = Vec::new();
    let mut writer = ResponseWriter::new(&mut out, geometry.width());
    if cycles {
        writer = writer.with_cycles();
    }
    run_model::<Error>(&mut trace, |response| writer.write(response)).unwrap();
    assert_eq!(
        trace.summary().responses,
        out.iter().filter(|&&byte| byte == b'\n').count() as u64
    );
    String::from_utf8(out).unwrap()
}

/// Two words of hex digits combined, each field on its own and bit by bit.
fn combined(fields: &[(FieldKind, u32)], a: &str, b: &str) -> String {
    let bits = |digits: &str| -> Vec<u32> {
        let nibbles = digits
            .chars()
            .rev()
            .map(|digit| digit.to_digit(16).unwrap());
        nibbles
            .flat_map(|nibble| (0..4).map(move |bit| nibble >> bit & 1))
            .collect()
    };
    let (a, b) = (bits(a), bits(b));
    let mut sum = vec![0; a.len()];
    let mut at = 0;
    for (kind, width) in fields {
        let mut carry = 0;
        for _ in 0..*width {
            let ones = a[at] + b[at] + carry;
            sum[at] = ones % 2;
            carry = if *kind == FieldKind::Add { ones / 2 } else { 0 };
            at += 1;
        }
    }
    let digit = |bits: &[u32]| bits.iter().rev().fold(0, |digit, bit| digit << 1 | bit);
    sum.chunks(4)
        .rev()
        .map(|bits| char::from_digit(digit(bits), 16).unwrap())
        .collect()
}

/// The specification's table of ops, on words that are strings of hex digits. It sorts the whole
/// text by cycle and lane, and shares no parser, words or model with the crate.
fn interpret(text: &[u8], layout: Layout) -> String {
    let fields: Vec<_> = layout
        .fields()
        .map(|field| (field.kind, field.bits))
        .collect();
    let digits = layout.width().div_ceil(4) as usize;
    let zero = "0".repeat(digits);
    let sum = |a: &str, b: &str| combined(&fields, a, b);
    let mut lines = Vec::new();
    let mut next_cycle = 0;
    for line in std::str::from_utf8(text).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let cycle = line["cycle"].as_u64().unwrap_or(next_cycle);
        next_cycle = cycle + 1;
        lines.push((cycle, line["lane"].as_u64().unwrap_or(0), line));
    }
    lines.sort_by_key(|(cycle, lane, _)| (*cycle, *lane));

    let mut memory: HashMap<u64, (String, String)> = HashMap::new();
    let mut out = String::new();
    for (cycle, _, line) in lines {
        let op = line["op"].as_str().unwrap();
        let addr = line["addr"].as_u64().unwrap_or(0);
        let data = line["data"]
            .as_str()
            .map(|data| format!("{:0>digits$}", &data[2..]));
        let (r, d) = memory.entry(addr).or_insert((zero.clone(), zero.clone()));
        let s = sum(r, d);
        let clean = *d == zero;
        let (new_r, new_d, answer) = match (op, data) {
            ("nop", None) => (r.clone(), d.clone(), None),
            ("load", Some(v)) => (v, zero.clone(), None),
            ("accum", Some(v)) => (r.clone(), sum(d, &v), None),
            ("read", None) => (r.clone(), d.clone(), Some(s)),
            ("swap", None) => (s.clone(), zero.clone(), Some(s)),
            ("delta", None) => (r.clone(), d.clone(), Some(d.clone())),
            ("drain", None) => (s, zero.clone(), Some(d.clone())),
            other => panic!("{other:?}"),
        };
        (*r, *d) = (new_r, new_d);
        if let Some(answer) = answer {
            out += &format!(
                "{{\"op\":\"{op}\",\"addr\":{addr},\"data\":\"0x{answer}\",\
                 \"clean\":{clean},\"cycle\":{cycle}}}\n"
            );
        }
    }
    out
}

fn without_cycles(lines: &str) -> String {
    let cut = |line: &str| format!("{}}}\n", &line[..line.find(",\"cycle\"").unwrap()]);
    lines.lines().map(cut).collect()
}

/// One xor field, or up to five of any kind.
fn layouts() -> impl Strategy<Value = Layout> {
    let width = prop_oneof![1..=512u32, select(vec![1, 8, 16, 32, 64, 65, 128, 512])];
    let kind = || select(vec![FieldKind::Xor, FieldKind::Add]);
    let bits = prop_oneof![1..=100u32, select(vec![1, 8, 16, 32, 64, 65])];
    prop_oneof![
        width.prop_map(|width| Layout::xor(width).unwrap()),
        vec((kind(), bits), 1..=5).prop_map(|fields| Layout::from_fields(fields).unwrap()),
        (1..=512u32).prop_map(|bits| Layout::from_fields([(FieldKind::Add, bits)]).unwrap()),
    ]
}

fn geometries() -> impl Strategy<Value = Geometry> {
    (layouts(), 0..=5u32, 1..=32u32).prop_map(|(layout, depth, lanes)| {
        Geometry::with_layout(layout, 1 << depth, lanes).unwrap()
    })
}

/// Commands by cycle, in any order within a cycle, with random gaps: at most one command on lane 0,
/// and accumulates on other lanes.
fn traces() -> impl Strategy<Value = (Geometry, Vec<Command>)> {
    let lane_0 =
        proptest::option::of((select(Op::ALL.to_vec()), any::<Index>(), any::<[u64; 8]>()));
    let others = vec((any::<Index>(), any::<Index>(), any::<[u64; 8]>()), 0..6);
    let cycles = vec((1..4u64, lane_0, others, any::<Index>()), 0..40);
    (geometries(), cycles).prop_map(|(geometry, cycles)| {
        let masked = |limbs: [u64; 8]| {
            let mut data = Data::ZERO;
            let width = geometry.width();
            for (at, limb) in data.limbs_mut(width).iter_mut().enumerate() {
                let bits = (width - 64 * at as u32).min(64);
                *limb = limbs[at] & (u64::MAX >> (64 - bits));
            }
            data
        };
        let mut commands = Vec::new();
        let mut cycle = 0;
        for (gap, first, others, turn) in cycles {
            cycle += gap;
            let mut now = Vec::new();
            if let Some((op, addr, limbs)) = first {
                let data = if op.takes_data() {
                    masked(limbs)
                } else {
                    Data::ZERO
                };
                let addr = addr.index(geometry.depth());
                now.push(Command {
                    cycle,
                    lane: 0,
                    op,
                    addr,
                    data,
                });
            }
            for (lane, addr, limbs) in others {
                let lane = lane.index(geometry.lanes() as usize) as u32;
                if now.iter().all(|command: &Command| command.lane != lane) {
                    let (op, addr) = (Op::Accum, addr.index(geometry.depth()));
                    now.push(Command {
                        cycle,
                        lane,
                        op,
                        addr,
                        data: masked(limbs),
                    });
                }
            }
            if !now.is_empty() {
                let middle = turn.index(now.len());
                now.rotate_left(middle);
            }
            commands.extend(now);
        }
        (geometry, commands)
    })
}

proptest! {
    #[test]
    fn written_commands_are_read_back((geometry, commands) in traces()) {
        let text = text(&commands, geometry.width());
        let reader = Reader::new("t", text.as_slice(), geometry);
        let read: Result<Vec<Command>, Error> = reader.collect();
        prop_assert_eq!(read.unwrap(), commands);
    }

    #[test]
    fn the_model_matches_the_specification((geometry, commands) in traces()) {
        let text = text(&commands, geometry.width());
        let expected = interpret(&text, geometry.layout());
        prop_assert_eq!(&run(&text, geometry, true), &expected);
        prop_assert_eq!(run(&text, geometry, false), without_cycles(&expected));
    }

    #[test]
    fn a_rollback_of_every_delta_cancels_them_all((geometry, commands) in traces()) {
        let mut text = String::new();
        for op in ["accum", "rollback"] {
            for command in commands.iter().filter(|command| command.op == Op::Accum) {
                let Command { addr, data, .. } = command;
                text += &format!("{{\"op\":\"{op}\",\"addr\":{addr},\"data\":\"{data}\"}}\n");
            }
        }
        for addr in 0..geometry.depth() {
            text += &format!("{{\"op\":\"delta\",\"addr\":{addr}}}\n");
        }
        for line in run(text.as_bytes(), geometry, false).lines() {
            prop_assert!(line.ends_with("\"clean\":true}"), "{}", line);
        }
    }

    #[test]
    fn random_traces_are_valid(geometry in geometries(), seed in any::<u64>()) {
        let commands: Vec<Command> = Random::new(geometry, seed).take(300).collect();
        let text = text(&commands, geometry.width());
        let reader = Reader::new("t", text.as_slice(), geometry);
        let read: Result<Vec<Command>, Error> = reader.collect();
        prop_assert_eq!(read.unwrap(), commands);
        prop_assert_eq!(run(&text, geometry, true), interpret(&text, geometry.layout()));
    }
}

#[test]
fn responses_have_exactly_this_form() {
    let lines = concat!(
        "{\"op\":\"load\",\"addr\":3,\"data\":\"0xF0\"}\n",
        "{\"op\":\"read\",\"addr\":3}\n",
        "{\"op\":\"accum\",\"addr\":3,\"data\":255}\n",
        "{\"op\":\"delta\",\"addr\":3}\n",
        "{\"op\":\"swap\",\"addr\":3}\n",
        "{\"op\":\"drain\",\"addr\":3,\"cycle\":18446744073709551615}\n",
    );
    let geometry = Geometry::new(13, 8, 1).unwrap();
    assert_eq!(
        run(lines.as_bytes(), geometry, false),
        concat!(
            "{\"op\":\"read\",\"addr\":3,\"data\":\"0x00f0\",\"clean\":true}\n",
            "{\"op\":\"delta\",\"addr\":3,\"data\":\"0x00ff\",\"clean\":false}\n",
            "{\"op\":\"swap\",\"addr\":3,\"data\":\"0x000f\",\"clean\":false}\n",
            "{\"op\":\"drain\",\"addr\":3,\"data\":\"0x0000\",\"clean\":true}\n",
        )
    );
    assert!(run(lines.as_bytes(), geometry, true).ends_with(
        "{\"op\":\"drain\",\"addr\":3,\"data\":\"0x0000\",\"clean\":true,\
         \"cycle\":18446744073709551615}\n"
    ));
}

#[test]
fn a_read_sees_earlier_cycles_but_not_its_own() {
    let lines = concat!(
        "{\"op\":\"accum\",\"addr\":0,\"data\":\"0x1\"}\n",
        "{\"op\":\"accum\",\"addr\":0,\"data\":\"0x2\",\"lane\":1,\"cycle\":1}\n",
        "{\"op\":\"read\",\"addr\":0,\"cycle\":1}\n",
        "{\"op\":\"read\",\"addr\":0}\n",
    );
    assert_eq!(
        run(lines.as_bytes(), Geometry::new(4, 2, 2).unwrap(), false),
        concat!(
            "{\"op\":\"read\",\"addr\":0,\"data\":\"0x1\",\"clean\":false}\n",
            "{\"op\":\"read\",\"addr\":0,\"data\":\"0x3\",\"clean\":false}\n",
        )
    );
}

#[test]
fn a_sink_that_fails_ends_the_run() {
    let lines = "{\"op\":\"read\",\"addr\":0}\n".repeat(5);
    let mut trace = Trace::spool("t", lines.as_bytes(), Geometry::new(4, 2, 2).unwrap()).unwrap();
    let mut seen = 0;
    let result = run_model(&mut trace, |_| {
        seen += 1;
        if seen == 2 {
            Err(Error::Write(std::io::ErrorKind::StorageFull.into()))
        } else {
            Ok(())
        }
    });
    assert!(matches!(result, Err(Error::Write(_))));
    assert_eq!(seen, 2);
}

#[test]
fn a_seed_always_gives_the_same_trace() {
    let geometry = Geometry::new(20, 8, 2).unwrap();
    let commands: Vec<Command> = Random::new(geometry, 42).take(12).collect();
    assert_eq!(
        String::from_utf8(text(&commands, 20)).unwrap(),
        include_str!("random_42.jsonl")
    );
    assert_ne!(
        commands,
        Random::new(geometry, 43).take(12).collect::<Vec<_>>()
    );
}

#[test]
fn a_random_trace_reaches_every_op_lane_and_address_and_cancels_deltas() {
    for layout in ["xor:70", "add:70", "xor:40,add:30"] {
        reaches_everything(Geometry::with_layout(layout.parse().unwrap(), 8, 3).unwrap());
    }
}

fn reaches_everything(geometry: Geometry) {
    let commands: Vec<Command> = Random::new(geometry, 1).take(3000).collect();
    for op in Op::ALL {
        assert!(commands.iter().any(|command| command.op == op), "{op}");
    }
    for lane in 0..3 {
        for addr in 0..8 {
            assert!(
                commands
                    .iter()
                    .any(|command| command.lane == lane && command.addr == addr),
                "lane {lane}, address {addr}"
            );
        }
    }
    let layout = geometry.layout();
    let data: Vec<Data> = commands
        .iter()
        .filter(|command| command.op.takes_data())
        .map(|command| command.data)
        .collect();
    let cancels =
        |pair: &[Data]| pair[0] != Data::ZERO && pair[0].combined(&pair[1], &layout) == Data::ZERO;
    assert!(data.windows(2).any(cancels), "{layout}");
    let answers = run(&text(&commands, 70), geometry, false);
    for op in ["read", "swap", "delta", "drain"] {
        for clean in ["true", "false"] {
            let clean = format!("\"clean\":{clean}");
            assert!(
                answers
                    .lines()
                    .any(|line| line.contains(op) && line.contains(&clean)),
                "{op} {clean}"
            );
        }
    }
}
