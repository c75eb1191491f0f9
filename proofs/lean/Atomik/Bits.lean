prelude
import Atomik.Logic
set_option autoImplicit false

/-!
# Bits

One bit of a sum, and a way to prove a statement about bits by trying all of them.
-/

namespace Bool

def not : Bool → Bool
  | .true => .false
  | .false => .true

def and : Bool → Bool → Bool
  | .true, b => b
  | .false, _ => .false

def xor : Bool → Bool → Bool
  | .true, b => b.not
  | .false, b => b

/-- Whether at least two of three bits are set: the carry out of a position. -/
def majority : Bool → Bool → Bool → Bool
  | .true, .false, c => c
  | .true, .true, _ => .true
  | .false, .true, c => c
  | .false, .false, _ => .false

/-- Whether two bits are the same. -/
def same (a b : Bool) : Bool := (a.xor b).not

/-- If the first bit is set, the second is. -/
def implies (a b : Bool) : Bool := (a.and b.not).not

/-- Whether a function is true for both bits. -/
def all (f : Bool → Bool) : Bool := (f .true).and (f .false)

theorem of_and_left : (a b : Bool) → Eq (a.and b) .true → Eq a .true
  | .true, _, _ => rfl
  | .false, _, h => h

theorem of_and_right : (a b : Bool) → Eq (a.and b) .true → Eq b .true
  | .true, _, h => h
  | .false, _, h => (false_is_not_true h).rec

theorem and_intro {a b : Bool} (h : Eq a .true) (k : Eq b .true) : Eq (a.and b) .true :=
  (congr₂ and h k).trans rfl

theorem of_all (f : Bool → Bool) (h : Eq (all f) .true) : (b : Bool) → Eq (f b) .true
  | .true => of_and_left _ _ h
  | .false => of_and_right _ _ h

theorem of_same : (a b : Bool) → Eq (a.same b) .true → Eq a b
  | .true, .true, _ => rfl
  | .false, .false, _ => rfl
  | .true, .false, h => (false_is_not_true h).rec
  | .false, .true, h => (false_is_not_true h).rec

theorem of_implies : (a b : Bool) → Eq (a.implies b) .true → Eq a .true → Eq b .true
  | .true, .true, _, _ => rfl
  | .true, .false, h, _ => h
  | .false, _, _, k => (false_is_not_true k).rec

theorem xor_associative : (a b c : Bool) → Eq ((a.xor b).xor c) (a.xor (b.xor c))
  | .true, .true, .true => rfl
  | .true, .true, .false => rfl
  | .true, .false, _ => rfl
  | .false, _, _ => rfl

theorem xor_commutative : (a b : Bool) → Eq (a.xor b) (b.xor a)
  | .true, .true => rfl
  | .true, .false => rfl
  | .false, .true => rfl
  | .false, .false => rfl

theorem xor_self : (a : Bool) → Eq (a.xor a) .false
  | .true => rfl
  | .false => rfl

theorem majority_commutative : (c a b : Bool) → Eq (majority c a b) (majority c b a)
  | .true, .true, .true => rfl
  | .true, .true, .false => rfl
  | .true, .false, .true => rfl
  | .true, .false, .false => rfl
  | .false, .true, .true => rfl
  | .false, .true, .false => rfl
  | .false, .false, .true => rfl
  | .false, .false, .false => rfl

theorem not_of_not : (a : Bool) → Eq a.not .true → Eq a .false
  | .false, _ => rfl
  | .true, h => h.symm

end Bool
