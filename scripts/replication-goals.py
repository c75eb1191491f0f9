#!/usr/bin/env python3
"""Prints the goals of replication beside what was measured when they were set and what is measured
now, as a Markdown table.

Runs the evaluator and the benchmarks of atomik-replica, which takes about half an hour. What a goal
names beside a number ("the CRDT's") comes from the same run. Usage:

    make replication-goals
"""

import json
import os
import re
import statistics
import subprocess
import sys

TARGET = os.environ.get("CARGO_TARGET_DIR", "target")
EVAL = os.path.join(TARGET, "release", "atomik-eval")
FLIGHTS = sys.argv[1] if len(sys.argv) > 1 else "target/eval/flights.jsonl"


def output(*command):
    """What a command prints. Its messages go to the terminal."""
    print("$", *command, file=sys.stderr, flush=True)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def systems(found):
    """The measured systems of a run, by name."""
    return {system["name"]: system for system in found}


def flights(faults):
    run = json.loads(output(EVAL, "run", FLIGHTS, "--ops", "20000", "--rate", "1000",
                            "--faults", faults, "--json"))
    return systems(run["columns"])


def scale(axis, value, names):
    command = [EVAL, "scale", "--axis", axis, "--values", str(value), "--systems", names, "--json"]
    run = json.loads(output(*command, "--patience-min", "20"))
    series = {line["points"][-1]["column"]["name"]: line["points"][-1] for line in per_system(run)}
    return {name: point["column"] for name, point in series.items()}


def per_system(scalings):
    """The points of all axes, grouped by system."""
    grouped = {}
    for scaling in scalings:
        for point in scaling["points"]:
            grouped.setdefault(point["column"]["name"], []).append(point)
    return [{"points": points} for points in grouped.values()]


def wire(system):
    return system["bandwidth"]["wire_bytes_per_op"]


def cpu(system):
    return system["latency"]["total_cpu_ns"] / 1e3


def beyond_values(system):
    return (system["overhead"]["disk_bytes"] - system["overhead"]["value_bytes"]) / 1e6


def rate(group, name):
    """Elements per second of a benchmark, from its last run."""
    folder = os.path.join(TARGET, "criterion", group, name, "new")
    with open(os.path.join(folder, "estimates.json"), encoding="utf-8") as file:
        nanoseconds = json.load(file)["median"]["point_estimate"]
    with open(os.path.join(folder, "benchmark.json"), encoding="utf-8") as file:
        elements = json.load(file)["throughput"]["Elements"]
    return elements / nanoseconds * 1e9


def reconciliation(text):
    """Differences, bytes of their entries and bytes in all, from the benchmark's table."""
    rows = re.findall(r"^\W+(\d+)\W+(\d+)\W+(\d+)\W", text, re.MULTILINE)
    return [tuple(map(int, row)) for row in rows]


def main():
    rows = []

    def row(what, before, goal, now, met):
        rows.append(f"| {what} | {before} | {goal} | {now} | {'yes' if met else 'no'} |")

    for faults, before in [("none", 286), ("partition", 295)]:
        run = flights(faults)
        ours, crdt = wire(run["ATOMiK"]), wire(run["CRDT"])
        row(f"bytes per write on all links, flights, 3 nodes, faults: {faults}", before,
            f"≤ the CRDT's ({crdt:.0f}) and ≤ 115", f"{ours:.0f}", ours <= min(crdt, 115))
        ours, raft = cpu(run["ATOMiK"]), cpu(run["Raft"])
        if faults == "none":
            row("CPU of all nodes per write, flights", "77.9 µs", f"≤ Raft's ({raft:.2f} µs)",
                f"{ours:.2f} µs", ours <= raft)
        else:
            times = {name: system["recovery"]["virtual_us"] / 1e3 for name, system in run.items()}
            median = statistics.median(
                time for name, time in times.items() if not name.startswith("ATOMiK"))
            row("partition recovery", "73.5 ms", f"≤ the others' median ({median:.1f} ms)",
                f"{times['ATOMiK']:.1f} ms", times["ATOMiK"] <= median)

    run = scale("nodes", 63, "ATOMiK,CRDT")
    ours, crdt = wire(run["ATOMiK"]), wire(run["CRDT"])
    row("bytes per write at 63 nodes", "13.5 kB", f"≤ the CRDT's ({crdt / 1e3:.2f} kB)",
        f"{ours / 1e3:.2f} kB", ours <= crdt)

    run = scale("keys", 1_000_000, "ATOMiK,Raft")
    ours, raft = run["ATOMiK"], run["Raft"]
    row("10^6 keys: CPU of all nodes per write", "36.1 µs unsigned",
        f"≤ Raft's ({cpu(raft):.1f} µs)", f"{cpu(ours):.1f} µs", cpu(ours) <= cpu(raft))
    seconds = ours["rebuild"]["cpu_us"] / 1e6
    row("10^6 keys: restart", "1.64 s", "≤ 0.6 s", f"{seconds:.2f} s", seconds <= 0.6)
    disk = beyond_values(ours)
    row("10^6 keys: disk beyond the values", "53.5 MB", "≤ 12 MB", f"{disk:.1f} MB", disk <= 12)

    output("cargo", "bench", "-p", "atomik-replica", "--bench", "throughput")
    local = "local op, 8-byte key and value, 1 M keys"
    ratio = rate(local, "replica") / rate(local, "bare hash map")
    row("local operation, not durable, of a bare hash map", "0.20", "≥ 0.45", f"{ratio:.2f}",
        ratio >= 0.45)
    merge = rate("merge of received entries, frames of 1000, 1 M keys",
                 "replica, signatures verified") / 1e6
    row("merge of received entries", "2.37 M/s", "≥ 4 M/s", f"{merge:.2f} M/s", merge >= 4)

    text = output("cargo", "bench", "-p", "atomik-replica", "--bench", "anti_entropy")
    memory = float(re.search(r"(\d+) bytes a key with its own entry", text).group(1))
    row("memory a key with its own entry, 8-byte keys and values", "178 B", "≤ 100 B",
        f"{memory:.0f} B", memory <= 100)
    for differences, entries, ours in reconciliation(text):
        goal = 1.7 * entries + 1000
        before = {1: 3154, 100: 9049, 1000: 70_201, 10_000: 545_597}.get(differences)
        if before:
            row(f"bytes to reconcile {differences:,} differences of a million entries",
                f"{before:,}", f"≤ 1.7 d entries + 1 kB ({goal:,.0f})", f"{ours:,}", ours <= goal)

    print("| measure | at commit 9c8d1b2 | goal | now | met |")
    print("|---|---:|---:|---:|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
