"""Claims about the Rust code itself, on symbolic words: the example `symbolic` of atomik-algebra
prints them, a solver decides them.
"""

import os
import re
import shlex
import subprocess

import provers

DEFAULT = "cargo run --quiet -p atomik-algebra --example symbolic --"
ANSWER = re.compile(r'^"?(reached|claim) (.*?)"?\n(sat|unsat|unknown)$', re.MULTILINE)


def solver():
    """The command of the solver."""
    installed = provers.TOOLS / "solver/bin/yices-smt2"
    program = os.environ.get("ATOMIK_YICES") or (
        str(installed) if installed.exists() else "yices-smt2"
    )
    return [program, "--incremental"]


def judge(output):
    """What is wrong with the answers of a solver to the output of `symbolic --wrong`. Returns the
    number of claims, and faults."""
    claims, reached, faults = {}, set(), []
    for kind, name, answer in ANSWER.findall(output):
        if kind == "reached":
            claims.setdefault(name, [])
            if answer == "sat":
                reached.add(name)
        else:
            claims.setdefault(name, []).append(answer)
    for name, answers in claims.items():
        is_wrong = name.endswith("swap is always clean")
        if name not in reached:
            faults.append(f"{name}: no path is reached")
        if (set(answers) == {"unsat"}) == is_wrong:
            faults.append(f"{name}: " + ("is accepted" if is_wrong else "does not hold"))
    if not any(name.endswith("swap is always clean") for name in claims):
        faults.append("the wrong claim is missing")
    return sum(map(len, claims.values())), faults


def check(program):
    """Runs the claims of `program`, a command. Returns a line about them, and faults."""
    try:
        claims = subprocess.run([*shlex.split(program), "--wrong"], cwd=provers.ROOT,
                                capture_output=True, text=True)
        if claims.returncode:
            raise provers.ProofError(f"{program}: {claims.stderr.strip()}")
        done = subprocess.run(solver(), input=claims.stdout, capture_output=True, text=True)
    except OSError as error:
        raise provers.ProofError(f"{error}: run `sh scripts/setup.sh solver`") from error
    if done.returncode or "error" in done.stdout:
        raise provers.ProofError(f"the solver failed: {done.stdout[-500:]}{done.stderr}")
    count, faults = judge(done.stdout)
    return f"Yices: {count - 1} claims about the Rust code on symbolic words", faults
