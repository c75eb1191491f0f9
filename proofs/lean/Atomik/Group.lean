prelude
import Atomik.Logic
set_option autoImplicit false

/-!
# Abelian groups

The theorems about deltas hold in every Abelian group. `Atomik.Words` shows that words of every
layout are one.
-/

universe u

/-- An Abelian group whose identity can be recognised, as `atomik_algebra::Group` has it. -/
structure Group (α : Type u) where
  combine : α → α → α
  identity : α
  inverse : α → α
  isIdentity : α → Bool
  associative : (a b c : α) → Eq (combine (combine a b) c) (combine a (combine b c))
  commutative : (a b : α) → Eq (combine a b) (combine b a)
  neutral : (a : α) → Eq (combine identity a) a
  cancels : (a : α) → Eq (combine (inverse a) a) identity
  recognised : (a : α) → Eq (isIdentity a) Bool.true → Eq a identity
  recognises : Eq (isIdentity identity) Bool.true

namespace Group

variable {α : Type u} (G : Group α)

theorem neutral_right (a : α) : Eq (G.combine a G.identity) a :=
  (G.commutative a G.identity).trans (G.neutral a)

theorem cancels_right (a : α) : Eq (G.combine a (G.inverse a)) G.identity :=
  (G.commutative a (G.inverse a)).trans (G.cancels a)

/-- Two deltas in a row may change places. -/
theorem swap (a b c : α) :
    Eq (G.combine a (G.combine b c)) (G.combine b (G.combine a c)) :=
  (G.associative a b c).symm.trans
    ((congr (fun x => G.combine x c) (G.commutative a b)).trans (G.associative b a c))

/-- A delta is undone by its inverse. -/
theorem undo (a b : α) : Eq (G.combine (G.inverse a) (G.combine a b)) b :=
  (G.associative (G.inverse a) a b).symm.trans
    ((congr (fun x => G.combine x b) (G.cancels a)).trans (G.neutral b))

/-- What is combined with equal results was equal. -/
theorem cancel (a b c : α) (h : Eq (G.combine a b) (G.combine a c)) : Eq b c :=
  (G.undo a b).symm.trans ((congr (G.combine (G.inverse a)) h).trans (G.undo a c))

end Group
