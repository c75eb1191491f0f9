"""Transcripts: runs of the software model and of the generated Verilog as theorems, checked by a
prover. See `atomik trace transcript`.
"""

import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import subprocess

import provers

# Layout, depth and lanes of the register files whose runs are checked.
SIZES = [
    ("xor:8", 4, 2),
    ("add:8", 4, 2),
    ("xor:5,add:3", 2, 4),
    ("xor:1", 1, 2),
    ("add:16", 2, 1),
    ("xor:7,add:9,xor:4", 4, 1),
]
MACHINES = ["model", "rtl"]
OPS = ["nop", "load", "accum", "read", "swap", "delta", "drain"]
RANDOM_COMMANDS = 40

# A response in the text of a transcript: the part before `clean`, and `clean`.
RESPONSE = re.compile(r"(returns [^.]*\.|Some \(0x[0-9a-f]+%N, )(true|false)")


def call(program, *arguments, text=None):
    """What `atomik` prints."""
    done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True)
    if done.returncode:
        raise provers.ProofError(f"atomik {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def directed(first, size):
    """A trace in which every op follows `first`, on a clean and on a dirty address, at all
    distances up to 4 cycles, with a delta on the last lane in the same cycle."""
    layout, depth, lanes = size
    width = sum(int(bits) for bits in re.findall(r":(\d+)", layout))
    lines, cycle = [], 0

    def offer(op, value, distance=1, lane=0):
        nonlocal cycle
        cycle += distance
        data = {"data": 0x9d3b * value % 2**width} if op in ("load", "accum") else {}
        lines.append({"op": op, "addr": depth - 1, "lane": lane, "cycle": cycle} | data)

    for number, (second, dirty) in enumerate(itertools.product(OPS, (True, False))):
        offer("load", number)
        if dirty:
            offer("accum", 1)
        offer(first, number + 1)
        offer(second, number + 1, distance=1 + number % 4)
        if lanes > 1:
            offer("accum", 1, distance=0, lane=lanes - 1)
        offer("read", 0)
    return "".join(json.dumps(line) + "\n" for line in lines)


def traces(program, count):
    """`count` sizes with traces, each with a name: one directed trace for each op, then random
    ones."""
    for number, size in zip(range(count), itertools.cycle(SIZES)):
        options = ["--layout", size[0], "--depth", str(size[1]), "--lanes", str(size[2])]
        turn = number // len(SIZES)
        if turn < len(OPS):
            yield options, f"{size[0]}, {OPS[turn]} and what follows", directed(OPS[turn], size)
        else:
            text = call(program, "trace", "random", *options, "--seed", str(number),
                        "--count", str(RANDOM_COMMANDS))
            yield options, f"{size[0]}, random, seed {number}", text


def falsified(text, number):
    """A transcript with one response changed: `clean` of the one at `number`, or the next."""
    responses = list(RESPONSE.finditer(text))
    wrong = responses[number % len(responses)]
    clean = "false" if wrong[2] == "true" else "true"
    return text[: wrong.start(2)] + clean + text[wrong.end(2) :]


def check(prover, folder, program, count):
    """Checks `count` transcripts of each machine, and one false one for each size. `folder` has
    the compiled files. Returns a line about them, and faults."""
    def verify(number, machine, options, name, trace):
        text = call(program, "trace", "transcript", *options, "--on", machine,
                    "--prover", prover.name.lower(), "-", text=trace)
        wrong = provers.check_text(prover, folder, f"transcript_{machine}_{number}", text)
        if wrong:
            return f"{machine}, {name}: {wrong}"
        if number < len(SIZES):
            text = falsified(text, 3 * number + MACHINES.index(machine))
            if not provers.check_text(prover, folder, f"false_{machine}_{number}", text):
                return f"{machine}, {name}: a transcript with a wrong response is accepted"
        return None

    chosen = list(traces(program, count))
    # The first run of a size on the Verilog compiles it.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(
            lambda job: verify(job[1][0], job[0], *job[1][1]),
            itertools.product(MACHINES, enumerate(chosen)),
        ))
    commands = sum(trace.count("\n") for _, _, trace in chosen)
    line = (f"{prover.name}: {count} traces with {commands} commands, on the software model and on "
            f"the Verilog: the machine of the proofs responds alike; "
            f"{len(MACHINES) * min(count, len(SIZES))} with a wrong response are refused")
    return line, [fault for fault in found if fault]
