"""Verilog, and its check against the software model under Verilator."""

import json
import os
from typing import Any

from . import _atomik


def generate(
    width: int | str = 64,
    depth: int = 512,
    lanes: int = 1,
    *,
    target: str = "generic",
    out: str | os.PathLike[str] | None = None,
    split: bool = False,
    testbench: bool = False,
    cocotb: bool = False,
) -> dict[str, str]:
    """The files of a register file in Verilog: a dict of names to texts.

    The manifest, NAME.json, has latency, ports and memories. `out` is a folder to write the files
    to. `testbench` adds a self-checking test bench, `cocotb` a test for cocotb.
    """
    folder = None if out is None else os.fspath(out)
    return dict(_atomik.generate(width, depth, lanes, target, folder, split, testbench, cocotb))


class Regression(dict[str, Any]):
    """The report of a regression, in the form of `atomik sim regress --json`."""

    def __init__(self, passed: bool, report: dict[str, Any]) -> None:
        super().__init__(report)
        self.passed = passed

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        cycles = sum(job["cycles"] for job in self["jobs"])
        verdict = "PASSED" if self.passed else "FAILED"
        return f"<Regression {self['plan']}: {len(self['jobs'])} jobs, {cycles} cycles: {verdict}>"

    def check(self) -> None:
        """Raises `AssertionError` with the first mismatch or error unless the regression passed."""
        for job in self["jobs"]:
            reason = job["error"] or job["mismatch"]
            if reason:
                raise AssertionError(f"{job['name']}: {reason}")
        if not self.passed:
            raise AssertionError(f"{self!r}: coverage bins are empty, or it was stopped")


def regress(
    plan: str | os.PathLike[str] | None = None,
    *,
    seed: int | None = None,
    cycles: int | None = None,
    filter: str | None = None,
) -> Regression:
    """Compares generated Verilog with the software model, cycle by cycle; returns a `Regression`.

    `plan` is a file, by default the project's sim/reference.toml; `filter` a part of the names of
    the jobs to run. Needs Verilator and a C++ compiler, which the project's `make setup` finds or
    installs.
    """
    path = None if plan is None else os.fspath(plan)
    passed, report = _atomik.regress(path, seed, cycles, filter)
    return Regression(passed, json.loads(report))
