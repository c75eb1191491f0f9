"""The package as a whole: stubs, documentation, notebook."""

import doctest
import pathlib
import subprocess
import sys

import nbclient
import nbformat
import pytest
from conftest import ROOT

import atomik
import atomik_core

PACKAGES = [pathlib.Path(module.__file__).parent for module in (atomik, atomik_core)]


def test_it_is_the_installed_wheel_that_is_tested():
    for package in PACKAGES:
        assert ROOT / "crates" not in package.parents
        assert (package / "py.typed").is_file()


def test_the_stubs_are_what_there_is():
    """Names, signatures and defaults of the stubs, against those of the modules."""
    ran = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "atomik", "atomik_core", "--concise",
         "--ignore-missing-stub", "--ignore-disjoint-bases"],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_stubs_accept_what_is_right_and_refuse_what_is_wrong(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import numpy, atomik, atomik_core\n"
        "file: atomik.RegisterFile = atomik.RegisterFile('xor:48,add:16', depth=8)\n"
        "file.accum(3, [1, -1])\n"
        "file.accum(numpy.arange(3), numpy.arange(3, dtype=numpy.uint64))\n"
        "state: int = file.read(3)\n"
        "message: atomik_core.DeltaMessage = atomik_core.DeltaStream().accum(0, 5)\n"
        "file.accum(3)  # wrong: too few arguments\n"
        "atomik.fit([]).verdict.missing()  # wrong: no such attribute\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    lines = [int(line.split(":")[1]) for line in ran.stdout.splitlines() if " error: " in line]
    assert lines == [7, 8], ran.stdout


@pytest.mark.parametrize("module", [atomik, atomik_core], ids=lambda module: module.__name__)
def test_examples_in_docstrings(module):
    ran = doctest.testmod(module)
    assert ran.attempted and not ran.failed


def test_examples_in_the_documentation():
    path = str(ROOT / "docs" / "python.md")
    ran = doctest.testfile(path, module_relative=False, optionflags=doctest.ELLIPSIS)
    assert ran.attempted > 20 and not ran.failed


def test_everything_public_has_a_docstring():
    for module in (atomik, atomik_core):
        for name in module.__all__:
            thing = getattr(module, name)
            assert thing.__doc__, name
            for member, value in vars(thing).items() if isinstance(thing, type) else ():
                if callable(value) and not member.startswith("_"):
                    assert value.__doc__, f"{name}.{member}"


def test_the_notebook_runs():
    path = ROOT / "crates" / "atomik-python" / "notebooks" / "tutorial.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("text/html" in output.get("data", {}) for output in outputs)
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)


def test_the_program_of_the_public_page():
    path = pathlib.Path(__file__).with_name("program.py")
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    assert ran.stdout == "program: ok\n" and not ran.stderr
