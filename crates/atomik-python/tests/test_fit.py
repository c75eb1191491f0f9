"""The verdict on workloads."""

import json
import subprocess
import sys

import pandas
import polars
import pyarrow
import pytest

import atomik
from atomik import errors

COUNTERS = [
    {"t": t, "node": t % 3, "key": f"k{t % 5}", "op": "add", "field": "n", "value": t % 7 - 3}
    for t in range(300)
]
REGISTERS = [
    {"t": 0, "node": 0, "key": "<k>", "op": "set", "field": "name", "value": 5},
    {"t": 1, "node": 1, "key": "<k>", "op": "set", "field": "name", "value": 3},
]


def lines(operations):
    return "".join(json.dumps(operation) + "\n" for operation in operations)


def test_counters_fit_and_concurrent_registers_do_not():
    fits, fails = atomik.fit(COUNTERS), atomik.fit(REGISTERS)
    assert (fits.verdict, fits.fits, fits.layout) == ("FITS", True, "add:8")
    assert (fails.verdict, fails.fits) == ("DOES NOT FIT", False)
    wrong = fails["fields"][0]["wrong"][0]
    assert (wrong["lines"], wrong["meant"], wrong["got"]) == ([1, 2], "3", "6")
    assert fails.reasons


def test_a_fit_is_what_the_command_line_prints(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text(lines(REGISTERS))

    def cli(*options):
        command = [sys.executable, "-m", "atomik", "eval", "fit", *options, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    fit = atomik.fit(path)
    assert {**fit, "command": None} == {**json.loads(cli("--json")), "command": None}
    # The last line is the command.
    assert str(fit).splitlines()[:-1] == cli().splitlines()[:-1]
    limits = atomik.fit(path, windows_ms=[50], overlap_fails=1.0, wrong_fails=1.0)
    options = ("--json", "--window=50", "--overlap-fails=1", "--wrong-fails=1")
    assert {**limits, "command": None} == {**json.loads(cli(*options)), "command": None}


def test_tables_are_workloads():
    expected = atomik.fit(COUNTERS, name="x")
    table = {name: [line[name] for line in COUNTERS] for name in COUNTERS[0]}
    for form in (
        table,
        pandas.DataFrame(table),
        polars.DataFrame(table),
        pyarrow.table(table),
    ):
        assert atomik.fit(form, name="x") == expected
    with pytest.raises(errors.InputError, match="unknown column 'user'"):
        atomik.fit({**table, "user": table["node"]})
    with pytest.raises(errors.InputError, match="'key' is missing"):
        atomik.fit({name: table[name] for name in ("t", "node", "op")})


def test_a_notebook_shows_a_table_with_the_text_escaped():
    page = atomik.fit(REGISTERS + [{**REGISTERS[0], "t": 2, "field": "<b>"}])._repr_html_()
    assert "<b>DOES NOT FIT</b>" in page
    assert "&lt;b&gt;" in page and "<code><b>" not in page


@pytest.mark.parametrize(
    "trace, message",
    [
        ([], "<operations>: no operations"),
        ([{"t": 0}], '<operations>:1: the member "node" is missing'),
        ([REGISTERS[1], REGISTERS[0]], "<operations>:2: "),
        ("missing.jsonl", "missing.jsonl: No such file"),
    ],
)
def test_a_bad_workload_is_refused_with_file_and_line(trace, message):
    with pytest.raises(errors.InputError) as raised:
        atomik.fit(trace)
    assert str(raised.value).startswith(message)


def test_an_unknown_limit_is_refused():
    with pytest.raises(errors.InputError, match="limits"):
        atomik.fit(COUNTERS, overlap_fails="many")
    with pytest.raises(errors.InputError, match="unknown limit 'overlap_fail'"):
        atomik.fit(COUNTERS, overlap_fail=0.5)
