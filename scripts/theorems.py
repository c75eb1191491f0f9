"""Finds the main theorems in proofs/, and checks what their comments say.

A main theorem has a comment directly above it, `/-- ... -/` in Lean and `(** ... *)` in Rocq: the
sentence that it proves, then

    Spec: docs/spec.md "words of that page that the theorem is about"
    Code: crates/atomik-algebra/src/bulk.rs fold, Type::method
    Assumes: names of the assumptions that the prover may list, in most theorems none

Several `Spec:` and `Code:` lines may follow each other; a value continues on the next lines.
Comments without such lines are comments.
"""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent

TAG = re.compile(r"^\s*(Spec|Code|Assumes):\s*(.*)$")
SPEC = re.compile(r'(\S+)\s+"(.+)"$')
CODE = re.compile(r"(\S+)\s+(\w[\w:, ]*)$")
ITEM = r"\b(?:fn|struct|enum|trait|type|const|mod|macro_rules!)\s+{}\b"

LEAN = {
    "comment": re.compile(r"/--((?:(?!-/).)*)-/\s*theorem\s+([\w.']+)", re.DOTALL),
    "open": re.compile(r"^namespace\s+(\S+)"),
    "close": re.compile(r"^end\s+(\S+)"),
}
ROCQ = {
    "comment": re.compile(
        r"\(\*\*((?:(?!\*\)).)*)\*\)\s*(?:Theorem|Lemma|Corollary|Example)\s+([\w']+)", re.DOTALL
    ),
    "open": re.compile(r"^\s*Module\s+(\w+)\s*\."),
    "close": re.compile(r"^\s*End\s+(\w+)\s*\."),
}


@dataclasses.dataclass
class Theorem:
    """A main theorem: where it is, what it says, and what it is about."""

    name: str
    file: pathlib.Path
    line: int
    sentence: str
    spec: list
    code: list
    assumes: list

    def place(self):
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def tagged(comment):
    """A comment's sentence, and its tags with their values."""
    sentence, tags = [], []
    for line in comment.strip().splitlines():
        match = TAG.match(line)
        if match:
            tags.append([match[1], match[2].strip()])
        elif tags:
            tags[-1][1] = f"{tags[-1][1]} {line.strip()}".strip()
        else:
            sentence.append(line.strip())
    return " ".join(filter(None, sentence)), tags


def prefix(text, syntax):
    """The names of the namespaces or modules that are open at the end of `text`."""
    names = []
    for line in text.splitlines():
        opened, closed = syntax["open"].match(line), syntax["close"].match(line)
        if opened:
            names.append(opened[1])
        elif closed and closed[1] in names:
            del names[names.index(closed[1]) :]
    return names


def main_theorems(path):
    """The main theorems of a file, in order."""
    syntax = LEAN if path.suffix == ".lean" else ROCQ
    text = path.read_text(encoding="utf-8")
    found = []
    for match in syntax["comment"].finditer(text):
        sentence, tags = tagged(match[1])
        if not tags:
            continue
        before = prefix(text[: match.start()], syntax)
        if path.suffix == ".v":
            before = ["Atomik", path.stem, *before]
        found.append(
            Theorem(
                name=".".join([*before, match[2]]),
                file=path,
                line=text.count("\n", 0, match.start(2)) + 1,
                sentence=sentence,
                spec=[value for tag, value in tags if tag == "Spec"],
                code=[value for tag, value in tags if tag == "Code"],
                assumes=[
                    name.strip()
                    for tag, value in tags
                    if tag == "Assumes"
                    for name in value.split(",")
                ],
            )
        )
    return found


def words(text):
    """Text without line breaks and emphasis, for comparison."""
    return " ".join(re.sub(r"[*`]", "", text).split())


def spec_fault(value, root):
    match = SPEC.match(value)
    if not match:
        return f'`Spec: {value}` is not of the form: Spec: docs/PAGE.md "words"'
    page = root / match[1]
    if not page.is_file():
        return f"there is no {match[1]}"
    if words(match[2]) not in words(page.read_text(encoding="utf-8")):
        return f'{match[1]} does not say "{match[2]}"'
    return None


def code_fault(value, root):
    match = CODE.match(value)
    if not match:
        return f"`Code: {value}` is not of the form: Code: crates/FILE.rs NAME, TYPE::NAME"
    source = root / match[1]
    if not source.is_file():
        return f"there is no {match[1]}"
    text = source.read_text(encoding="utf-8")
    for name in match[2].split(","):
        *types, item = name.strip().split("::")
        wanted = [ITEM.format(item)] + [rf"\b(?:impl|trait|enum)\b.*\b{part}\b" for part in types]
        # A variant of an enum has no keyword.
        if types and types[-1] == "Op":
            wanted[0] = rf"\b{item}\b"
        for pattern in wanted:
            if not re.search(pattern, text):
                return f"{match[1]} does not define {name.strip()}"
    return None


def faults(theorems, root=ROOT):
    """What is wrong with the comments of theorems: one line each."""
    found = []
    for theorem in theorems:
        reasons = [spec_fault(value, root) for value in theorem.spec]
        reasons += [code_fault(value, root) for value in theorem.code]
        if not theorem.sentence:
            reasons.append("the sentence is missing")
        if not theorem.spec:
            reasons.append("`Spec:` is missing")
        if not theorem.code:
            reasons.append("`Code:` is missing")
        found += [f"{theorem.place()}: {theorem.name}: {reason}" for reason in reasons if reason]
    return found
