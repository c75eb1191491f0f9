//! The lines that are accepted, and the errors for those that are not.

use atomik_algebra::Op;
use atomik_trace::{
    Command, Cycles, Data, Decoder, Error, Fields, Geometry, LINE_LIMIT, Layout, Reader, Reason,
    Trace,
};
use proptest::prelude::*;

fn geometry() -> Geometry {
    Geometry::new(12, 16, 4).unwrap()
}

fn decode(line: &str) -> Result<Command, Reason> {
    Decoder::new(geometry()).json(line.as_bytes())
}

fn accum(data: &str) -> String {
    format!(r#"{{"op":"accum","addr":3,"data":{data}}}"#)
}

/// The message for `line` as the third line of a file.
fn message(line: &[u8]) -> String {
    let mut text = b"{\"op\":\"nop\",\"cycle\":5}\n{\"op\":\"nop\"}\n".to_vec();
    text.extend_from_slice(line);
    let error = Trace::spool("t.jsonl", text.as_slice(), geometry()).unwrap_err();
    error.to_string()
}

#[test]
fn every_bad_line_is_refused_with_file_line_and_reason() {
    let refused = [
        ("", "empty line; write one command on every line"),
        (" \t\r", "empty line; write one command on every line"),
        ("read 3", "not JSON: expected value at column 1"),
        (
            r#"{"op":"read","addr":3"#,
            "not JSON: EOF while parsing an object at column 21",
        ),
        (
            r#"{"op":"read","addr":3} x"#,
            "not JSON: trailing characters at column 24",
        ),
        (
            r#"{"op":"read","addr":3}{}"#,
            "not JSON: trailing characters at column 23",
        ),
        (
            r#"{"op":"read","addr":03}"#,
            "not JSON: invalid number at column 22",
        ),
        (
            r#"{"op":"read","addr":NaN}"#,
            "not JSON: expected value at column 21",
        ),
        (
            r#"{'op':'read'}"#,
            "not JSON: key must be a string at column 2",
        ),
        (
            r#"{"zap":1,"op":"#,
            "not JSON: EOF while parsing a value at column 14",
        ),
        (
            "3",
            r#"not a JSON object; write a command like {"op":"read","addr":3}"#,
        ),
        (
            r#"["read",3]"#,
            r#"not a JSON object; write a command like {"op":"read","addr":3}"#,
        ),
        (
            r#"{"op":"read","adr":3}"#,
            r#"unknown field "adr"; the fields are op, addr, data, lane and cycle"#,
        ),
        (
            r#"{"op":"read","addr":3,"Op":1}"#,
            r#"unknown field "Op"; the fields are op, addr, data, lane and cycle"#,
        ),
        (
            r#"{"op":"read","addr":3,"addr":3}"#,
            r#"field "addr" is given twice; leave one out"#,
        ),
        (
            r#"{"op":"read","op":"read","addr":3}"#,
            r#"field "op" is given twice; leave one out"#,
        ),
        ("{}", r#"no "op"; say what to do, for example "op":"read""#),
        (r#"{"op":3,"addr":3}"#, r#""op" must be a string, found 3"#),
        (
            r#"{"op":null,"addr":3}"#,
            r#""op" must be a string, found null"#,
        ),
        (
            r#"{"op":"READ","addr":3}"#,
            "unknown op \"READ\"; \
             the ops are nop, load, accum (or rollback), read, swap, delta and drain",
        ),
        (
            r#"{"op":"reserved","addr":3}"#,
            "unknown op \"reserved\"; \
             the ops are nop, load, accum (or rollback), read, swap, delta and drain",
        ),
        (
            r#"{"op":"read","addr":3,"lane":4}"#,
            "there is no lane 4: the register file has 4, numbered from 0",
        ),
        (
            r#"{"op":"accum","addr":3,"data":1,"lane":4294967297}"#,
            "there is no lane 4294967297: the register file has 4, numbered from 0",
        ),
        (
            r#"{"op":"accum","addr":3,"data":1,"lane":-1}"#,
            r#""lane" must be a non-negative integer in decimal digits, found -1"#,
        ),
        (
            r#"{"op":"accum","addr":3,"data":1,"lane":null}"#,
            r#""lane" must be a non-negative integer in decimal digits, found null"#,
        ),
        (
            r#"{"op":"read","addr":3,"lane":1}"#,
            "lane 1 takes accum (or rollback) alone, not read; put read on lane 0",
        ),
        (
            r#"{"op":"nop","lane":3}"#,
            "lane 3 takes accum (or rollback) alone, not nop; put nop on lane 0",
        ),
        (r#"{"op":"read"}"#, r#"read needs "addr""#),
        (r#"{"op":"rollback","data":1}"#, r#"rollback needs "addr""#),
        (
            r#"{"op":"read","addr":16}"#,
            "address 16 is outside the depth of 16; the last address is 15",
        ),
        (
            r#"{"op":"nop","addr":16}"#,
            "address 16 is outside the depth of 16; the last address is 15",
        ),
        (
            r#"{"op":"read","addr":18446744073709551616}"#,
            "address 18446744073709551616 is outside the depth of 16; the last address is 15",
        ),
        (
            r#"{"op":"read","addr":"3"}"#,
            r#""addr" must be a non-negative integer in decimal digits, found "3""#,
        ),
        (
            r#"{"op":"read","addr":3.0}"#,
            r#""addr" must be a non-negative integer in decimal digits, found 3.0"#,
        ),
        (
            r#"{"op":"read","addr":-0}"#,
            r#""addr" must be a non-negative integer in decimal digits, found -0"#,
        ),
        (
            r#"{"op":"read","addr":1e0}"#,
            r#""addr" must be a non-negative integer in decimal digits, found 1e0"#,
        ),
        (r#"{"op":"load","addr":3}"#, r#"load needs "data""#),
        (r#"{"op":"accum","addr":3}"#, r#"accum needs "data""#),
        (r#"{"op":"rollback","addr":3}"#, r#"rollback needs "data""#),
        (
            r#"{"op":"read","addr":3,"data":0}"#,
            r#"read takes no "data"; leave it out"#,
        ),
        (
            r#"{"op":"swap","addr":3,"data":"0x0"}"#,
            r#"swap takes no "data"; leave it out"#,
        ),
        (
            r#"{"op":"delta","addr":3,"data":"x"}"#,
            r#"delta takes no "data"; leave it out"#,
        ),
        (
            r#"{"op":"load","addr":3,"data":"x"}"#,
            "\"data\" must be a string of 0x and hex digits, an integer in decimal digits, \
             or a list of one such value per field, found \"x\"",
        ),
        (
            r#"{"op":"delta","addr":3,"data":1}"#,
            r#"delta takes no "data"; leave it out"#,
        ),
        (
            r#"{"op":"drain","addr":3,"data":1}"#,
            r#"drain takes no "data"; leave it out"#,
        ),
        (
            r#"{"op":"nop","data":1}"#,
            r#"nop takes no "data"; leave it out"#,
        ),
        (
            r#"{"op":"load","addr":3,"data":"0x1000"}"#,
            r#""data" is too wide: 13 bits, and a word has 12"#,
        ),
        (
            r#"{"op":"load","addr":3,"data":4096}"#,
            r#""data" is too wide: 13 bits, and a word has 12"#,
        ),
        (
            r#"{"op":"nop","cycle":5}"#,
            "cycle 5 comes after cycle 6; cycles never decrease",
        ),
        (
            r#"{"op":"nop","cycle":6}"#,
            "lane 0 has a command in cycle 6 already; a lane takes one a cycle",
        ),
        (
            r#"{"op":"nop","cycle":18446744073709551616}"#,
            "the cycle is above 18446744073709551615, the last that there is",
        ),
        (
            r#"{"op":"nop","cycle":"7"}"#,
            r#""cycle" must be a non-negative integer in decimal digits, found "7""#,
        ),
    ];
    for (line, reason) in refused {
        for end in ["\n", "\n{\"op\":\"nop\"}\n"] {
            let got = message(format!("{line}{end}").as_bytes());
            assert_eq!(got, format!("t.jsonl:3: {reason}"), "{line:?}");
        }
        if !line.is_empty() {
            assert_eq!(
                message(line.as_bytes()),
                format!("t.jsonl:3: {reason}"),
                "{line:?}"
            );
        }
    }
}

#[test]
fn data_of_any_other_form_is_refused() {
    for data in [
        "\"0x\"",
        "\"0X1\"",
        "\"255\"",
        "\"ff\"",
        "\"\"",
        "\"0x1 \"",
        "\"0x-1\"",
        "\"0x1_0\"",
        "\"0x\\ud800\"",
        "1.0",
        "1e2",
        "true",
        "null",
        "[[1]]",
        "[\"1\"]",
        "[\"\\u0030x1\"]",
        "[null]",
        "[1.0]",
        "{\"a\":1}",
    ] {
        let line = accum(data);
        let reason = decode(&line).unwrap_err();
        assert!(matches!(reason, Reason::BadData(_)), "{line}: {reason:?}");
    }
}

#[test]
fn data_is_hex_or_an_integer_with_any_number_of_digits() {
    for (data, value) in [
        ("\"0xff\"", 0xff),
        ("\"0xFf\"", 0xff),
        ("\"0x0\"", 0),
        ("\"0xfff\"", 0xfff),
        (
            "\"0x000000000000000000000000000000000000000000000000000000fff\"",
            0xfff,
        ),
        ("\"\\u0030x1\"", 1),
        ("4095", 4095),
        ("0", 0),
    ] {
        assert_eq!(
            decode(&accum(data)).unwrap().data,
            Data::from(value),
            "{data}"
        );
    }
}

fn decode_as(layout: &str, op: &str, data: &str) -> Result<Data, String> {
    let geometry = Geometry::with_layout(layout.parse().unwrap(), 16, 1).unwrap();
    let line = format!(r#"{{"op":"{op}","addr":3,"data":{data}}}"#);
    match Decoder::new(geometry).json(line.as_bytes()) {
        Ok(command) => Ok(command.data),
        Err(reason) => Err(reason.to_string()),
    }
}

#[test]
fn negative_integers_and_lists_are_words_of_the_layout() {
    for (layout, data, word) in [
        ("add:16", "-1", 0xffff),
        ("add:16", "-32768", 0x8000),
        ("add:16", "65535", 0xffff),
        ("add:16", "-0", 0),
        ("add:16", "[-2]", 0xfffe),
        ("add:1", "-1", 1),
        ("xor:12", "[4095]", 0xfff),
        ("xor:48,add:16", "[5,-1]", 0xffff_0000_0000_0005),
        (
            "xor:48,add:16",
            "[ \"0xFF\" , -32768 ]",
            0x8000_0000_0000_00ff,
        ),
        ("add:16,xor:48", "[-1,1]", 0x1_ffff),
        (
            "add:32,add:32",
            "[4294967295,-2147483648]",
            0x8000_0000_ffff_ffff,
        ),
        (
            "xor:48,add:16",
            "\"0xffff000000000005\"",
            0xffff_0000_0000_0005,
        ),
        ("xor:48,add:16", "281474976710656", 1 << 48),
    ] {
        assert_eq!(
            decode_as(layout, "load", data),
            Ok(Data::from(word)),
            "{layout} {data}"
        );
    }
    // Fields that lie across limbs.
    let word = decode_as("xor:60,add:130,xor:2", "load", "[1,-2,3]");
    let expected = "0xffffffffffffffffffffffffffffffffe000000000000001";
    assert_eq!(word, Ok(Data::parse(expected).unwrap()));
}

#[test]
fn data_outside_its_field_is_refused_with_what_to_write() {
    for (layout, data, reason) in [
        (
            "xor:12",
            "-1",
            "\"data\" has -1, and an xor field has no negative values; write its bits in hex, \
             or choose a layout with a field that adds, such as add:64",
        ),
        (
            "xor:6,xor:6",
            "-0",
            "\"data\" has -0, and an xor field has no negative values; write its bits in hex, \
             or choose a layout with a field that adds, such as add:64",
        ),
        (
            "xor:48,add:16",
            "[-1,0]",
            "\"data\" has -1, and an xor field has no negative values; write its bits in hex, \
             or choose a layout with a field that adds, such as add:64",
        ),
        (
            "xor:48,add:16",
            "-1",
            "\"data\" is -1, and a word of xor:48,add:16 has several fields; \
             write a list with one value per field",
        ),
        (
            "xor:48,add:16",
            "[1]",
            "\"data\" lists 1 values, and a word of xor:48,add:16 has 2 fields; \
             write one value per field",
        ),
        (
            "add:8",
            "[]",
            "\"data\" lists 0 values, and a word of add:8 has 1 fields; \
             write one value per field",
        ),
        (
            "add:16",
            "-32769",
            "value 1 of \"data\", -32769, does not fit add:16; choose one from -2^15 to 2^16 - 1",
        ),
        (
            "add:16",
            "[65536]",
            "value 1 of \"data\", 65536, does not fit add:16; choose one from -2^15 to 2^16 - 1",
        ),
        (
            "add:8,xor:8",
            "[0,256]",
            "value 2 of \"data\", 256, does not fit xor:8; choose one from 0 to 2^8 - 1",
        ),
        (
            "add:16",
            "65536",
            "\"data\" is too wide: 17 bits, and a word has 16",
        ),
        (
            "add:8,add:8",
            "[0,\"x\"]",
            "\"data\" must be a string of 0x and hex digits, an integer in decimal digits, \
             or a list of one such value per field, found \"x\"",
        ),
    ] {
        assert_eq!(
            decode_as(layout, "load", data),
            Err(reason.to_string()),
            "{layout} {data}"
        );
    }
}

#[test]
fn rollback_is_accum_of_the_inverse() {
    for (layout, data, word) in [
        ("xor:16", "5", 5),
        ("add:16", "5", 0xfffb),
        ("add:16", "-5", 5),
        ("xor:48,add:16", "[5,1]", 0xffff_0000_0000_0005),
    ] {
        assert_eq!(
            decode_as(layout, "rollback", data),
            Ok(Data::from(word)),
            "{layout} {data}"
        );
    }
}

#[test]
fn an_integer_is_exact_beyond_64_bits() {
    let geometry = Geometry::new(512, 16, 1).unwrap();
    let decode = |data: &str| Decoder::new(geometry).json(accum(data).as_bytes());
    let power = "340282366920938463463374607431768211457"; // 2^128 + 1
    assert_eq!(
        decode(power).unwrap().data.limbs(512),
        [1, 0, 1, 0, 0, 0, 0, 0]
    );
    assert_eq!(
        decode(&"9".repeat(155)),
        Err(Reason::DataTooWide {
            bits: None,
            width: 512
        })
    );
    let exactly = format!("\"0x{}\"", "f".repeat(128));
    assert_eq!(decode(&exactly).unwrap().data.bits(), 512);
    let over = format!("\"0x1{}\"", "0".repeat(128));
    assert_eq!(
        decode(&over),
        Err(Reason::DataTooWide {
            bits: None,
            width: 512
        })
    );
}

#[test]
fn rollback_is_accum_of_the_same_delta_in_xor_fields_on_every_lane() {
    let accum = decode(r#"{"op":"accum","addr":3,"data":1,"lane":2}"#).unwrap();
    let rollback = decode(r#"{"op":"rollback","addr":3,"data":1,"lane":2}"#).unwrap();
    assert_eq!(rollback, accum);
    assert_eq!(rollback.op, Op::Accum);
}

#[test]
fn a_nop_may_name_an_address_of_the_register_file() {
    assert_eq!(decode(r#"{"op":"nop"}"#).unwrap().addr, 0);
    assert_eq!(decode(r#"{"op":"nop","addr":15}"#).unwrap().addr, 15);
}

#[test]
fn with_a_depth_of_one_the_address_is_zero_or_left_out() {
    let mut decoder = Decoder::new(Geometry::new(8, 1, 2).unwrap());
    for line in [
        r#"{"op":"load","data":7}"#,
        r#"{"op":"load","addr":0,"data":7}"#,
        r#"{"op":"accum","data":7,"lane":1}"#,
        r#"{"op":"read"}"#,
        r#"{"op":"drain","addr":0}"#,
        r#"{"op":"nop"}"#,
    ] {
        assert_eq!(decoder.json(line.as_bytes()).unwrap().addr, 0, "{line}");
    }
    let reason = decoder.json(br#"{"op":"read","addr":1}"#).unwrap_err();
    assert_eq!(
        reason.to_string(),
        "address 1 is outside the depth of 1; the last address is 0"
    );
}

#[test]
fn fields_come_in_any_order_with_blanks_and_escapes() {
    let plain = decode(r#"{"op":"accum","addr":3,"data":"0xf","lane":1,"cycle":9}"#).unwrap();
    let odd = "\t{ \"cycle\" : 9 ,\"l\\u0061ne\":1, \"data\":\"0x\\u0066\",\"addr\":3 , \
               \"op\":\"\\u0061ccum\" } \r\n";
    assert_eq!(decode(odd).unwrap(), plain);
    assert_eq!(plain.cycle, 9);
}

#[test]
fn a_line_without_a_cycle_comes_one_after_the_line_before() {
    let text = concat!(
        "{\"op\":\"nop\"}\n",
        "{\"op\":\"nop\"}\r\n",
        "{\"op\":\"nop\",\"cycle\":10}\n",
        "{\"op\":\"accum\",\"addr\":0,\"data\":0,\"lane\":3,\"cycle\":10}\n",
        "{\"op\":\"nop\"}",
    );
    let reader = Reader::new("t", text.as_bytes(), geometry());
    let cycles: Vec<u64> = reader.map(|command| command.unwrap().cycle).collect();
    assert_eq!(cycles, [0, 1, 10, 10, 11]);
}

#[test]
fn there_is_no_cycle_after_the_last() {
    let mut decoder = Decoder::new(geometry());
    let last = format!(r#"{{"op":"nop","cycle":{}}}"#, u64::MAX);
    assert_eq!(decoder.json(last.as_bytes()).unwrap().cycle, u64::MAX);
    assert_eq!(decoder.json(br#"{"op":"nop"}"#), Err(Reason::CycleTooLarge));
}

#[test]
fn a_refused_line_does_not_affect_the_next() {
    let mut decoder = Decoder::new(geometry());
    decoder.json(br#"{"op":"nop","cycle":4}"#).unwrap();
    for bad in [
        r#"{"op":"nop","cycle":4}"#,
        r#"{"op":"read","addr":99,"cycle":8}"#,
        r#"{"op":"accum","addr":0,"data":"0x1000","cycle":8}"#,
        r#"{"op":"nop","cycle":3}"#,
    ] {
        decoder.json(bad.as_bytes()).unwrap_err();
    }
    assert_eq!(decoder.json(br#"{"op":"nop"}"#).unwrap().cycle, 5);
}

#[test]
fn a_line_may_have_the_limit_and_not_one_byte_more() {
    let command = r#"{"op":"nop"}"#;
    let longest = format!(
        "{command}{}\n{command}\n",
        " ".repeat(LINE_LIMIT - command.len())
    );
    let trace = Trace::spool("t", longest.as_bytes(), geometry()).unwrap();
    assert_eq!(trace.summary().commands, 2);
    let over = longest.replacen(' ', "  ", 1);
    let error = Trace::spool("t", over.as_bytes(), geometry()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t:1: the line has more than 65536 bytes; write one command a line"
    );
}

#[test]
fn an_endless_line_is_refused_after_the_limit() {
    let error = Trace::spool("t", std::io::repeat(b'{'), geometry()).unwrap_err();
    assert!(
        error.to_string().starts_with("t:1: the line has more than"),
        "{error}"
    );
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_position() {
    assert_eq!(
        message(b"{\"op\":\"n\xffp\"}\n"),
        "t.jsonl:3: not UTF-8 at byte 9; a trace is UTF-8 text"
    );
}

#[test]
fn messages_are_short_and_escape_control_characters() {
    let long = format!(r#"{{"op":"{}"}}"#, "x".repeat(5000));
    assert!(message(long.as_bytes()).len() < 200);
    let colour = r#"{"op":"\u001b[31mred"}"#;
    assert!(message(colour.as_bytes()).contains(r#"unknown op "\u{1b}[31mred""#));
    let turned = "{\"op\":\"read\",\"addr\":3,\"\u{202e}\":1}";
    assert!(message(turned.as_bytes()).contains(r#"unknown field "\u{202e}""#));
}

#[test]
fn an_empty_file_is_a_trace_of_no_commands() {
    let mut trace = Trace::spool("t", &b""[..], geometry()).unwrap();
    assert_eq!(trace.summary().commands, 0);
    assert_eq!(trace.summary().last_cycle, None);
    assert!(trace.cycles().unwrap().next_cycle().unwrap().is_none());
}

#[test]
fn the_summary_counts_commands_responses_and_cycles() {
    let text = concat!(
        "{\"op\":\"read\",\"addr\":0}\n{\"op\":\"nop\"}\n\
         {\"op\":\"drain\",\"addr\":1,\"cycle\":40}\n",
        "{\"op\":\"accum\",\"addr\":1,\"data\":1,\"cycle\":40,\"lane\":1}\n",
    );
    let trace = Trace::spool("t", text.as_bytes(), geometry()).unwrap();
    let summary = trace.summary();
    assert_eq!((summary.commands, summary.responses), (4, 2));
    assert_eq!(summary.last_cycle, Some(40));
}

#[test]
fn commands_of_a_cycle_are_ordered_by_lane() {
    let text = concat!(
        "{\"op\":\"accum\",\"addr\":1,\"data\":3,\"lane\":3}\n",
        "{\"op\":\"read\",\"addr\":1,\"cycle\":0}\n",
        "{\"op\":\"accum\",\"addr\":1,\"data\":1,\"lane\":1,\"cycle\":0}\n",
        "{\"op\":\"nop\"}\n",
        "{\"op\":\"accum\",\"addr\":1,\"data\":2,\"lane\":2,\"cycle\":9}\n",
        "{\"op\":\"nop\",\"cycle\":9}\n",
    );
    let mut cycles = Cycles::new(Reader::new("t", text.as_bytes(), geometry()));
    let mut seen = Vec::new();
    while let Some(commands) = cycles.next_cycle().unwrap() {
        let lanes: Vec<u32> = commands.iter().map(|command| command.lane).collect();
        seen.push((commands[0].cycle, lanes));
    }
    assert_eq!(seen, [(0, vec![0, 1, 3]), (1, vec![0]), (9, vec![0, 2])]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Trace::open("no/such/file".as_ref(), geometry()).unwrap_err();
    assert!(error.to_string().starts_with("no/such/file: "), "{error}");
    let error = Trace::open(env!("CARGO_MANIFEST_DIR").as_ref(), geometry()).unwrap_err();
    assert!(matches!(error, Error::Read { .. }), "{error:?}");
}

#[test]
fn a_trace_can_be_read_again_and_again() {
    let mut trace = Trace::spool("t", &b"{\"op\":\"read\",\"addr\":3}\n"[..], geometry()).unwrap();
    for _ in 0..3 {
        let mut cycles = trace.cycles().unwrap();
        assert_eq!(cycles.next_cycle().unwrap().unwrap().len(), 1);
        assert!(cycles.next_cycle().unwrap().is_none());
    }
}

proptest! {
    #[test]
    fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Decoder::new(geometry()).json(&line);
    }

    #[test]
    fn no_data_panics_and_what_is_accepted_fits_the_layout(
        data in r#"\[?(("0x[0-9a-f]{0,20}"|-?[0-9]{1,40}|-|null| |\[\]),?){0,4}\]?"#,
        layout in proptest::sample::select(
            &["xor:5", "add:9", "add:70", "xor:5,add:200", "add:1,add:63,xor:2"][..]
        ),
    ) {
        let layout: Layout = layout.parse().unwrap();
        let geometry = Geometry::with_layout(layout, 16, 1).unwrap();
        for op in ["load", "rollback"] {
            let line = format!(r#"{{"op":"{op}","addr":3,"data":{data}}}"#);
            if let Ok(command) = Decoder::new(geometry).json(line.as_bytes()) {
                prop_assert!(command.data.bits() <= layout.width());
            }
        }
    }

    #[test]
    fn fields_that_are_listed_are_read_back(
        limbs in any::<[u64; 4]>(),
        layout in proptest::sample::select(
            &["xor:256", "add:256", "xor:5,add:200,xor:51", "add:64,add:1,add:191"][..]
        ),
    ) {
        let layout: Layout = layout.parse().unwrap();
        let mut word = Data::ZERO;
        word.limbs_mut(256).copy_from_slice(&limbs);
        let mut list = String::new();
        word.push_fields(&layout, &mut list);
        let geometry = Geometry::with_layout(layout, 16, 1).unwrap();
        let command = Decoder::new(geometry).fields(&Fields {
            op: "load",
            addr: Some("0"),
            data: Some(&list),
            ..Fields::default()
        });
        prop_assert_eq!(command.unwrap().data, word, "{}", list);
    }

    #[test]
    fn no_nearly_valid_line_panics(
        line in concat!(
            r#"\{("(op|addr|data|lane|cycle|x)":"#,
            r#"("(read|accum|0x[0-9a-fA-F]{0,40}|\\\\u00)"|-?[0-9]{1,30}|null|\[\]),?){0,5}\}?"#,
        ),
    ) {
        let _ = Decoder::new(geometry()).json(line.as_bytes());
    }

    #[test]
    fn hex_and_decimal_agree_with_128_bit_integers(value in any::<u128>()) {
        let geometry = Geometry::new(128, 16, 1).unwrap();
        let decode = |data: String| Decoder::new(geometry).json(accum(&data).as_bytes());
        let hex = decode(format!("\"{value:#x}\"")).unwrap();
        let decimal = decode(format!("{value}")).unwrap();
        prop_assert_eq!(hex.data.limbs(128), [value as u64, (value >> 64) as u64]);
        prop_assert_eq!(hex, decimal);
        prop_assert_eq!(hex.data.bits(), 128 - value.leading_zeros());
    }
}
