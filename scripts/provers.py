"""Lean and Rocq as this project uses them: which files, in which order, compiled how, and the
axioms of a theorem. Everything is built in a copy, so that nothing is written beside the sources.
"""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Where setup.sh installs.
DATA = os.environ.get("XDG_DATA_HOME") or pathlib.Path.home() / ".local/share"
TOOLS = pathlib.Path(os.environ.get("ATOMIK_TOOLS") or pathlib.Path(DATA) / "atomik/tools")

LEAN_COMMENT = re.compile(r"/-.*?-/|--[^\n]*", re.DOTALL)
ROCQ_COMMENT = re.compile(r"\(\*.*?\*\)", re.DOTALL)
# What would let a file say more than it proves, or change what its text means.
LEAN_FORBIDDEN = re.compile(
    r"\b(?:axiom|sorry|unsafe|partial|opaque|implemented_by|extern|csimp|macro|macro_rules|elab"
    r"|syntax|notation|initialize|init_quot|native_decide|set_option(?!\s+(?:"
    r"autoImplicit\s+false|bootstrap\.inductiveCheckResultingUniverse\s+false|maxRecDepth)\b))\b"
)
ROCQ_FORBIDDEN = re.compile(
    r"\b(?:Admitted|admit|give_up|bypass_check"
    r"|Unset\s+(?:Guard|Positivity|Universe)\s+Checking)\b"
)
LEAN_AXIOMS = re.compile(
    r"'([^']+(?:'+[^' ]*)*)' (?:does not depend on any axioms|depends on axioms: \[([^]]*)\])"
)
ROCQ_ANSWER = re.compile(
    r"^(Closed under the global context|Axioms:|Section Variables:)$", re.MULTILINE
)


class ProofError(Exception):
    """A proof that does not check, or a prover that does not run."""


def run(command, cwd, **environment):
    try:
        return subprocess.run(
            command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True
        )
    except OSError as error:
        raise ProofError(
            f"{command[0]} does not run: {error}: run `sh scripts/setup.sh lean rocq solver`"
        ) from error


def forbidden(folder, name, comment, pattern):
    """The first forbidden word of a file, as a message, or None."""
    text = (folder / name).read_text("utf-8")
    code = comment.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    match = pattern.search(code)
    if match:
        line = code.count("\n", 0, match.start()) + 1
        return f"{name}:{line}: `{match[0]}` may not be used in a proof"
    return None


class Lean:
    """Files in proofs/lean, in the order of their imports."""

    name = "Lean"
    suffix = ".lean"
    compiled_suffix = ".olean"
    folder = ROOT / "proofs/lean"

    def __init__(self):
        installed = TOOLS / "lean/bin/lean"
        self.program = os.environ.get("ATOMIK_LEAN") or (
            str(installed) if installed.exists() else "lean"
        )

    def imports(self, folder, name):
        """The files that a file imports."""
        text = (folder / name).read_text("utf-8")
        imported = re.findall(r"^import\s+(\S+)", text, re.MULTILINE)
        return [module.replace(".", "/") + ".lean" for module in imported]

    def files(self, folder):
        """All files, each after those that it imports."""
        ordered = []

        def visit(name):
            if name not in ordered:
                for imported in self.imports(folder, name):
                    visit(imported)
                ordered.append(name)

        for path in sorted(folder.rglob("*.lean")):
            visit(path.relative_to(folder).as_posix())
        return ordered

    def compile(self, folder, name):
        """Checks a file. Returns what is wrong with it, nothing if all is well."""
        word = forbidden(folder, name, LEAN_COMMENT, LEAN_FORBIDDEN)
        if word:
            return word
        target = str(pathlib.Path(name).with_suffix(".olean"))
        # Trust level 0: the kernel also checks what the imported files contain.
        done = run([self.program, "-t0", "-R", ".", "-o", target, name], folder, LEAN_PATH=".")
        output = done.stdout + done.stderr
        if done.returncode and not output:
            return f"{name}: Lean ended with status {done.returncode}"
        return output

    def axioms(self, folder, theorems):
        """The axioms that each theorem depends on, in order."""
        modules = [name[:-5].replace("/", ".") for name in self.files(folder)]
        query = ["prelude", *(f"import {module}" for module in modules)]
        query += [f"#print axioms {theorem.name}" for theorem in theorems]
        (folder / "axioms.tmp").write_text("\n".join(query) + "\n", "utf-8")
        done = run([self.program, "axioms.tmp"], folder, LEAN_PATH=".")
        found = dict(LEAN_AXIOMS.findall(done.stdout))
        try:
            return [re.findall(r"[^\s,]+", found[theorem.name]) for theorem in theorems]
        except KeyError as error:
            raise ProofError(f"Lean does not know {error}: {done.stdout}{done.stderr}") from error


class Rocq:
    """Files in proofs/rocq, in the order of _CoqProject."""

    name = "Rocq"
    suffix = ".v"
    compiled_suffix = ".vo"
    folder = ROOT / "proofs/rocq"
    options = ["-q", "-Q", ".", "Atomik"]

    def imports(self, folder, name):
        text = (folder / name).read_text("utf-8")
        listed = re.findall(
            r"^From\s+Atomik\s+Require\s+(?:Import\s+|Export\s+)?([\w\s]+)\.", text, re.MULTILINE
        )
        return [f"{module}.v" for modules in listed for module in modules.split()]

    def files(self, folder):
        lines = (folder / "_CoqProject").read_text("utf-8").splitlines()
        listed = [line.strip() for line in lines if line.strip().endswith(".v")]
        present = {path.relative_to(folder).as_posix() for path in folder.rglob("*.v")}
        if present != set(listed):
            raise ProofError(
                f"_CoqProject and proofs/rocq differ in {sorted(present ^ set(listed))}: "
                "list every file"
            )
        return listed

    def compile(self, folder, name):
        word = forbidden(folder, name, ROCQ_COMMENT, ROCQ_FORBIDDEN)
        if word:
            return word
        done = run(["coqc", *self.options, name], folder)
        return done.stdout + done.stderr if done.returncode else ""

    def axioms(self, folder, theorems):
        modules = sorted({".".join(["Atomik", theorem.file.stem]) for theorem in theorems})
        query = [f"Require {module}." for module in modules]
        query += [f"Print Assumptions {theorem.name}." for theorem in theorems]
        (folder / "axioms_query.v").write_text("\n".join(query) + "\n", "utf-8")
        done = run(["coqc", *self.options, "axioms_query.v"], folder)
        (folder / "axioms_query.v").unlink()
        answers = re.split(ROCQ_ANSWER, done.stdout)[1:]
        if done.returncode or len(answers) != 2 * len(theorems):
            raise ProofError(f"Rocq cannot print the assumptions: {done.stdout}{done.stderr}")
        return [re.findall(r"^([\w.']+)\s*:", text, re.MULTILINE) for text in answers[1::2]]


def built(prover):
    return ROOT / "target/proofs" / prover.name.lower()


def is_built(prover):
    """Whether the folder of the last check has all files as they are now, compiled."""
    folder = built(prover)
    return all(
        (folder / name).is_file()
        and (folder / name).read_bytes() == (prover.folder / name).read_bytes()
        and (folder / name).with_suffix(prover.compiled_suffix).is_file()
        for name in prover.files(prover.folder)
    )


def build_folder(prover):
    """A fresh copy of a prover's folder, to compile in: target/proofs/PROVER."""
    target = built(prover)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(prover.folder, target, ignore=shutil.ignore_patterns(".lake"))
    return target


@contextlib.contextmanager
def copied(source):
    """A copy of a folder of proofs, to compile in; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="atomik-proofs-") as parent:
        folder = pathlib.Path(parent, "proofs")
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".lake"))
        yield folder


def check(prover, folder):
    """Checks all files of a folder in order. Returns the seconds that each took."""
    seconds = {}
    for name in prover.files(folder):
        start = time.monotonic()
        wrong = prover.compile(folder, name)
        if wrong:
            raise ProofError(wrong.rstrip())
        seconds[name] = time.monotonic() - start
    return seconds


def dependents(prover, folder, changed):
    """A file, and all that import it, also through others, in order."""
    found = []
    for name in prover.files(folder):
        if name == changed or any(needed in found for needed in prover.imports(folder, name)):
            found.append(name)
    return found


def check_text(prover, folder, name, text):
    """Checks a text beside the compiled files of a folder. Returns what is wrong with it."""
    path = folder / (name + prover.suffix)
    path.write_text(text, "utf-8")
    wrong = prover.compile(folder, path.name)
    for left in [*folder.glob(f"{name}.*"), *folder.glob(f".{name}.*")]:
        left.unlink()
    return wrong


PROVERS = [Lean, Rocq]
