prelude
import Atomik.Group
set_option autoImplicit false

/-!
# Lists of deltas

A list of deltas has one sum, whatever their order and however they are split over banks.
-/

universe u

/-- One list is a permutation of the other: the same elements, as often, in another order. -/
inductive Permutation {α : Type u} : List α → List α → Prop where
  | nil : Permutation .nil .nil
  | skip (a : α) {x y : List α} : Permutation x y → Permutation (.cons a x) (.cons a y)
  | swap (a b : α) (x : List α) : Permutation (.cons a (.cons b x)) (.cons b (.cons a x))
  | trans {x y z : List α} : Permutation x y → Permutation y z → Permutation x z

namespace Group

variable {α : Type u} (G : Group α)

/-- All deltas of a list combined. -/
def fold : List α → α
  | .nil => G.identity
  | .cons a list => G.combine a (fold list)

/-- The sum of a list of deltas is the same for every permutation of the list.
Spec: docs/spec.md "the sum of a list of deltas is the same for every permutation of the list"
Code: crates/atomik-algebra/src/bulk.rs fold -/
theorem fold_of_permutation {x y : List α} : Permutation x y → Eq (G.fold x) (G.fold y)
  | .nil => rfl
  | .skip a h => congr (G.combine a) (fold_of_permutation h)
  | .swap a b list => G.swap a b (G.fold list)
  | .trans h k => (fold_of_permutation h).trans (fold_of_permutation k)

end Group
