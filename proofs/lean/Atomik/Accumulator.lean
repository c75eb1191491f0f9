prelude
import Atomik.Fold
set_option autoImplicit false

/-!
# One address

A reference and an accumulator, the seven ops, and what the specification promises of them, in any
Abelian group.
-/

universe u

/-- The two words of an address: `R` and `D`. -/
structure Accumulator (α : Type u) where
  reference : α
  accumulator : α

inductive Op where
  | nop
  | load
  | accum
  | read
  | swap
  | delta
  | drain

/-- A word, and whether `D` was the identity just before the op. -/
structure Response (α : Type u) where
  data : α
  clean : Bool

/-- The `clean` of a response; true if there is none. -/
def Response.isClean {α : Type u} : Option (Response α) → Bool
  | .none => .true
  | .some response => response.clean

/-- An op with its argument. Ops without one ignore it. -/
structure Command (α : Type u) where
  op : Op
  argument : α

namespace Accumulator

variable {α : Type u} (G : Group α)

/-- An address with reference `r` and no deltas. -/
def withReference (r : α) : Accumulator α := ⟨r, G.identity⟩

/-- The current state, `S = R + D`. -/
def state (a : Accumulator α) : α := G.combine a.reference a.accumulator

/-- The address after an op. -/
def next (a : Accumulator α) (command : Command α) : Accumulator α :=
  match command.op with
  | .nop => a
  | .load => ⟨command.argument, G.identity⟩
  | .accum => ⟨a.reference, G.combine a.accumulator command.argument⟩
  | .read => a
  | .swap => ⟨state G a, G.identity⟩
  | .delta => a
  | .drain => ⟨state G a, G.identity⟩

/-- What an op returns. -/
def response (a : Accumulator α) (command : Command α) : Option (Response α) :=
  let clean := G.isIdentity a.accumulator
  match command.op with
  | .nop => .none
  | .load => .none
  | .accum => .none
  | .read => .some ⟨state G a, clean⟩
  | .swap => .some ⟨state G a, clean⟩
  | .delta => .some ⟨a.accumulator, clean⟩
  | .drain => .some ⟨a.accumulator, clean⟩

/-- The address after a list of commands. -/
def run (a : Accumulator α) : List (Command α) → Accumulator α
  | .nil => a
  | .cons command rest => run (next G a command) rest

/-- The address after a list of deltas. -/
def accumulate (a : Accumulator α) : List α → Accumulator α
  | .nil => a
  | .cons d rest => accumulate (next G a ⟨.accum, d⟩) rest

/-- The address after adding the deltas of a bank. -/
def merge (a bank : Accumulator α) : Accumulator α :=
  ⟨a.reference, G.combine a.accumulator bank.accumulator⟩

def mergeAll (a : Accumulator α) : List (Accumulator α) → Accumulator α
  | .nil => a
  | .cons bank rest => mergeAll (merge G a bank) rest

/-! ## Single ops -/

/-- `SWAP` returns the state, leaves it as it is, and makes it the reference.
Spec: docs/spec.md "`SWAP` and `DRAIN` leave `S` unchanged"
Spec: docs/spec.md "`S` (the state that became the new reference)"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::swap -/
theorem swap_leaves_the_state (a : Accumulator α) (x : α) :
    And (Eq (state G (next G a ⟨.swap, x⟩)) (state G a))
      (And (Eq (next G a ⟨.swap, x⟩).reference (state G a))
        (Eq (response G a ⟨.swap, x⟩) (.some ⟨state G a, G.isIdentity a.accumulator⟩))) :=
  ⟨G.neutral_right (state G a), rfl, rfl⟩

/-- `DRAIN` returns the accumulator and leaves the state as it is.
Spec: docs/spec.md "the delta to hand to a peer; the state does not change"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::drain -/
theorem drain_leaves_the_state (a : Accumulator α) (x : α) :
    And (Eq (state G (next G a ⟨.drain, x⟩)) (state G a))
      (Eq (response G a ⟨.drain, x⟩) (.some ⟨a.accumulator, G.isIdentity a.accumulator⟩)) :=
  ⟨G.neutral_right (state G a), rfl⟩

/-- `ACCUM` adds its delta to the state.
Spec: docs/spec.md "`D := D + d`"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::accum -/
theorem accum_adds_to_the_state (a : Accumulator α) (d : α) :
    Eq (state G (next G a ⟨.accum, d⟩)) (G.combine (state G a) d) :=
  (G.associative a.reference a.accumulator d).symm

/-- `clean` is true exactly if no delta was pending.
Spec: docs/spec.md "`clean`, which is 1 if `D` was the identity, 0, just before the op"
Code: crates/atomik-algebra/src/op.rs Response
Code: crates/atomik-algebra/src/group.rs Group::is_identity -/
theorem clean_means_no_delta (a : Accumulator α) (x data : α) (clean : Bool)
    (h : Eq (response G a ⟨.read, x⟩) (.some ⟨data, clean⟩)) :
    And (Eq clean .true → Eq a.accumulator G.identity)
      (Eq a.accumulator G.identity → Eq clean .true) :=
  have same : Eq (G.isIdentity a.accumulator) clean :=
    congr Response.isClean h
  ⟨fun k => G.recognised a.accumulator (same.trans k),
    fun k => same.symm.trans ((congr G.isIdentity k).trans G.recognises)⟩

/-! ## Lists of deltas -/

/-- A list of deltas leaves the reference, and adds its sum to the accumulator. -/
theorem accumulate_adds_the_fold : (deltas : List α) → (a : Accumulator α) →
    Eq (accumulate G a deltas) ⟨a.reference, G.combine a.accumulator (G.fold deltas)⟩
  | .nil, a => congr (Accumulator.mk a.reference) (G.neutral_right a.accumulator).symm
  | .cons d rest, a =>
    (accumulate_adds_the_fold rest (next G a ⟨.accum, d⟩)).trans
      (congr (Accumulator.mk a.reference) (G.associative a.accumulator d (G.fold rest)))

/-- Lists with the same sum lead to the same address. -/
theorem accumulate_of_fold (a : Accumulator α) (x y : List α) (h : Eq (G.fold x) (G.fold y)) :
    Eq (accumulate G a x) (accumulate G a y) :=
  (accumulate_adds_the_fold G x a).trans
    ((congr (fun s => Accumulator.mk a.reference (G.combine a.accumulator s)) h).trans
      (accumulate_adds_the_fold G y a).symm)

/-- Deltas may arrive in any order.
Spec: docs/spec.md "the sum of a list of deltas is the same for every permutation of the list"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::accum -/
theorem accumulate_in_any_order (a : Accumulator α) {x y : List α} (h : Permutation x y) :
    Eq (accumulate G a x) (accumulate G a y) :=
  accumulate_of_fold G a x y (G.fold_of_permutation h)

theorem mergeAll_adds_the_fold : (banks : List (List α)) → (r : α) → (a : Accumulator α) →
    Eq (mergeAll G a (banks.map fun bank => accumulate G (withReference G r) bank))
      ⟨a.reference, G.combine a.accumulator (G.fold (banks.map G.fold))⟩
  | .nil, _, a => congr (Accumulator.mk a.reference) (G.neutral_right a.accumulator).symm
  | .cons bank rest, r, a =>
    have this_bank : Eq (merge G a (accumulate G (withReference G r) bank))
        ⟨a.reference, G.combine a.accumulator (G.fold bank)⟩ :=
      (congr (merge G a) (accumulate_adds_the_fold G bank (withReference G r))).trans
        (congr (fun s => Accumulator.mk a.reference (G.combine a.accumulator s))
          (G.neutral (G.fold bank)))
    (congr (fun b => mergeAll G b
        (rest.map fun bank => accumulate G (withReference G r) bank)) this_bank).trans
      ((mergeAll_adds_the_fold rest r _).trans
        (congr (Accumulator.mk a.reference)
          (G.associative a.accumulator (G.fold bank) (G.fold (rest.map G.fold)))))

/-- Deltas split over any number of banks in any way, each with the reference of the first, and
merged, equal one accumulator.
Spec: docs/spec.md "a bank split (any partition of the deltas over any number of accumulators, then
merged) equals one accumulator"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::merge
Code: crates/atomik-algebra/src/register_file.rs RegisterFile::bank, RegisterFile::merge_from -/
theorem bank_split_equals_one_accumulator (a : Accumulator α) (deltas : List α)
    (banks : List (List α)) (h : Permutation banks.concat deltas) :
    Eq (mergeAll G a (banks.map fun bank => accumulate G (withReference G a.reference) bank))
      (accumulate G a deltas) :=
  (mergeAll_adds_the_fold G banks a.reference a).trans
    ((congr (fun s => Accumulator.mk a.reference (G.combine a.accumulator s))
        ((G.fold_of_concat banks).symm.trans (G.fold_of_permutation h))).trans
      (accumulate_adds_the_fold G deltas a).symm)

/-- Whichever deltas of a list are rolled back, and in whatever order deltas and rollbacks come: the
result is as if those had never been applied.
Spec: docs/spec.md "a rollback of any sub-multiset equals never having applied it"
Spec: docs/spec.md "`ROLLBACK d` is `ACCUM -d`"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::rollback -/
theorem rollback_equals_never_applied (a : Accumulator α) (deltas undone kept applied : List α)
    (chosen : Permutation deltas (undone.append kept))
    (order : Permutation applied ((undone.map G.inverse).append deltas)) :
    Eq (accumulate G a applied) (accumulate G a kept) :=
  let rollbacks := undone.map G.inverse
  have parts : Eq (G.fold applied)
      (G.combine (G.fold rollbacks) (G.combine (G.fold undone) (G.fold kept))) :=
    (G.fold_of_permutation order).trans
      ((G.fold_of_append rollbacks deltas).trans
        (congr (G.combine (G.fold rollbacks))
          ((G.fold_of_permutation chosen).trans (G.fold_of_append undone kept))))
  have gone : Eq (G.combine (G.fold rollbacks) (G.combine (G.fold undone) (G.fold kept)))
      (G.fold kept) :=
    (G.associative (G.fold rollbacks) (G.fold undone) (G.fold kept)).symm.trans
      ((congr (fun s => G.combine s (G.fold kept)) (G.fold_of_inverses undone)).trans
        (G.neutral (G.fold kept)))
  accumulate_of_fold G a applied kept (parts.trans gone)

/-! ## Lists of commands -/

/-- The deltas of the `ACCUM`s of a list of commands. -/
def deltas : List (Command α) → List α
  | .nil => .nil
  | .cons ⟨.accum, d⟩ rest => .cons d (deltas rest)
  | .cons _ rest => deltas rest

/-- No command of the list is a `LOAD`. -/
def NoLoad : List (Command α) → Prop
  | .nil => True
  | .cons ⟨.load, _⟩ _ => False
  | .cons _ rest => NoLoad rest

/-- Between two `LOAD`s the state is the state before, and the deltas since then: `SWAP`, `DRAIN`
and all queries between them change nothing of it.
Spec: docs/spec.md "Its **current state** is `S = R + D`"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::apply -/
theorem state_is_all_deltas : (commands : List (Command α)) → NoLoad commands →
    (a : Accumulator α) →
    Eq (state G (run G a commands)) (G.combine (state G a) (G.fold (deltas commands)))
  | .nil, _, a => (G.neutral_right (state G a)).symm
  | .cons ⟨.nop, _⟩ rest, h, a => state_is_all_deltas rest h a
  | .cons ⟨.load, _⟩ _, h, _ => h.rec
  | .cons ⟨.accum, d⟩ rest, h, a =>
    (state_is_all_deltas rest h (next G a ⟨.accum, d⟩)).trans
      ((congr (fun s => G.combine s (G.fold (deltas rest)))
          (accum_adds_to_the_state G a d)).trans
        (G.associative (state G a) d (G.fold (deltas rest))))
  | .cons ⟨.read, _⟩ rest, h, a => state_is_all_deltas rest h a
  | .cons ⟨.swap, x⟩ rest, h, a =>
    (state_is_all_deltas rest h (next G a ⟨.swap, x⟩)).trans
      (congr (fun s => G.combine s (G.fold (deltas rest))) (swap_leaves_the_state G a x).left)
  | .cons ⟨.delta, _⟩ rest, h, a => state_is_all_deltas rest h a
  | .cons ⟨.drain, x⟩ rest, h, a =>
    (state_is_all_deltas rest h (next G a ⟨.drain, x⟩)).trans
      (congr (fun s => G.combine s (G.fold (deltas rest))) (drain_leaves_the_state G a x).left)

/-- No command of the list is a `LOAD` or a `SWAP`. -/
def OnlyDrains : List (Command α) → Prop
  | .nil => True
  | .cons ⟨.load, _⟩ _ => False
  | .cons ⟨.swap, _⟩ _ => False
  | .cons _ rest => OnlyDrains rest

/-- The words that the `DRAIN`s of a list of commands return. -/
def drained (a : Accumulator α) : List (Command α) → List α
  | .nil => .nil
  | .cons ⟨.drain, x⟩ rest => .cons a.accumulator (drained (next G a ⟨.drain, x⟩) rest)
  | .cons command rest => drained (next G a command) rest

/-- What `DRAIN`s handed out and what is still pending are all deltas: none is lost, none is handed
out twice. So a peer with the same reference that adds what was drained is only short of the rest.
Spec: docs/spec.md "the delta to hand to a peer; the state does not change"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::drain -/
theorem drains_hand_out_every_delta_once : (commands : List (Command α)) →
    OnlyDrains commands → (a : Accumulator α) →
    Eq (G.combine (G.fold (drained G a commands)) (run G a commands).accumulator)
      (G.combine a.accumulator (G.fold (deltas commands)))
  | .nil, _, a => G.commutative G.identity a.accumulator
  | .cons ⟨.nop, _⟩ rest, h, a => drains_hand_out_every_delta_once rest h a
  | .cons ⟨.load, _⟩ _, h, _ => h.rec
  | .cons ⟨.accum, d⟩ rest, h, a =>
    (drains_hand_out_every_delta_once rest h (next G a ⟨.accum, d⟩)).trans
      (G.associative a.accumulator d (G.fold (deltas rest)))
  | .cons ⟨.read, _⟩ rest, h, a => drains_hand_out_every_delta_once rest h a
  | .cons ⟨.swap, _⟩ _, h, _ => h.rec
  | .cons ⟨.delta, _⟩ rest, h, a => drains_hand_out_every_delta_once rest h a
  | .cons ⟨.drain, x⟩ rest, h, a =>
    let after := next G a ⟨.drain, x⟩
    (G.associative a.accumulator (G.fold (drained G after rest))
        (run G after rest).accumulator).trans
      (congr (G.combine a.accumulator)
        ((drains_hand_out_every_delta_once rest h after).trans
          (G.neutral (G.fold (deltas rest)))))

end Accumulator
