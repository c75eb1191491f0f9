#!/usr/bin/env python3
"""Checks the proofs in proofs/ and prints what they say.

    scripts/proofs.py [PROVER...]             check all files, print a table of the theorems
    scripts/proofs.py --names                 check that what the theorems name exists; no prover
    scripts/proofs.py --mutants [PROVER...]   plant each error of mutants.json; a named theorem
                                              must fail

PROVER is `lean` or `rocq`; without one, all. Exit status 1 if anything is wrong.
"""

import argparse
import json
import re
import sys

import provers
import theorems


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


def check(prover):
    """Checks a prover's files. Returns a row for each theorem, and what is wrong."""
    folder = provers.copied(prover.folder, prover.name.lower())
    seconds = provers.check(prover, folder)
    found = main_theorems(prover)
    rows, faults = [], theorems.faults(found)
    for theorem, axioms in zip(found, prover.axioms(folder, found)):
        unnamed = [axiom for axiom in axioms if axiom not in theorem.assumes]
        if unnamed:
            faults.append(f"{theorem.place()}: {theorem.name} rests on {', '.join(unnamed)}")
        rows.append([theorem.name.removeprefix("Atomik."), prover.name,
                     f"{seconds[theorem.file.relative_to(prover.folder).as_posix()]:.1f}",
                     ", ".join(axioms) or "none", theorem.sentence])
    print(f"{prover.name}: {len(seconds)} files checked in {sum(seconds.values()):.1f} s")
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
    folder = provers.copied(checked, f"{checked.name}-mutant")
    path = folder / mutant["file"]
    text = path.read_text("utf-8")
    if text.count(mutant["right"]) != 1:
        raise provers.ProofError(
            f"{mutant['what']}: `{mutant['right']}` must occur once in {mutant['file']}"
        )
    path.write_text(text.replace(mutant["right"], mutant["wrong"]), "utf-8")
    names = prover.files(folder)
    # The files before the changed one are compiled already.
    for name in names[names.index(mutant["file"]) :]:
        output = prover.compile(folder, name)
        if output:
            places = re.findall(rf"{re.escape(name)}(?::|\", line )(\d+)", output)
            text = (folder / name).read_text("utf-8")
            return [declaration_at(text, int(line)) for line in places]
    return []


def mutants(prover):
    """Plants every error of a prover's list. Returns rows and faults, as `check` does."""
    checked = provers.copied(prover.folder, f"{prover.name.lower()}-checked")
    provers.check(prover, checked)
    rows, faults = [], []
    for mutant in json.loads((prover.folder / "mutants.json").read_text("utf-8")):
        failing = list(dict.fromkeys(mutate(prover, checked, mutant)))
        if mutant["theorem"] not in failing:
            faults.append(
                f"{prover.name}: {mutant['what']}: {mutant['theorem']} does not fail, but "
                f"{', '.join(map(str, failing)) or 'nothing'} does"
            )
        rows.append([mutant["what"], prover.name, mutant["theorem"]])
    return rows, faults


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--names", action="store_true")
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("prover", nargs="*", choices=[[], "lean", "rocq"])
    options = parser.parse_args()
    rows, faults = [], []
    for prover in chosen(options.prover):
        try:
            if options.names:
                found = main_theorems(prover)
                faults += theorems.faults(found)
                print(f"{prover.name}: {len(found)} theorems name specification and code")
                continue
            results = mutants(prover) if options.mutants else check(prover)
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
