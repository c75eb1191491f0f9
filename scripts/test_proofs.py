"""What the comments of theorems must say, and what a file of proofs may not contain.

    python3 -m unittest discover scripts
"""

import json
import pathlib
import tempfile
import unittest

import provers
import symbolic
import theorems
import transcripts

GOOD = """\
namespace Sums

/-- Not a main theorem. -/
theorem lemma : True := True.intro

/-- Order does not
matter.
Spec: docs/spec.md "the same for every
permutation"
Code: crates/model/src/bulk.rs fold, Table::merge -/
theorem order : True := True.intro

end Sums
"""
ROCQ = """\
Module Inner.
(** Order does not matter.
    Spec: docs/spec.md "the same for every permutation"
    Code: crates/model/src/bulk.rs fold
    Assumes: hash_is_injective *)
Theorem order : True. Proof. exact I. Qed.
End Inner.
"""


class Comments(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name, text in {
            "docs/spec.md": "The sum is the *same* for every\npermutation of the list.\n",
            "crates/model/src/bulk.rs": "pub fn fold() {}\nimpl Table {\n    fn merge() {}\n}\n",
        }.items():
            (self.root / name).parent.mkdir(parents=True)
            (self.root / name).write_text(text)

    def theorems(self, text, name="Sums.lean"):
        (self.root / name).write_text(text)
        return theorems.main_theorems(self.root / name)

    def faults(self, text):
        found = self.theorems(text)
        for theorem in found:
            theorem.place = lambda: "place"
        return theorems.faults(found, self.root)

    def test_a_main_theorem_has_name_sentence_and_tags(self):
        (order,) = self.theorems(GOOD)
        self.assertEqual(order.name, "Sums.order")
        self.assertEqual(order.sentence, "Order does not matter.")
        self.assertEqual(order.code, ["crates/model/src/bulk.rs fold, Table::merge"])
        self.assertEqual(order.line, 11)
        (order,) = self.theorems(ROCQ, "Sums.v")
        self.assertEqual(order.name, "Atomik.Sums.Inner.order")
        self.assertEqual(order.assumes, ["hash_is_injective"])

    def test_what_exists_is_no_fault(self):
        self.assertEqual(self.faults(GOOD), [])

    def test_a_changed_sentence_or_function_is_a_fault(self):
        for right, wrong, reason in [
            ("the same for", "different for", "does not say"),
            ("bulk.rs fold", "bulk.rs folded", "does not define folded"),
            ("Table::merge", "Tables::merge", "does not define Tables::merge"),
            ("src/bulk.rs", "src/none.rs", "there is no crates/model/src/none.rs"),
            ("docs/spec.md", "docs/none.md", "there is no docs/none.md"),
            ("Code: crates/model/src/bulk.rs fold, Table::merge ", "", "`Code:` is missing"),
            ("Order does not\nmatter.\n", "", "the sentence is missing"),
        ]:
            with self.subTest(wrong):
                self.assertIn(right, GOOD)
                found = self.faults(GOOD.replace(right, wrong))
                self.assertEqual(len(found), 1)
                self.assertIn(reason, found[0])


class Forbidden(unittest.TestCase):
    def word(self, text, prover):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "a").write_text(text)
            patterns = {
                "lean": (provers.LEAN_COMMENT, provers.LEAN_FORBIDDEN),
                "rocq": (provers.ROCQ_COMMENT, provers.ROCQ_FORBIDDEN),
            }
            return provers.forbidden(pathlib.Path(folder), "a", *patterns[prover])

    def test_what_proves_too_much_is_refused(self):
        for prover, text in [
            ("lean", "axiom a : False"),
            ("lean", "theorem a : False := sorry"),
            ("lean", "unsafe def a := a"),
            ("lean", "set_option debug.skipKernelTC true"),
            ("lean", "macro_rules | `(a) => `(b)"),
            ("rocq", "Admitted."),
            ("rocq", "Unset Guard Checking."),
            ("rocq", "#[bypass_check(guard)]"),
        ]:
            with self.subTest(text):
                self.assertRegex(self.word(f"\n{text}\n", prover), "^a:2: ")

    def test_comments_and_harmless_options_are_not(self):
        text = "/- no axiom -/ -- sorry\nset_option autoImplicit false"
        self.assertIsNone(self.word(text, "lean"))
        self.assertIsNone(self.word("(* Admitted *) Lemma admitted_twice : True.", "rocq"))


class PlantedErrors(unittest.TestCase):
    def test_what_imports_a_changed_file_is_compiled_again(self):
        files = {
            "Group.v": "From Coq Require Import List.\n",
            "Machine.v": "From Atomik Require Import Group.\n",
            "Flat.v": "From Atomik Require Import\n  Group Machine.\n",
            "Clear.v": "From Coq Require Import List.\n(* From Atomik Require Machine. *)\n",
            "Generator.v": "From Atomik Require Flat Clear.\n",
        }
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for file, text in {**files, "_CoqProject": "\n".join(files)}.items():
                (folder / file).write_text(text)
            self.assertEqual(
                provers.dependents(provers.Rocq(), folder, "Machine.v"),
                ["Machine.v", "Flat.v", "Generator.v"],
            )

    def test_the_sample_has_an_error_in_each_file(self):
        planted = json.loads((provers.Rocq.folder / "mutants.json").read_text("utf-8"))
        sample = [mutant for mutant in planted if mutant.get("sample")]
        self.assertEqual({it["file"] for it in sample}, {it["file"] for it in planted})
        for what in ["xor is or", "forwarding one stage short", "merge takes the lower version"]:
            self.assertIn(what, [it["what"] for it in sample])


class Transcripts(unittest.TestCase):
    def test_exactly_one_response_is_falsified(self):
        lean = "(returns (x1 (xf o)) .true) .none (returns o .false)"
        self.assertEqual(transcripts.falsified(lean, 0), lean.replace("true", "false"))
        self.assertEqual(transcripts.falsified(lean, 3), lean.replace("false", "true"))
        rocq = "[None; Some (0x1f%N, true)]"
        self.assertEqual(transcripts.falsified(rocq, 5), rocq.replace("true", "false"))

    def test_a_directed_trace_has_every_op_after_the_first(self):
        trace = transcripts.directed("swap", ("xor:5,add:3", 2, 3))
        for op in transcripts.OPS:
            self.assertIn(f'"op": "{op}"', trace)


class Symbolic(unittest.TestCase):
    WRONG = '"reached x: swap is always clean"\nsat\n"claim x: swap is always clean"\nsat\n'
    GOOD = "reached x: fold\nsat\nclaim x: fold\nunsat\n"

    def test_claims_must_be_unsat_on_paths_that_exist(self):
        self.assertEqual(symbolic.judge(self.WRONG + self.GOOD), (2, []))
        for right, wrong, reason in [
            ("\nunsat", "\nsat", "x: fold: does not hold"),
            ("\nunsat", "\nunknown", "x: fold: does not hold"),
            ("\nsat", "\nunsat", "x: fold: no path is reached"),
        ]:
            with self.subTest(wrong):
                text = self.WRONG + self.GOOD.replace(right, wrong)
                self.assertEqual(symbolic.judge(text)[1], [reason])

    def test_the_wrong_claim_must_be_refuted(self):
        accepted = self.WRONG[: self.WRONG.rindex("sat")] + "unsat\n"
        self.assertEqual(
            symbolic.judge(accepted + self.GOOD)[1], ["x: swap is always clean: is accepted"]
        )
        self.assertEqual(symbolic.judge(self.GOOD)[1], ["the wrong claim is missing"])


if __name__ == "__main__":
    unittest.main()
