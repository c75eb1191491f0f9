"""Two setups at once: `make run` and `make test` in two terminals of a new clone.

    python3 -m unittest discover scripts
"""

import pathlib
import runpy
import tempfile
import threading
import unittest

publish = runpy.run_path(str(pathlib.Path(__file__).with_name("publish-tools.py")))["publish"]


class Publish(unittest.TestCase):
    def staged(self, run, tools):
        stage = self.tools / f"new.{run}" / "py"
        stage.mkdir(parents=True)
        (stage / "stamp").write_text("python /usr/bin/python3\n" + tools)
        return stage

    def test_of_two_setups_at_once_both_succeed_and_the_larger_stays(self):
        for attempt in range(100):
            with self.subTest(attempt), tempfile.TemporaryDirectory() as folder:
                self.tools = pathlib.Path(folder)
                stages = [self.staged(1, "verilator 1\n"), self.staged(2, "verilator 1\nfpga 2\n")]
                start, failures = threading.Barrier(2), []

                def run(stage):
                    start.wait()
                    try:
                        publish(stage, self.tools / "py")
                    except OSError as error:
                        failures.append(error)

                runs = [threading.Thread(target=run, args=(stage,)) for stage in stages]
                for thread in runs:
                    thread.start()
                for thread in runs:
                    thread.join()
                self.assertEqual(failures, [])
                self.assertIn("fpga 2", (self.tools / "py" / "stamp").read_text())

    def test_another_pin_replaces_what_is_there(self):
        with tempfile.TemporaryDirectory() as folder:
            self.tools = pathlib.Path(folder)
            publish(self.staged(1, "verilator 1\n"), self.tools / "py")
            publish(self.staged(2, "verilator 2\n"), self.tools / "py")
            self.assertIn("verilator 2", (self.tools / "py" / "stamp").read_text())


if __name__ == "__main__":
    unittest.main()
