prelude
import Atomik.Accumulator
import Atomik.Layout
set_option autoImplicit false

/-!
# The register file

The machine of the specification's second section, without its timing: cycles of commands on lanes
go in, responses come out.
-/

universe u

/-- What the lanes are given in one cycle: an address and a command on lane 0, and addresses with
deltas on the others. -/
structure Cycle (α : Type u) where
  first : Option (Prod Number (Command α))
  others : List (Prod Number α)

/-- One word pair for each address. -/
abbrev Memory (α : Type u) := List (Accumulator α)

namespace Memory

variable {α : Type u} (G : Group α)

/-- The memory after a reset: every reference and accumulator is 0. -/
def reset : (depth : Number) → Memory α
  | .zero => .nil
  | .succ depth => .cons ⟨G.identity, G.identity⟩ (reset depth)

/-- What is at an address; as after a reset if the address does not exist. -/
def at : Memory α → Number → Accumulator α
  | .nil, _ => ⟨G.identity, G.identity⟩
  | .cons a _, .zero => a
  | .cons _ rest, .succ n => at rest n

/-- The memory with one address changed. -/
def change (f : Accumulator α → Accumulator α) : Memory α → Number → Memory α
  | .nil, _ => .nil
  | .cons a rest, .zero => .cons (f a) rest
  | .cons a rest, .succ n => .cons a (change f rest n)

/-- The memory after a command. -/
def execute (m : Memory α) (address : Number) (command : Command α) : Memory α :=
  change (fun a => a.next G command) m address

/-- The memory after the deltas of some lanes. -/
def accumulate : Memory α → List (Prod Number α) → Memory α
  | m, .nil => m
  | m, .cons d rest => accumulate (execute G m d.fst ⟨.accum, d.snd⟩) rest

/-- The memory after a cycle: lane 0 comes first. -/
def next (m : Memory α) (cycle : Cycle α) : Memory α :=
  match cycle.first with
  | .none => accumulate G m cycle.others
  | .some command => accumulate G (execute G m command.fst command.snd) cycle.others

/-- The response to a cycle's command on lane 0, which sees what earlier cycles did. -/
def response (m : Memory α) (cycle : Cycle α) : Option (Response α) :=
  match cycle.first with
  | .none => .none
  | .some command => (at G m command.fst).response G command.snd

/-- The responses to all cycles. -/
def run : Memory α → List (Cycle α) → List (Option (Response α))
  | _, .nil => .nil
  | m, .cons cycle rest => .cons (response G m cycle) (run (next G m cycle) rest)

/-! ## The order of lanes -/

/-- A response on lane 0 does not depend on what the other lanes do in its cycle.
Spec: docs/spec.md "a `READ` on lane 0 sees every command of earlier cycles and no command of its
own cycle"
Code: crates/atomik-trace/src/run.rs run_model -/
theorem response_ignores_its_own_cycle (m : Memory α) (first : Option (Prod Number (Command α)))
    (x y : List (Prod Number α)) : Eq (response G m ⟨first, x⟩) (response G m ⟨first, y⟩) :=
  rfl

/-- Lane 0 is first: a delta of another lane in the cycle of a `LOAD` is added to the loaded value.
Spec: docs/spec.md "Within one cycle lane 0 is first"
Code: crates/atomik-trace/src/run.rs run_model -/
theorem lane_zero_is_first (a : Accumulator α) (v d : α) :
    Eq (next G (.cons a .nil) ⟨.some ⟨.zero, .load, v⟩, .cons ⟨.zero, d⟩ .nil⟩)
      (.cons ⟨v, d⟩ .nil) :=
  congr (fun x => List.cons (Accumulator.mk v x) .nil) (G.neutral d)

theorem change_commutes (f g : Accumulator α → Accumulator α)
    (h : (a : Accumulator α) → Eq (f (g a)) (g (f a))) :
    (m : Memory α) → (i j : Number) → Eq (change f (change g m j) i) (change g (change f m i) j)
  | .nil, _, _ => rfl
  | .cons a rest, .zero, .zero => congr (fun b => List.cons b rest) (h a)
  | .cons _ _, .zero, .succ _ => rfl
  | .cons _ _, .succ _, .zero => rfl
  | .cons a rest, .succ i, .succ j => congr (List.cons a) (change_commutes f g h rest i j)

theorem accums_commute (a : Accumulator α) (c d : α) :
    Eq ((a.next G ⟨.accum, d⟩).next G ⟨.accum, c⟩) ((a.next G ⟨.accum, c⟩).next G ⟨.accum, d⟩) :=
  congr (Accumulator.mk a.reference)
    ((G.associative a.accumulator d c).trans
      ((congr (G.combine a.accumulator) (G.commutative d c)).trans
        (G.associative a.accumulator c d).symm))

/-- Lanes may be served in any order: the deltas of a cycle, at whatever addresses, lead to the same
memory.
Spec: docs/spec.md "`ACCUM` commutes, so each lane can own a private accumulator memory"
Code: crates/atomik-algebra/src/register_file.rs RegisterFile::accum -/
theorem lanes_in_any_order {x y : List (Prod Number α)} :
    Permutation x y → (m : Memory α) → Eq (accumulate G m x) (accumulate G m y)
  | .nil, _ => rfl
  | .skip d h, m => lanes_in_any_order h (execute G m d.fst ⟨.accum, d.snd⟩)
  | .swap c d rest, m =>
    congr (fun n => accumulate G n rest)
      (change_commutes (fun a => a.next G ⟨.accum, d.snd⟩) (fun a => a.next G ⟨.accum, c.snd⟩)
        (fun a => accums_commute G a d.snd c.snd) m d.fst c.fst)
  | .trans h k, m => (lanes_in_any_order h m).trans (lanes_in_any_order k m)

end Memory
