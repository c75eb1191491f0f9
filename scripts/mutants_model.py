"""Plants bugs in the software model and the golden model with cargo-mutants, one at a time, and
fails if their tests do not find one (`make mutants-model`).

A first pass runs few cases of each property, and leaves out the tests of large tables; most mutants
die there. Those that survive run all tests with all cases.

    python3 scripts/mutants_model.py [--shard K/N]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CRATES = ["atomik-algebra", "atomik-golden"]
OUTPUT = ROOT / "target" / "mutants-model"
# Exit codes of cargo-mutants: all caught, some missed, some ended by the timeout.
CAUGHT, MISSED, TIMEOUT = 0, 2, 3


def exclusions() -> list[str]:
    """The patterns of mutants that are left out."""
    config = tomllib.loads((ROOT / ".cargo" / "mutants.toml").read_text())
    return config["exclude_re"]


def stale(patterns: list[str], mutants: list[str]) -> list[str]:
    """The patterns that match no mutant."""
    return [p for p in patterns if not any(re.search(p, mutant) for mutant in mutants)]


def mutants(*arguments: str, cases: str | None = None) -> subprocess.CompletedProcess:
    """Runs cargo-mutants."""
    # What a mutant needs compiled anew is much less than the crate. That a property fails is
    # enough; nobody reads its smallest case.
    environment = dict(os.environ, CARGO_INCREMENTAL="1", PROPTEST_MAX_SHRINK_ITERS="0")
    if cases is not None:
        environment["PROPTEST_CASES"] = cases
    packages = [f"--package={crate}" for crate in CRATES]
    command = ["cargo", "mutants", *packages, *arguments]
    stdout = subprocess.PIPE if "--list" in arguments else None
    return subprocess.run(command, cwd=ROOT, env=environment, text=True, stdout=stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shard", default="0/1", metavar="K/N", help="one part of N, from 0")
    shard = "--shard=" + parser.parse_args().shard

    listed = mutants("--list", "--no-config", "--line-col=false")
    if listed.returncode != 0:
        return listed.returncode
    if unused := stale(exclusions(), listed.stdout.splitlines()):
        print("mutants-model: .cargo/mutants.toml leaves out mutants that do not exist:")
        print(*(f"  {pattern}" for pattern in unused), sep="\n")
        return 1

    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    output = f"--output={OUTPUT}"
    quick = ["--", "--", "--skip", "large_merges"]
    status = mutants(output, shard, *quick, cases="8").returncode
    if status == MISSED:
        print("mutants-model: those that were missed, with all tests and cases:", flush=True)
        missed = (OUTPUT / "mutants.out" / "missed.txt").read_text().splitlines()
        again = [f"--re=^{re.escape(mutant)}$" for mutant in missed]
        status = mutants(output, *again).returncode
    if status == MISSED:
        print(
            "mutants-model: for each MISSED mutant write a test that fails on it, or explain in "
            ".cargo/mutants.toml why nobody could notice it."
        )
    return 0 if status == TIMEOUT else status


if __name__ == "__main__":
    sys.exit(main())
