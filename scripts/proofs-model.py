#!/usr/bin/env python3
"""Runs the machine that Rocq proves things about, extracted to OCaml, beside the software model and
the RTL, and compares latencies and segments of the circuits in the proofs with those of the
generator.

    scripts/proofs-model.py ATOMIK [--simulate]

ATOMIK is the program. With --simulate, traces also run on the RTL, which needs Verilator. Run
`scripts/proofs.py rocq` first: it extracts the machine into target/proofs/rocq. Exit status 1 if
anything differs.
"""

import argparse
import itertools
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target/proofs/rocq"
CODES = ["nop", "load", "accum", "read", "swap", "delta", "drain"]

# Layout, depth and lanes of the traces, and how many seeds; the first ones also run on the RTL.
TRACES = [
    ("xor:8", 16, 2, 2),
    ("xor:8,add:8", 16, 2, 2),
    ("xor:1", 2, 1, 4),
    ("xor:64", 512, 4, 4),
    ("add:16", 4, 8, 4),
    ("add:64", 32, 1, 4),
    ("xor:48,add:16", 16, 4, 4),
    ("add:5,xor:3,add:33,xor:70", 8, 2, 4),
    ("xor:512", 1, 2, 4),
]
SIMULATED = 2

# Options of `atomik hdl generate` whose manifests are compared.
CIRCUITS = [
    (layout, depth, lanes, target)
    for layout in ["xor:1", "xor:64", "xor:256", "add:16", "add:64", "xor:48,add:16"]
    for depth, lanes in [(1, 1), (1, 16), (2, 1), (16, 2), (512, 4), (16384, 32)]
    for target in ["generic", "ecp5"]
]

# Layouts whose segments are compared, in circuits with and without memories.
SEGMENTED = ["add:16", "add:17", "add:64", "xor:48,add:16", "add:5,xor:3,add:33,xor:70",
             "xor:100,add:156", "add:22,add:23,xor:32"]
# The most bits of a segment that xors, in words with fields that add.
MOST_XOR = {"generic": 4096, "ecp5": 32}
SLICE = re.compile(r"_slice_((?:xor|add)\d+(?:_low|_mid|_high)?) slice(\d+) \(")


class Different(Exception):
    """What the machine says is not what the program says."""


def run(command, text=None, cwd=None):
    try:
        done = subprocess.run(command, input=text, cwd=cwd, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"proofs: {command[0]} does not run: {error}")
    if done.returncode:
        sys.exit(f"proofs: {' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def compile_machine():
    if not (FOLDER / "machine.ml").exists():
        sys.exit("proofs: the machine is not extracted yet: run `scripts/proofs.py rocq`")
    sources = ["machine.mli", "machine.ml", "replay.ml"]
    run(["ocamlopt", "-w", "-a", *sources, "-o", "replay"], cwd=FOLDER)
    return FOLDER / "replay"


def fields(layout):
    return [(kind[0], int(bits)) for kind, bits in (f.split(":") for f in layout.split(","))]


def commands(trace):
    """The commands of a trace with their cycles."""
    cycle = -1
    for line in trace.splitlines():
        command = json.loads(line)
        cycle = command.get("cycle", cycle + 1)
        yield cycle, command


def for_machine(layout, trace):
    """A trace as replay.ml reads it."""
    lines = [" ".join(f"{kind}{bits}" for kind, bits in fields(layout))]
    for _, group in itertools.groupby(commands(trace), key=lambda pair: pair[0]):
        first, others = "-", []
        for _, command in sorted(group, key=lambda pair: pair[1].get("lane", 0)):
            address, data = command.get("addr", 0), command.get("data", "0x0").removeprefix("0x")
            if command.get("lane", 0) == 0:
                first = f"{address} {CODES.index(command['op'])} {data}"
            else:
                others.append(f"{address} {data}")
        lines.append(" ".join([first, *others]))
    return "\n".join(lines) + "\n"


def responses(output):
    parsed = map(json.loads, output.splitlines())
    return [f"{r['data'].removeprefix('0x')} {str(r['clean']).lower()}" for r in parsed]


def compare_trace(machine, atomik, size, seed, simulate):
    layout, depth, lanes = size
    size = ["--layout", layout, "--depth", str(depth), "--lanes", str(lanes)]
    trace = run([atomik, "trace", "random", *size, "--seed", str(seed), "--count", "1000"])
    expected = run([machine, "replay"], for_machine(layout, trace)).splitlines()
    for way in ["model", "sim"][: 1 + simulate]:
        got = responses(run([atomik, way, "run", *size, "-"], trace))
        if got != expected:
            first = next(i for i, pair in enumerate(itertools.zip_longest(got, expected))
                         if pair[0] != pair[1])
            what = f"{layout} d{depth} l{lanes}"
            raise Different(f"{way} {what} seed {seed}: response {first} differs")
    return len(expected)


def compare_latencies(machine, atomik):
    lines, reported = [], []
    with tempfile.TemporaryDirectory() as folder:
        for layout, depth, lanes, target in CIRCUITS:
            run([atomik, "hdl", "generate", "--layout", layout, "--depth", str(depth),
                 "--lanes", str(lanes), "--target", target, "-o", folder])
            path = next(pathlib.Path(folder).glob("*.json"))
            manifest = json.loads(path.read_text("utf-8"))
            path.unlink()
            reported.append(f"{manifest['latency']} {manifest['clear_cycles']}")
            parts = fields(layout)
            adding = [bits for kind, bits in parts if kind == "a"]
            numbers = [int(bool(adding)), sum(bits for _, bits in parts), depth.bit_length() - 1,
                       lanes, int(target == "ecp5"), *adding]
            lines.append(" ".join(map(str, numbers)))
    proved = run([machine, "latency"], "\n".join(lines) + "\n").splitlines()
    for circuit, pair in zip(CIRCUITS, zip(reported, proved)):
        if pair[0] != pair[1]:
            raise Different(f"{circuit}: latency and clear cycles are {pair[0]}, in the proofs "
                            f"{pair[1]}")


def compare_segments(machine, atomik):
    circuits = list(itertools.product(SEGMENTED, [1, 16], MOST_XOR))
    lines, made = [], []
    with tempfile.TemporaryDirectory() as folder:
        for layout, depth, target in circuits:
            run([atomik, "hdl", "generate", "--layout", layout, "--depth", str(depth),
                 "--target", target, "-o", folder])
            path = next(pathlib.Path(folder).glob("*.v"))
            # Those of the reference side are the same.
            text = path.read_text("utf-8").replace("_reference_slice_", "_")
            path.unlink()
            found = {int(place): segment for segment, place in SLICE.findall(text)}
            made.append(" ".join(found[place] for place in sorted(found)))
            parts = (f"{kind}{bits}" for kind, bits in fields(layout))
            lines.append(" ".join([str(MOST_XOR[target]), *parts]))
    proved = run([machine, "segments"], "\n".join(lines) + "\n").splitlines()
    for circuit, pair in zip(circuits, zip(made, proved)):
        if pair[0] != pair[1]:
            raise Different(f"{circuit}: segments are {pair[0]}, in the proofs {pair[1]}")
    return len(circuits)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("atomik")
    parser.add_argument("--simulate", action="store_true")
    options = parser.parse_args()
    machine = compile_machine()
    try:
        count = 0
        for place, (layout, depth, lanes, seeds) in enumerate(TRACES):
            simulate = options.simulate and place < SIMULATED
            for seed in range(seeds):
                size = (layout, depth, lanes)
                count += compare_trace(machine, options.atomik, size, seed, simulate)
        compare_latencies(machine, options.atomik)
        cut = compare_segments(machine, options.atomik)
    except Different as different:
        sys.exit(f"proofs: {different}")
    rtl = " and, in two configurations, the RTL" if options.simulate else ""
    print(f"extracted machine: {count} responses are those of the software model{rtl}; "
          f"latency and clear cycles of {len(CIRCUITS)} circuits are those of the generator, and "
          f"the segments of {cut}")


if __name__ == "__main__":
    main()
