"""The folder of installed tools, which all checkouts share.

    python3 -m unittest discover scripts
"""

import contextlib
import io
import pathlib
import sys
import tempfile
import threading
import unittest
from unittest import mock

import install_wheels


def packages(group, stage, log):
    """Stands in for pip: a program that prints the group's name."""
    program = stage / "lib/bin" / group
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho {group}\n")
    program.chmod(0o755)


class Install(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name) / "tools"
        self.installed = []
        self.pin = "1"

        def install(group, stage, log):
            self.installed.append(group)
            packages(group, stage, log)

        for name, stand_in in (
            ("install_packages", install),
            ("number", lambda group: self.pin),
        ):
            patch = mock.patch.object(install_wheels, name, stand_in)
            patch.start()
            self.addCleanup(patch.stop)

    def setup_tools(self, *groups):
        """Runs the script; returns what it would print to stderr, or None."""
        arguments = ["install_wheels.py", str(self.folder), *groups]
        with mock.patch.object(sys, "argv", arguments), contextlib.redirect_stdout(io.StringIO()):
            try:
                install_wheels.main()
            except SystemExit as end:
                return str(end)

    def test_a_group_is_installed_once_and_reached_by_its_name(self):
        self.assertIsNone(self.setup_tools("yosys"))
        self.assertIsNone(self.setup_tools("yosys"))
        self.assertEqual(self.installed, ["yosys"])
        self.assertTrue((self.folder / "yosys/bin/yosys").is_file())

    def test_checkouts_with_different_pins_keep_what_the_other_uses(self):
        for self.pin in ("1", "2", "1"):
            self.assertIsNone(self.setup_tools("yosys"))
            self.assertEqual((self.folder / "yosys").readlink().name, f"yosys-{self.pin}")
        self.assertEqual(self.installed, ["yosys", "yosys"])

    def test_of_two_setups_at_once_one_waits_for_the_other(self):
        start = threading.Barrier(2)

        def install():
            start.wait()
            with install_wheels.locked(self.folder):
                install_wheels.install("yosys", self.folder)

        self.folder.mkdir()
        with contextlib.redirect_stdout(io.StringIO()):
            setups = [threading.Thread(target=install) for _ in range(2)]
            for setup in setups:
                setup.start()
            for setup in setups:
                setup.join()
        self.assertEqual(self.installed, ["yosys"])

    def test_a_setup_that_failed_or_was_killed_leaves_nothing_that_the_next_one_trusts(self):
        def killed(group, stage, log):
            packages(group, stage, log)
            raise install_wheels.Failure("pip failed;\nfree space,")

        with mock.patch.object(install_wheels, "install_packages", killed):
            self.assertEqual(
                self.setup_tools("yosys"), "setup: pip failed;\nsetup: free space,"
            )
        self.assertFalse((self.folder / "yosys").exists())
        (self.folder / "new/lib/bin").mkdir(parents=True)
        (self.folder / "new/lib/bin/other").write_text("")
        self.assertIsNone(self.setup_tools("yosys"))
        self.assertFalse((self.folder / "yosys/bin/other").exists())

    def test_a_program_that_does_not_run_is_not_installed(self):
        def broken(group, stage, log):
            packages("yices-smt2", stage, log)

        with mock.patch.object(install_wheels, "install_packages", broken):
            # It prints its name, and not that of Yices.
            told = self.setup_tools("solver")
        self.assertIn("yices-smt2 does not run on this platform", told)
        self.assertFalse((self.folder / "solver").exists())

    def test_a_folder_that_cannot_be_written_is_named_with_a_way_out(self):
        self.folder.parent.joinpath("tools").write_text("a file")
        told = self.setup_tools("yosys")
        self.assertIn(str(self.folder), told)
        self.assertIn("ATOMIK_TOOLS", told)


if __name__ == "__main__":
    unittest.main()
