//! `trace diff`: the responses to the trace of two files are the new file, byte for byte.

use std::io::Write as _;

use atomik_algebra::FieldKind;
use atomik_trace::diff::{Counts, Diff, Error};
use atomik_trace::{Data, Layout, ResponseWriter, Trace, run_model};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use tempfile::NamedTempFile;

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn open(old: &[u8], new: &[u8], width: u32, depth: Option<usize>, lanes: u32) -> Diff {
    open_as(old, new, Layout::xor(width).unwrap(), depth, lanes)
}

fn open_as(old: &[u8], new: &[u8], layout: Layout, depth: Option<usize>, lanes: u32) -> Diff {
    let (old, new) = (file(old), file(new));
    Diff::open(old.path(), new.path(), layout, depth, lanes).unwrap()
}

fn trace_of(diff: &mut Diff) -> (String, Counts) {
    let mut text = Vec::new();
    let counts = diff.write_trace(&mut text).unwrap();
    (String::from_utf8(text).unwrap(), counts)
}

/// The bytes that the trace reads back, assembled from the text of the responses.
fn restored(diff: &mut Diff) -> Vec<u8> {
    let geometry = diff.geometry();
    let (text, _) = trace_of(diff);
    let mut trace = Trace::spool("t", text.as_bytes(), geometry).unwrap();
    let mut responses = Vec::new();
    let mut writer = ResponseWriter::new(&mut responses, geometry.width());
    run_model(&mut trace, |response| writer.write(response)).unwrap();
    let mut bytes = Vec::new();
    for line in std::str::from_utf8(&responses).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let digits = &line["data"].as_str().unwrap()[2..];
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        bytes.extend((0..digits.len()).step_by(2).rev().map(byte));
    }
    bytes
}

/// Two similar files.
fn versions() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let old = vec(any::<u8>(), 0..300);
    let edits = vec((any::<proptest::sample::Index>(), any::<u8>()), 0..10);
    (old, edits, 0..350usize).prop_map(|(old, edits, length)| {
        let mut new = old.clone();
        new.resize(length, 7);
        for (at, byte) in edits {
            if length != 0 {
                new[at.index(length)] = byte;
            }
        }
        (old, new)
    })
}

proptest! {
    #[test]
    fn the_trace_restores_the_new_file(
        (old, new) in versions(),
        bytes in 1..=64u32,
        depth in proptest::option::of(0..=6u32),
        lanes in 1..=32u32,
        added in 0..=512u32,
    ) {
        // Some bits at the top add.
        let (width, added) = (8 * bytes, added.min(8 * bytes));
        let fields = [(FieldKind::Xor, width - added), (FieldKind::Add, added)];
        let layout = Layout::from_fields(fields.into_iter().filter(|(_, bits)| *bits != 0));
        let depth = depth.map(|depth| 1 << depth);
        let mut diff = open_as(&old, &new, layout.unwrap(), depth, lanes);
        let mut expected = new.clone();
        expected.resize(old.len().max(new.len()).next_multiple_of(bytes as usize), 0);
        prop_assert_eq!(restored(&mut diff), expected);

        let geometry = diff.geometry();
        let (text, _) = trace_of(&mut diff);
        let mut trace = Trace::spool("t", text.as_bytes(), geometry).unwrap();
        let mut comparison = diff.comparison().unwrap();
        run_model(&mut trace, |response| {
            comparison.push(response).unwrap();
            Ok::<_, atomik_trace::Error>(())
        }).unwrap();
        let verdict = comparison.finish();
        prop_assert!(verdict.is_equal(), "{}", verdict);
    }
}

#[test]
fn words_are_little_endian_and_only_changed_ones_get_a_delta() {
    let mut diff = open(&[1, 2, 3, 4, 5], &[1, 2, 3, 0xff], 16, None, 1);
    assert_eq!(diff.geometry().depth(), 4);
    let (text, counts) = trace_of(&mut diff);
    assert_eq!(
        text,
        concat!(
            "{\"op\":\"load\",\"addr\":0,\"data\":\"0x0201\"}\n",
            "{\"op\":\"load\",\"addr\":1,\"data\":\"0x0403\"}\n",
            "{\"op\":\"load\",\"addr\":2,\"data\":\"0x0005\"}\n",
            "{\"op\":\"accum\",\"addr\":1,\"data\":\"0xfb00\"}\n",
            "{\"op\":\"accum\",\"addr\":2,\"data\":\"0x0005\"}\n",
            "{\"op\":\"read\",\"addr\":0}\n",
            "{\"op\":\"read\",\"addr\":1}\n",
            "{\"op\":\"read\",\"addr\":2}\n",
        )
    );
    assert_eq!(
        counts,
        Counts {
            words: 3,
            changed: 2
        }
    );
}

#[test]
fn deltas_are_spread_over_the_lanes_of_a_cycle() {
    let mut diff = open(&[0; 3], &[1, 2, 3], 8, None, 2);
    let (text, _) = trace_of(&mut diff);
    assert!(
        text.contains(concat!(
            "{\"op\":\"accum\",\"addr\":0,\"data\":\"0x01\"}\n",
            "{\"op\":\"accum\",\"addr\":1,\"data\":\"0x02\",\"lane\":1,\"cycle\":3}\n",
            "{\"op\":\"accum\",\"addr\":2,\"data\":\"0x03\"}\n",
        )),
        "{text}"
    );
}

#[test]
fn files_beyond_the_depth_reuse_the_addresses() {
    let (old, new) = (vec![0xaa; 40], (0..40).collect::<Vec<u8>>());
    let mut diff = open(&old, &new, 8, Some(16), 1);
    assert_eq!(restored(&mut diff), new);
    let (text, _) = trace_of(&mut diff);
    assert_eq!(text.matches("{\"op\":\"read\",\"addr\":0}").count(), 3);
    assert!(!text.contains("\"addr\":16"));
}

#[test]
fn the_depth_is_the_power_of_two_that_holds_the_longer_file() {
    for (bytes, depth) in [
        (0, 1),
        (1, 1),
        (8, 1),
        (9, 2),
        (32, 4),
        (33, 8),
        (16384 * 8, 16384),
        (16384 * 8 + 1, 16384),
    ] {
        assert_eq!(
            open(&vec![0; bytes], b"", 64, None, 1).geometry().depth(),
            depth,
            "{bytes}"
        );
        assert_eq!(
            open(b"", &vec![0; bytes], 64, None, 1).geometry().depth(),
            depth,
            "{bytes}"
        );
    }
}

#[test]
fn two_empty_files_give_an_empty_trace() {
    let mut diff = open(b"", b"", 64, None, 1);
    let (text, counts) = trace_of(&mut diff);
    assert_eq!((text.as_str(), counts.words), ("", 0));
    assert!(diff.comparison().unwrap().finish().is_equal());
}

#[test]
fn fields_that_add_get_the_difference() {
    let layout = "xor:8,add:8".parse().unwrap();
    let (text, _) = trace_of(&mut open_as(&[0xff, 5], &[0x0f, 3], layout, None, 1));
    assert_eq!(
        text,
        concat!(
            "{\"op\":\"load\",\"addr\":0,\"data\":\"0x05ff\"}\n",
            "{\"op\":\"accum\",\"addr\":0,\"data\":\"0xfef0\"}\n",
            "{\"op\":\"read\",\"addr\":0}\n",
        )
    );
}

#[test]
fn impossible_words_are_refused() {
    let empty = file(b"");
    let xor = |width| Layout::xor(width).unwrap();
    for width in [1, 7, 12, 65] {
        let error = Diff::open(empty.path(), empty.path(), xor(width), None, 1).unwrap_err();
        assert!(
            matches!(error, Error::NotBytes(refused) if refused == width),
            "{error:?}"
        );
    }
    let error = Diff::open(empty.path(), empty.path(), xor(64), Some(3), 1).unwrap_err();
    assert!(matches!(error, Error::Geometry(_)), "{error:?}");
}

#[test]
fn a_file_that_shrinks_is_an_error_not_zeros() {
    let (old, new) = (file(&[1; 100]), file(&[2; 100]));
    let mut diff = Diff::open(old.path(), new.path(), Layout::xor(64).unwrap(), None, 1).unwrap();
    new.as_file().set_len(50).unwrap();
    let error = diff.write_trace(Vec::new()).unwrap_err();
    assert!(matches!(error, Error::Shrunk(_)), "{error:?}");
}

#[test]
fn a_comparison_detects_wrong_data_wrong_addresses_and_missing_or_extra_words() {
    let new: Vec<u8> = (1..=80).collect();
    let mut diff = open(b"", &new, 80, None, 1);
    let geometry = diff.geometry();
    let (text, _) = trace_of(&mut diff);
    let mut trace = Trace::spool("t", text.as_bytes(), geometry).unwrap();
    let mut good = Vec::new();
    run_model(&mut trace, |response| {
        good.push(*response);
        Ok::<_, atomik_trace::Error>(())
    })
    .unwrap();
    assert_eq!(good.len(), 8);
    let mut verdict = |responses: &[_]| {
        let mut comparison = diff.comparison().unwrap();
        for response in responses {
            comparison.push(response).unwrap();
        }
        comparison.finish()
    };
    assert!(verdict(&good).is_equal());

    let mut wrong = good.clone();
    wrong[2].data.limbs_mut(80)[1] ^= 0x0100;
    wrong[5].data = Data::ZERO;
    let seen = verdict(&wrong);
    assert_eq!((seen.is_equal(), seen.wrong), (false, 2));
    let first = seen.first.unwrap();
    assert_eq!((first.byte, first.addr), (29, 2));
    assert_eq!(
        seen.to_string(),
        "words due: 8, came: 8, wrong: 2; first at byte 29 (address 2): \
         expected 0x1e1d1c1b1a1918171615, got 0x1f1d1c1b1a1918171615"
    );

    let mut moved = good.clone();
    moved[0].addr = 1;
    assert_eq!(verdict(&moved).wrong, 1);
    assert!(!verdict(&good[..7]).is_equal());
    let extra = [good.as_slice(), &good[..1]].concat();
    assert!(!verdict(&extra).is_equal());
}
