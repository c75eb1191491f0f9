#!/usr/bin/env python3
"""Checks the proofs in proofs/ and prints what they say.

    scripts/proofs.py [PROVER...]             check all files, print a table of the theorems
        --transcripts COUNT --program ATOMIK also check runs of the program as theorems
    scripts/proofs.py --names                 check that what the theorems name exists; no prover
    scripts/proofs.py --mutants [PROVER...]   plant each error of mutants.json; a named theorem
                                              must fail
        --sample                              only those that are marked: in each file, some that
                                              are soon found

    scripts/proofs.py solver                  check claims about the Rust code on symbolic words
        --symbolic COMMAND                    what prints them; by default, cargo runs it

PROVER is `lean` or `rocq`; without one, both and the solver. Exit status 1 if anything is wrong.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import re
import sys

import provers
import symbolic
import theorems
import transcripts


def table(header, rows):
    """Rows as a table with columns of equal width."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def chosen(names):
    """The provers with these names, or all that have files."""
    wanted = [prover() for prover in provers.PROVERS if prover.folder.is_dir()]
    return [prover for prover in wanted if not names or prover.name.lower() in names]


def main_theorems(prover):
    """The main theorems of a prover's folder."""
    return [
        theorem
        for name in prover.files(prover.folder)
        for theorem in theorems.main_theorems(prover.folder / name)
    ]


def check(prover, options):
    """Checks a prover's files. Returns a row for each theorem, and what is wrong."""
    found = main_theorems(prover)
    faults = theorems.faults(found)
    folder = provers.build_folder(prover)
    seconds = provers.check(prover, folder)
    print(f"{prover.name}: {len(seconds)} files checked in {sum(seconds.values()):.1f} s")
    rests_on = prover.axioms(folder, found)
    if options.transcripts:
        line, wrong = transcripts.check(prover, folder, options.program, options.transcripts)
        print(line)
        faults += wrong
    rows = []
    for theorem, axioms in zip(found, rests_on):
        unnamed = [axiom for axiom in axioms if axiom not in theorem.assumes]
        if unnamed:
            faults.append(f"{theorem.place()}: {theorem.name} rests on {', '.join(unnamed)}")
        file = theorem.file.relative_to(prover.folder).as_posix()
        rows.append([theorem.name.removeprefix("Atomik."), prover.name, f"{seconds[file]:.1f}",
                     ", ".join(axioms) or "none", theorem.sentence])
    return rows, faults


def declaration_at(text, line):
    """The name of the declaration that a line belongs to."""
    declared = re.compile(
        r"\s*(?:(?:private|protected|noncomputable|Local|Global)\s+)*"
        r"(?:theorem|def|abbrev|structure|inductive|example|Theorem|Lemma|Corollary|Example"
        r"|Definition|Fixpoint|Inductive|Record|Instance|Fact|Remark)\s+([\w.']+)"
    )
    for before in reversed(text.splitlines()[:line]):
        match = declared.match(before)
        if match:
            return match[1]
    return None


def mutate(prover, checked, mutant):
    """Plants an error. Returns the declarations that fail in the first file that does."""
    with provers.copied(checked) as folder:
        path = folder / mutant["file"]
        text = path.read_text("utf-8")
        if text.count(mutant["right"]) != 1:
            raise provers.ProofError(
                f"{mutant['what']}: `{mutant['right']}` must occur once in {mutant['file']}"
            )
        path.write_text(text.replace(mutant["right"], mutant["wrong"]), "utf-8")
        # The other files are compiled already.
        for name in provers.dependents(prover, folder, mutant["file"]):
            output = prover.compile(folder, name)
            if output:
                places = re.findall(rf"{re.escape(name)}(?::|\", line )(\d+)", output)
                text = (folder / name).read_text("utf-8")
                return [declaration_at(text, int(line)) for line in places]
    return []


def mutants(prover, sample):
    """Plants the errors of a prover's list, or a sample. Returns rows and faults, as `check`."""
    planned = prover.folder / "mutants.json"
    if not planned.is_file():
        raise provers.ProofError(f"{planned} is missing: list errors to plant, and what must fail")
    planted = json.loads(planned.read_text("utf-8"))
    if sample:
        planted = [mutant for mutant in planted if mutant.get("sample")]
    if not planted:
        raise provers.ProofError(f"{planned} has no error to plant: mark some with `sample`")
    with contextlib.ExitStack() as stack:
        if provers.is_built(prover):
            checked = provers.built(prover)
        else:
            checked = stack.enter_context(provers.copied(prover.folder))
            provers.check(prover, checked)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            failing = list(pool.map(lambda mutant: mutate(prover, checked, mutant), planted))
    rows, faults = [], []
    for mutant, failed in zip(planted, failing):
        if mutant["theorem"] not in failed:
            faults.append(
                f"{prover.name}: {mutant['what']}: {mutant['theorem']} does not fail, but "
                f"{', '.join(map(str, failed)) or 'nothing'} does"
            )
        rows.append([mutant["what"], prover.name, mutant["theorem"]])
    return rows, faults


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--names", action="store_true")
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--transcripts", type=int, default=0)
    parser.add_argument("--program", default="target/release/atomik")
    parser.add_argument("--symbolic", default=symbolic.DEFAULT)
    parser.add_argument("prover", nargs="*", choices=[[], "lean", "rocq", "solver"])
    options = parser.parse_args()
    rows, faults = [], []
    if not (options.names or options.mutants) and "solver" in (options.prover or ["solver"]):
        line, faults = symbolic.check(options.symbolic)
        print(line)
    for prover in chosen(options.prover):
        try:
            if options.names:
                found = main_theorems(prover)
                faults += theorems.faults(found)
                print(f"{prover.name}: {len(found)} theorems name specification and code")
                continue
            results = mutants(prover, options.sample) if options.mutants else check(prover, options)
            rows += results[0]
            faults += results[1]
        except provers.ProofError as error:
            faults.append(f"{prover.name}: {error}")
    if rows:
        header = ["planted error", "prover", "fails"] if options.mutants else [
            "theorem", "prover", "file, s", "axioms", "what it says"]
        print(table(header, rows))
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        sys.exit(f"proofs: {len(faults)} faults")


if __name__ == "__main__":
    main()
