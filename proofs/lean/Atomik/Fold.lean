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

namespace List

variable {α β : Type u}

/-- One list after the other. -/
def append : List α → List α → List α
  | .nil, y => y
  | .cons a x, y => .cons a (append x y)

/-- All lists of a list, one after the other. -/
def concat : List (List α) → List α
  | .nil => .nil
  | .cons x rest => append x (concat rest)

def map (f : α → β) : List α → List β
  | .nil => .nil
  | .cons a x => .cons (f a) (map f x)

theorem append_nil : (x : List α) → Eq (append x .nil) x
  | .nil => rfl
  | .cons a x => congr (cons a) (append_nil x)

end List

namespace Permutation

variable {α : Type u}

theorem refl : (x : List α) → Permutation x x
  | .nil => .nil
  | .cons a x => .skip a (refl x)

theorem symm {x y : List α} : Permutation x y → Permutation y x
  | .nil => .nil
  | .skip a h => .skip a (symm h)
  | .swap a b x => .swap b a x
  | .trans h k => .trans (symm k) (symm h)

/-- An element may move from the front to any place. -/
theorem insert (a : α) : (x y : List α) → Permutation (.cons a (x.append y)) (x.append (.cons a y))
  | .nil, y => refl (.cons a y)
  | .cons b x, y => .trans (.swap a b (x.append y)) (.skip b (insert a x y))

/-- Two lists may change places. -/
theorem exchange : (x y : List α) → Permutation (x.append y) (y.append x)
  | .nil, y => Eq.ndrec (motive := fun z => Permutation y z) (refl y) y.append_nil.symm
  | .cons a x, y => .trans (.skip a (exchange x y)) (insert a y x)

end Permutation

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

theorem fold_of_append : (x y : List α) →
    Eq (G.fold (x.append y)) (G.combine (G.fold x) (G.fold y))
  | .nil, y => (G.neutral (G.fold y)).symm
  | .cons a x, y =>
    (congr (G.combine a) (fold_of_append x y)).trans
      (G.associative a (G.fold x) (G.fold y)).symm

/-- The sum of lists is the sum of their sums. -/
theorem fold_of_concat : (banks : List (List α)) →
    Eq (G.fold banks.concat) (G.fold (banks.map G.fold))
  | .nil => rfl
  | .cons bank rest =>
    (G.fold_of_append bank rest.concat).trans
      (congr (G.combine (G.fold bank)) (fold_of_concat rest))

/-- The inverses of all deltas of a list undo the list. -/
theorem fold_of_inverses : (x : List α) →
    Eq (G.combine (G.fold (x.map G.inverse)) (G.fold x)) G.identity
  | .nil => G.neutral G.identity
  | .cons a x =>
    let undone := G.fold (x.map G.inverse)
    (congr (fun y => G.combine y (G.combine a (G.fold x)))
        (G.commutative (G.inverse a) undone)).trans
      ((G.associative undone (G.inverse a) (G.combine a (G.fold x))).trans
        ((congr (G.combine undone) (G.undo a (G.fold x))).trans (fold_of_inverses x)))

end Group
