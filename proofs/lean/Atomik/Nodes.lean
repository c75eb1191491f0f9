prelude
import Atomik.Accumulator
import Atomik.Layout
import Atomik.Values
set_option autoImplicit false

/-!
# Nodes that exchange deltas

Nodes that start with the same reference and exchange deltas agree, in whatever order the deltas
arrive, if each delta arrives exactly once. The rest of the file proves that the condition is
needed, and what agreement does not promise.
-/

universe u

namespace Nodes

open Accumulator

variable {α : Type u} (G : Group α)

/-- Two nodes apply their own deltas and each other's, in any order and however mixed: they agree.
Spec: docs/replication.md "hold the same entries have the same state"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::accum -/
theorem two_nodes_agree (start : Accumulator α) (ofA ofB atA atB : List α)
    (a : Permutation atA (ofA.append ofB)) (b : Permutation atB (ofB.append ofA)) :
    Eq (accumulate G start atA) (accumulate G start atB) :=
  accumulate_in_any_order G start (.trans a (.trans (.exchange ofA ofB) b.symm))

/-- Any number of nodes agree, whatever each of them contributed and in whatever order each applied
what all contributed.
Spec: docs/replication.md "hold the same entries have the same state"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::accum -/
theorem all_nodes_agree (start : Accumulator α) (contributed : List (List α)) (here there : List α)
    (h : Permutation here contributed.concat) (t : Permutation there contributed.concat) :
    Eq (accumulate G start here) (accumulate G start there) :=
  accumulate_in_any_order G start (.trans h t.symm)

/-- Three nodes agree, each of which hears of the others in an order of its own.
Spec: docs/replication.md "hold the same entries have the same state"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::accum -/
theorem three_nodes_agree (start : Accumulator α) (ofA ofB ofC atA atB atC : List α)
    (a : Permutation atA (List.concat (.cons ofA (.cons ofB (.cons ofC .nil)))))
    (b : Permutation atB (List.concat (.cons ofA (.cons ofB (.cons ofC .nil)))))
    (c : Permutation atC (List.concat (.cons ofA (.cons ofB (.cons ofC .nil))))) :
    And (Eq (accumulate G start atA) (accumulate G start atB))
      (Eq (accumulate G start atB) (accumulate G start atC)) :=
  ⟨all_nodes_agree G start _ atA atB a b, all_nodes_agree G start _ atB atC b c⟩

/-! ## What goes wrong otherwise -/

/-- One more delta that is not the identity changes the state. -/
theorem delta_shows (a : Accumulator α) (d : α) (rest : List α) (h : Not (Eq d G.identity)) :
    Not (Eq (state G (accumulate G a (.cons d rest))) (state G (accumulate G a rest))) :=
  fun same =>
    let sum := G.combine a.reference (G.combine a.accumulator (G.fold rest))
    have first : Eq (state G (accumulate G a (.cons d rest))) (G.combine d sum) :=
      (congr (state G) (accumulate_adds_the_fold G (.cons d rest) a)).trans
        ((congr (G.combine a.reference) (G.swap a.accumulator d (G.fold rest))).trans
          (G.swap a.reference d (G.combine a.accumulator (G.fold rest))))
    have second : Eq (state G (accumulate G a rest)) sum :=
      congr (state G) (accumulate_adds_the_fold G rest a)
    have both : Eq (G.combine sum d) (G.combine sum G.identity) :=
      (G.commutative sum d).trans
        ((first.symm.trans (same.trans second)).trans (G.neutral_right sum).symm)
    h (G.cancel sum d G.identity both)

/-- A delta that is lost on the way to one of two nodes leaves them apart, unless it is 0.
Spec: docs/spec.md "a lost one is lost forever"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::accum -/
theorem lost_delta_leaves_nodes_apart (start : Accumulator α) (d : α) (others : List α)
    (h : Not (Eq d G.identity)) :
    Not (Eq (state G (accumulate G start (.cons d others)))
      (state G (accumulate G start others))) :=
  delta_shows G start d others h

/-- A delta that arrives twice at one of two nodes leaves them apart, unless it is 0.
Spec: docs/spec.md "a delta that arrives twice cancels itself in an xor field and counts twice in
one that adds"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::accum -/
theorem doubled_delta_leaves_nodes_apart (start : Accumulator α) (d : α) (others : List α)
    (h : Not (Eq d G.identity)) :
    Not (Eq (state G (accumulate G start (.cons d (.cons d others))))
      (state G (accumulate G start (.cons d others)))) :=
  delta_shows G start d (.cons d others) h

/-- In words whose fields all xor, a delta that arrives twice is as good as lost.
Spec: docs/spec.md "a delta that arrives twice cancels itself in an xor field"
Code: crates/atomik-algebra/src/accumulator.rs Accumulator::accum -/
theorem doubled_xor_delta_cancels (layout : Layout) (h : layout.IsXor)
    (start : Accumulator layout.Words) (d : layout.Words) (others : List layout.Words) :
    Eq (accumulate layout.group start (.cons d (.cons d others)))
      (accumulate layout.group start others) :=
  let G := layout.group
  have twice : Eq (G.combine d (G.combine d (G.fold others))) (G.fold others) :=
    (congr (fun x => G.combine x (G.combine d (G.fold others)))
      (Layout.xor_is_self_inverse layout h d).symm).trans (G.undo d (G.fold others))
  accumulate_of_fold G start _ others twice

/-! ## Puts -/

/-- The delta that replaces the state by a value. -/
def put (a : Accumulator α) (value : α) : α := G.combine value (G.inverse (state G a))

/-- A node that puts a value and hears of nobody else has that value.
Spec: docs/spec.md "A change of the value to `v` adds `v - S` to the own accumulator"
Code: crates/atomik-replica/src/writer.rs respond -/
theorem put_alone_gives_the_value (a : Accumulator α) (value : α) :
    Eq (state G (next G a ⟨.accum, put G a value⟩)) value :=
  let s := state G a
  (accum_adds_to_the_state G a (put G a value)).trans
    ((G.swap s value (G.inverse s)).trans
      ((congr (G.combine value) (G.cancels_right s)).trans (G.neutral_right value)))

/-- The width 8. -/
def eight : Number :=
  .succ (.succ (.succ (.succ (.succ (.succ (.succ (.succ .zero)))))))

/-- 3, 5, 6 and 8 as words of 8 bits. -/
def three : Word eight := .ofBits eight (.cons .true (.cons .true .nil))
def five : Word eight := .ofBits eight (.cons .true (.cons .false (.cons .true .nil)))
def six : Word eight := .ofBits eight (.cons .false (.cons .true (.cons .true .nil)))
def sum : Word eight :=
  .ofBits eight (.cons .false (.cons .false (.cons .false (.cons .true .nil))))

/-- The state after 5 and 3 were put at once at two nodes with the value 0, and exchanged. -/
def bothPuts (G : Group (Word eight)) : Word eight :=
  let start := withReference G G.identity
  state G (accumulate G start (.cons (put G start five) (.cons (put G start three) .nil)))

/-- 5 and 3 put at once give 6 in a word that xors: neither value survives.
Spec: docs/spec.md "5 and 3 put concurrently give 6"
Code: crates/atomik-replica/src/entry.rs overlap -/
theorem five_and_three_give_six : Eq (bothPuts (.xor eight)) six := rfl

/-- 5 and 3 put at once give 8 in a word that adds.
Spec: docs/spec.md "Two concurrent puts of one field are a conflict (5 and 3 give 8)"
Code: crates/atomik-replica/src/entry.rs overlap -/
theorem five_and_three_give_eight : Eq (bothPuts (.add eight)) sum := rfl

end Nodes
