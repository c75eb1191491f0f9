"""Traces: what the command line accepts, runs and refuses."""

import subprocess
import sys

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

import atomik
from atomik import Command, RegisterFile, Response, Trace, errors

TEXT = """{"op":"load","addr":3,"data":"0xff00"}
{"op":"accum","addr":3,"data":"0x0f"}
{"op":"accum","addr":3,"data":240,"lane":1,"cycle":1}
{"op":"read","addr":3}
{"op":"drain","addr":3}
{"op":"delta","addr":3}
"""
ANSWERS = """{"op":"read","addr":3,"data":"0xffff","clean":false}
{"op":"drain","addr":3,"data":"0x00ff","clean":false}
{"op":"delta","addr":3,"data":"0x0000","clean":true}
"""


def cli(*arguments, text=None):
    """Runs `python -m atomik`: exit status, stdout, stderr."""
    ran = subprocess.run(
        [sys.executable, "-m", "atomik", *map(str, arguments)],
        input=text,
        capture_output=True,
    )
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()


def test_a_trace_runs_as_in_the_readme(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text(TEXT)
    trace = Trace(path, 16, 16, 2)
    assert trace.run_text() == ANSWERS
    assert trace.run() == [
        Response("read", 3, 0xFFFF, False),
        Response("drain", 3, 0xFF, False),
        Response("delta", 3, 0, True),
    ]
    assert (len(trace), trace.responses, trace.last_cycle) == (6, 3, 4)
    assert cli("model", "run", "--width=16", "--depth=16", "--lanes=2", path) == (0, ANSWERS, "")
    assert list(trace)[2] == Command("accum", 3, 240, 1, 1)
    assert repr(trace) == "<Trace for xor:16, depth 16, lanes 2: 6 commands, 3 responses>"


@given(
    st.sampled_from(["xor:8", "xor:64", "xor:48,add:16", "add:65", "xor:300"]),
    st.sampled_from([1, 8]),
    st.integers(1, 4),
    st.integers(0, 1 << 40),
)
def test_a_random_trace_is_the_same_in_every_form(word, depth, lanes, seed):
    trace = Trace.random(60, seed, word, depth, lanes)
    expected = trace.run_text()
    for again in (
        Trace.from_commands(trace, word, depth, lanes),
        Trace.from_commands([tuple(command) for command in trace], word, depth, lanes),
        Trace.from_commands([command._asdict() for command in trace], word, depth, lanes),
        Trace.from_columns(trace.columns(), word, depth, lanes),
    ):
        assert again.run_text() == expected
    file = RegisterFile(word, depth, lanes)
    answers = [file.apply(*command[:4]) for command in trace]
    assert [answer for answer in answers if answer is not None] == trace.run()


def test_a_saved_trace_is_read_back(tmp_path):
    trace = Trace.random(500, 7, "xor:48,add:16", 64, 4)
    path = tmp_path / "saved.jsonl"
    trace.save(path)
    assert list(Trace(path, "xor:48,add:16", 64, 4)) == list(trace)
    made = cli("trace", "random", "--layout=xor:48,add:16", "--depth=64", "--lanes=4",
               "--seed=7", "--count=500")
    assert made == (0, path.read_text(), "")
    with pytest.raises(errors.ToolError, match="name a writable file"):
        trace.save(tmp_path / "no" / "such" / "folder")


def test_tables_of_pandas_polars_and_arrow_are_traces():
    columns = {
        "op": ["load", "accum", "read", "read"],
        "addr": [3, 3, 3, 1],
        "data": [5, 9, None, None],
    }
    expected = [Response("read", 3, 5 ^ 9, False), Response("read", 1, 0, True)]
    arrays = {**columns, "addr": np.array(columns["addr"], dtype=np.uint32)}
    for table in (
        columns,
        arrays,
        pandas.DataFrame(columns),
        pandas.DataFrame(columns).convert_dtypes(),
        polars.DataFrame(columns),
        pyarrow.table(columns),
    ):
        assert Trace.from_columns(table, 16, 8).run() == expected
    with pytest.raises(errors.InputError, match="unknown column 'address'"):
        Trace.from_columns({"op": ["read"], "address": [0]})
    with pytest.raises(errors.InputError, match="'addr' is missing"):
        Trace.from_columns({"op": ["read"]})
    with pytest.raises(errors.InputError, match="different lengths"):
        Trace.from_columns({"op": ["read"], "addr": [0, 1]})


BAD_LINES = [
    (b"not json", "not JSON: expected ident at column 2"),
    (b"", "empty line; write one command on every line"),
    (b"\xff", "not UTF-8 at byte 1; a trace is UTF-8 text"),
    (b"[]", "not a JSON object"),
    (b'{"op":"read","addr":1,"why":1}', 'unknown field "why"'),
    (b'{"op":"read","addr":1,"addr":2}', 'field "addr" is given twice; leave one out'),
    (b'{"addr":1}', 'no "op"'),
    (b'{"op":"write","addr":1}', 'unknown op "write"'),
    (b'{"op":"read"}', 'read needs "addr"'),
    (b'{"op":"read","addr":4}', "address 4 is outside the depth of 4; the last address is 3"),
    (b'{"op":"read","addr":-1}', '"addr" must be a non-negative integer'),
    (b'{"op":"load","addr":1}', 'load needs "data"'),
    (b'{"op":"read","addr":1,"data":1}', 'read takes no "data"; leave it out'),
    (b'{"op":"load","addr":1,"data":256}', '"data" is too wide: 9 bits, and a word has 8'),
    (b'{"op":"load","addr":1,"data":"12"}', '"data" must be a string of 0x and hex digits'),
    (b'{"op":"accum","addr":1,"data":-1}', "an xor field has no negative values"),
    (b'{"op":"accum","addr":1,"data":[1,2]}', "lists 2 values, and a word of xor:8 has 1 fields"),
    (b'{"op":"accum","addr":1,"data":1,"lane":2}', "there is no lane 2"),
    (b'{"op":"load","addr":1,"data":1,"lane":1}', "lane 1 takes accum (or rollback) alone"),
    (b'{"op":"nop","cycle":3}', "cycle 3 comes after cycle 7; cycles never decrease"),
    (b'{"op":"nop","cycle":7}', "lane 0 has a command in cycle 7 already"),
]


@pytest.mark.parametrize("line, reason", BAD_LINES)
def test_a_bad_line_gives_the_message_and_line_that_the_command_line_gives(tmp_path, line, reason):
    path = tmp_path / "bad.jsonl"
    good = b'{"op":"read","addr":0,"cycle":7}\n'
    path.write_bytes(good + line + b'\n{"op":"read","addr":0,"cycle":9}\n')
    with pytest.raises(errors.TraceError) as raised:
        Trace(path, 8, 4, 2)
    error = raised.value
    assert (error.file, error.line) == (str(path), 2)
    assert reason in error.reason
    assert str(error) == f"{path}:2: {error.reason}"
    status, out, err = cli("model", "run", "--width=8", "--depth=4", "--lanes=2", path)
    assert (status, out, err) == (2, "", f"atomik: {error}\n")


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "missing.jsonl"
    with pytest.raises(errors.TraceError, match="missing.jsonl: No such file") as raised:
        Trace(path)
    assert raised.value.line is None
    assert cli("model", "run", path)[0] == 2


def test_the_difference_of_two_files_is_a_trace(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"the same words and others" * 9)
    new.write_bytes(b"the same words but others" * 10)
    diff = atomik.diff(old, new, lanes=4)
    words = b"".join(response.data.to_bytes(8, "little") for response in diff.trace.run())
    assert words.rstrip(b"\0") == new.read_bytes()
    assert diff.words == 32 and 0 < diff.changed <= 32
    assert repr(diff) == f"<Diff: {diff.changed} of 32 words changed>"
    same = atomik.diff(old, old)
    assert same.changed == 0
    with pytest.raises(errors.InputError, match="does not hold whole bytes"):
        atomik.diff(old, new, 12)
    with pytest.raises(errors.InputError, match="No such file"):
        atomik.diff(old, tmp_path / "missing")


def test_the_command_line_ends_with_its_statuses():
    status, out, _ = cli("--version")
    assert (status, out.split()[0]) == (0, "atomik")
    assert cli("model", "jump")[0] == 2
    assert cli("model", "run", "--depth=3", "-", text=b"")[0] == 2
    status, out, err = cli("model", "run", "--width=16", "--depth=16", "--lanes=2", "-",
                           text=TEXT.encode())
    assert (status, out, err) == (0, ANSWERS, "")
