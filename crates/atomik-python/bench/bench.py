#!/usr/bin/env python3
"""Measures the Python packages: `make bench-python`, or `scripts/python.sh bench [OPTION...]`.

    --markdown   print the table of docs/python.md
    --large      also accumulate 10^8 deltas from one array, and watch the memory of the process

Every figure is the best of five rounds; in each round, the rivals take turns. Ratios are of rates
in the same run. The rivals are the package atomik-core 0.4.0 (ATOMIK_CORE is its folder), NumPy,
and a plain loop in Rust over vectors.
"""

import argparse
import importlib
import os
import sys
import time

import numpy as np

import atomik
import atomik_core
from atomik import _atomik

ROUNDS = 5
CALLS = 200_000
ENTRIES = 1 << 22


def original():
    """The package atomik-core 0.4.0."""
    names = [name for name in sys.modules if name.split(".")[0] == "atomik_core"]
    kept = {name: sys.modules.pop(name) for name in names}
    sys.path.insert(0, os.environ["ATOMIK_CORE"])
    try:
        return importlib.import_module("atomik_core")
    finally:
        del sys.path[0]
        for name in [name for name in sys.modules if name.split(".")[0] == "atomik_core"]:
            del sys.modules[name]
        sys.modules.update(kept)


def best(rivals, rounds=ROUNDS):
    """The shortest time of each rival, in seconds; each is a function that returns its time."""
    times = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, measure in rivals.items():
            times[name].append(measure())
    return {name: min(seconds) for name, seconds in times.items()}


def timed(work):
    """A function that returns how long `work` takes."""

    def measure():
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return measure


def context_calls(core):
    context = core.AtomikContext()
    accum = context.accum

    def work():
        for _ in range(CALLS):
            accum(0x1234)

    return timed(work)


def table_calls(core):
    table = core.AtomikTable(256)
    accum = table.accum

    def work():
        for _ in range(CALLS):
            accum(77, 0x1234)

    return timed(work)


def stream_calls(core):
    def work():
        accum = core.DeltaStream().accum
        for _ in range(CALLS // 4):
            accum(0, 0x1234)

    return timed(work)


def wire_calls(core):
    sender = core.DeltaStream()
    data = [sender.accum(0, 0x1234).to_bytes() for _ in range(CALLS // 4)]
    from_bytes = core.DeltaMessage.from_bytes

    def work():
        apply = core.DeltaStream().apply
        for message in data:
            apply(from_bytes(message))

    return timed(work)


def single_calls():
    """Rows of calls a second: ours, the original's, their ratio, and the goal."""
    theirs = original()
    for name, calls, measure in (
        ("`AtomikContext.accum`", CALLS, context_calls),
        ("`AtomikTable.accum`", CALLS, table_calls),
        ("`DeltaStream.accum`", CALLS // 4, stream_calls),
        ("`DeltaStream.apply` of 16 bytes", CALLS // 4, wire_calls),
    ):
        seconds = best({"ours": measure(atomik_core), "theirs": measure(theirs)})
        ours, rival = calls / seconds["ours"], calls / seconds["theirs"]
        yield name, ours, "atomik-core 0.4.0", rival, ours / rival, "3"
    file = atomik.RegisterFile(64, 256)
    accum = file.accum

    def work():
        for _ in range(CALLS):
            accum(77, 0x1234)

    seconds = best({"ours": timed(work), "theirs": table_calls(theirs)})
    ours, rival = CALLS / seconds["ours"], CALLS / seconds["theirs"]
    name, label = "`RegisterFile.accum`, one delta", "`AtomikTable.accum` of it"
    yield name, ours, label, rival, ours / rival, ""


def bulk(depth, name):
    """Rows of deltas a second from arrays, at random addresses of a table."""
    random = np.random.default_rng(1)
    addrs = random.integers(0, depth, ENTRIES)
    deltas = random.integers(0, 1 << 63, ENTRIES, dtype=np.uint64)
    file, table = atomik.RegisterFile(64, depth), np.zeros(depth, dtype=np.uint64)
    seconds = best(
        {
            "ours": timed(lambda: file.accum(addrs, deltas)),
            "rust": lambda: _atomik.plain_loop_seconds(depth, addrs, deltas),
            "at": timed(lambda: np.bitwise_xor.at(table, addrs, deltas)),
        }
    )
    # All have done the same, so the tables are the same.
    assert (file.states() == table).all()
    ours = ENTRIES / seconds["ours"]
    for rival, label, goal in (
        ("rust", "plain loop in Rust", "0.8"),
        ("at", "`numpy.bitwise_xor.at`", ""),
    ):
        rate = ENTRIES / seconds[rival]
        yield f"`RegisterFile.accum`, arrays, {name}", ours, label, rate, ours / rate, goal


def merge():
    """Merging a bank of 64 MiB, against NumPy's `^=` of two arrays."""
    depth = 1 << 23
    file = atomik.RegisterFile(64, depth)
    bank = file.bank()
    a, b = np.ones(depth, dtype=np.uint64), np.ones(depth, dtype=np.uint64)
    bank.accum(np.arange(depth), b)

    def xor():
        np.bitwise_xor(a, b, out=a)

    seconds = best({"ours": timed(lambda: file.merge(bank)), "numpy": timed(xor)})
    ours, rival = depth / seconds["ours"], depth / seconds["numpy"]
    yield "`RegisterFile.merge`, 64 MiB, words", ours, "NumPy `^=`", rival, ours / rival, ""


def memory():
    """Peak and current memory of the process in MiB."""
    with open("/proc/self/status", encoding="ascii") as status:
        lines = dict(line.split(":", 1) for line in status)
    return tuple(int(lines[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS"))


def large():
    """10^8 deltas from one array, in memory that does not grow."""
    count = 10**8
    addrs = np.arange(count) % 4096
    deltas = np.arange(count, dtype=np.uint64)
    file = atomik.RegisterFile("add:64", 4096)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as peak:
        peak.write("5")
    before = memory()
    start = time.perf_counter()
    file.accum(addrs, deltas)
    seconds = time.perf_counter() - start
    after = memory()
    assert file.read(0) == sum(range(0, count, 4096)) % (1 << 64)
    print(
        f"{count:,} deltas from one array of {addrs.nbytes + deltas.nbytes:,} bytes: "
        f"{seconds:.2f} s; memory before {before[1]:.0f} MiB, peak {after[0]:.0f} MiB"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    rows = [*single_calls(), *bulk(512, "in cache"), *bulk(1 << 24, "out of cache"), *merge()]
    head = ("what", "M/s", "rival", "its M/s", "ratio", "goal")
    lines = [
        (what, f"{ours / 1e6:.1f}", rival, f"{theirs / 1e6:.1f}", f"{ratio:.2f}", goal)
        for what, ours, rival, theirs, ratio, goal in rows
    ]
    if options.markdown:
        print("\n".join(f"| {' | '.join(line)} |" for line in (head, ("---",) * 6, *lines)))
    else:
        widths = [max(map(len, column)) for column in zip(head, *lines)]
        for line in (head, *lines):
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    if options.large:
        large()


main()
