"""That what cargo-mutants leaves out still exists, and how a pattern that is stale is found.

    python3 -m unittest discover scripts
"""

import re
import unittest

import mutants_model


class Exclusions(unittest.TestCase):
    def test_every_function_that_a_pattern_names_exists(self):
        sources = "".join(
            path.read_text()
            for crate in mutants_model.CRATES
            for path in (mutants_model.ROOT / "crates" / crate / "src").rglob("*.rs")
        )
        functions = set(re.findall(r"\bfn (\w+)", sources))
        for pattern in mutants_model.exclusions():
            named = re.search(r" in (.*)|replace (\S*) ->", pattern)
            place = named and (named[1] or named[2]) or ""
            for name in re.findall(r"\b[a-z]\w*", re.sub("<.*>", "", place)):
                self.assertTrue(name in functions, f"no function {name}: {pattern}")

    def test_a_pattern_without_a_mutant_is_stale(self):
        listed = ["a.rs: replace + with - in sum", "a.rs: replace sum -> u8 with 0"]
        patterns = [r"\+ with - in sum$", "in product$", "replace sum -> u8 with 0$"]
        self.assertEqual(mutants_model.stale(patterns, listed), ["in product$"])


if __name__ == "__main__":
    unittest.main()
