"""Verilog for test benches, and regressions of it."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

import atomik
from atomik import errors


def test_the_files_are_those_that_are_checked_in():
    files = atomik.generate(8, 16, 2)
    for name in ("atomik_regfile_w8_d16_l2.v", "atomik_regfile_w8_d16_l2.json"):
        assert files[name] == (ROOT / "hdl" / name).read_text()
    assert json.loads(files["atomik_regfile_w8_d16_l2.json"])["latency"] > 0


def test_a_folder_gets_what_the_command_line_writes(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    atomik.generate("xor:48,add:16", 64, target="ecp5", out=ours, split=True, testbench=True)
    subprocess.run(
        [sys.executable, "-m", "atomik", "hdl", "generate", "--layout=xor:48,add:16", "--depth=64",
         "--target=ecp5", "--split", "--testbench", "-o", theirs],
        check=True,
        capture_output=True,
    )
    names = sorted(path.relative_to(ours) for path in ours.rglob("*.*"))
    assert names == sorted(path.relative_to(theirs) for path in theirs.rglob("*.*"))
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()


def test_what_cannot_be_generated_is_refused():
    with pytest.raises(errors.GeometryError, match="possible targets are generic"):
        atomik.generate(8, 16, target="asic")
    with pytest.raises(errors.GeometryError):
        atomik.generate(9, 16)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setenv("ATOMIK_ROOT", str(ROOT))
    path = tmp_path / "plan.toml"
    path.write_text(
        'name = "small"\ngate_coverage = false\n'
        '[[run]]\nconfigs = ["w8 d16 l2"]\nprofiles = ["mixed", "hazard"]\nseeds = [1]\n'
        "cycles = 2000\n"
    )
    return path


def test_a_regression_compares_every_cycle(plan):
    regression = atomik.regress(plan)
    assert regression and regression.passed
    regression.check()
    assert [job["cycles"] for job in regression["jobs"]] == [2000, 2000]
    assert repr(regression) == "<Regression small: 2 jobs, 4000 cycles: PASSED>"
    assert len(atomik.regress(plan, filter="hazard", cycles=100)["jobs"]) == 1


def test_a_regression_that_cannot_run_fails(plan, monkeypatch):
    plan.write_text(plan.read_text().replace("gate_coverage = false", "gate_coverage = true"))
    regression = atomik.regress(plan)
    assert not regression
    with pytest.raises(AssertionError, match="coverage bins are empty"):
        regression.check()
    monkeypatch.setenv("ATOMIK_VERILATOR", "/nowhere/verilator")
    with pytest.raises(errors.ToolError, match="/nowhere/verilator"):
        atomik.regress(plan)
    with pytest.raises(errors.InputError, match="missing.toml"):
        atomik.regress(plan.parent / "missing.toml")
