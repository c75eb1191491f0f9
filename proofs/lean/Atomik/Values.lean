prelude
import Atomik.Words
set_option autoImplicit false

/-!
# Words as numbers

The bitwise sum of two words is the sum of the numbers that they stand for, without what exceeds
the width.
-/

/-- There is a number with this property. -/
inductive Exists {α : Type} (p : α → Prop) : Prop where
  | intro (witness : α) (holds : p witness) : Exists p

namespace Number

def plus : Number → Number → Number
  | .zero, b => b
  | .succ a, b => .succ (plus a b)

def double (a : Number) : Number := plus a a

/-- `a` times `2^n`. -/
def shift : Number → Number → Number
  | .zero, a => a
  | .succ n, a => double (shift n a)

/-- 0 or 1. -/
def ofBit : Bool → Number
  | .true => .succ .zero
  | .false => .zero

/-- `a` is less than `b`. -/
def Less (a b : Number) : Prop := Exists fun gap => Eq (plus (.succ a) gap) b

theorem plus_zero : (a : Number) → Eq (plus a .zero) a
  | .zero => rfl
  | .succ a => congr succ (plus_zero a)

theorem plus_succ : (a b : Number) → Eq (plus a (.succ b)) (.succ (plus a b))
  | .zero, _ => rfl
  | .succ a, b => congr succ (plus_succ a b)

theorem plus_commutative : (a b : Number) → Eq (plus a b) (plus b a)
  | .zero, b => (plus_zero b).symm
  | .succ a, b => (congr succ (plus_commutative a b)).trans (plus_succ b a).symm

theorem plus_associative : (a b c : Number) → Eq (plus (plus a b) c) (plus a (plus b c))
  | .zero, _, _ => rfl
  | .succ a, b, c => congr succ (plus_associative a b c)

/-- The second and third of four terms may change places. -/
theorem plus_middle (a b c d : Number) :
    Eq (plus (plus a b) (plus c d)) (plus (plus a c) (plus b d)) :=
  have inner : Eq (plus b (plus c d)) (plus c (plus b d)) :=
    (plus_associative b c d).symm.trans
      ((congr (fun x => plus x d) (plus_commutative b c)).trans (plus_associative c b d))
  (plus_associative a b (plus c d)).trans
    ((congr (plus a) inner).trans (plus_associative a c (plus b d)).symm)

theorem double_plus (a b : Number) : Eq (double (plus a b)) (plus (double a) (double b)) :=
  plus_middle a b a b

/-- Three bits: the bit of the sum, and twice the carry. -/
theorem full_adder : (c a b : Bool) →
    Eq (plus (ofBit (c.xor (a.xor b))) (double (ofBit (.majority c a b))))
      (plus (ofBit c) (plus (ofBit a) (ofBit b)))
  | .true, .true, .true => rfl
  | .true, .true, .false => rfl
  | .true, .false, .true => rfl
  | .true, .false, .false => rfl
  | .false, .true, .true => rfl
  | .false, .true, .false => rfl
  | .false, .false, .true => rfl
  | .false, .false, .false => rfl

end Number

namespace Word

open Number

/-- The number that a word stands for. -/
def value : (n : Number) → Word n → Number
  | .zero, _ => .zero
  | .succ n, a => plus (ofBit a.fst) (double (value n a.snd))

/-- The carry out of the highest bit. -/
def carryOut : (n : Number) → Bool → Word n → Word n → Bool
  | .zero, c, _, _ => c
  | .succ n, c, a, b => carryOut n (.majority c a.fst b.fst) a.snd b.snd

theorem sum_with_carry : (n : Number) → (c : Bool) → (a b : Word n) →
    Eq (plus (value n (sum n c a b)) (shift n (ofBit (carryOut n c a b))))
      (plus (ofBit c) (plus (value n a) (value n b)))
  | .zero, c, _, _ => (plus_zero (ofBit c)).symm
  | .succ n, c, a, b =>
    let carry := Bool.majority c a.fst b.fst
    let bit := ofBit (c.xor (a.fst.xor b.fst))
    let low := value n (sum n carry a.snd b.snd)
    let high := shift n (ofBit (carryOut n carry a.snd b.snd))
    let highs := plus (value n a.snd) (value n b.snd)
    have joined : Eq (plus (plus bit (double low)) (double high))
        (plus bit (double (plus (ofBit carry) highs))) :=
      (plus_associative bit (double low) (double high)).trans
        (congr (plus bit)
          ((double_plus low high).symm.trans (congr double (sum_with_carry n carry a.snd b.snd))))
    have split : Eq (plus bit (double (plus (ofBit carry) highs)))
        (plus (plus (ofBit c) (plus (ofBit a.fst) (ofBit b.fst))) (double highs)) :=
      (congr (plus bit) (double_plus (ofBit carry) highs)).trans
        ((plus_associative bit (double (ofBit carry)) (double highs)).symm.trans
          (congr (fun x => plus x (double highs)) (full_adder c a.fst b.fst)))
    have sorted : Eq
        (plus (plus (ofBit c) (plus (ofBit a.fst) (ofBit b.fst))) (double highs))
        (plus (ofBit c) (plus (value (.succ n) a) (value (.succ n) b))) :=
      (plus_associative (ofBit c) (plus (ofBit a.fst) (ofBit b.fst)) (double highs)).trans
        (congr (plus (ofBit c))
          ((congr (plus (plus (ofBit a.fst) (ofBit b.fst)))
              (double_plus (value n a.snd) (value n b.snd))).trans
            (plus_middle (ofBit a.fst) (ofBit b.fst) (double (value n a.snd))
              (double (value n b.snd)))))
    joined.trans (split.trans sorted)

/-- The word of a sum, and `2^n` if there is a carry out of the highest bit, are the sum of the two
numbers. With `value_is_below`: `add` is addition modulo `2^n`.
Spec: docs/spec.md "`add:n` by addition modulo `2^n`"
Code: crates/atomik-algebra/src/word.rs Word::wrapping_add
Code: crates/atomik-algebra/src/add.rs Add -/
theorem add_is_addition (n : Number) (a b : Word n) :
    Eq (plus (value n (add n a b)) (shift n (ofBit (carryOut n .false a b))))
      (plus (value n a) (value n b)) :=
  sum_with_carry n .false a b

theorem ofBit_below : (b : Bool) → Eq (plus (.succ (ofBit b)) (ofBit b.not)) (.succ (.succ .zero))
  | .true => rfl
  | .false => rfl

/-- A word and its complement add up to `2^n - 1`. -/
theorem value_and_complement : (n : Number) → (a : Word n) →
    Eq (plus (.succ (value n a)) (value n (complement n a))) (shift n (.succ .zero))
  | .zero, _ => rfl
  | .succ n, a =>
    let low := value n a.snd
    let gap := value n (complement n a.snd)
    have sorted : Eq
        (plus (.succ (plus (ofBit a.fst) (double low))) (plus (ofBit a.fst.not) (double gap)))
        (plus (.succ (.succ .zero)) (double (plus low gap))) :=
      (plus_middle (.succ (ofBit a.fst)) (double low) (ofBit a.fst.not) (double gap)).trans
        (congr₂ plus (ofBit_below a.fst) (double_plus low gap).symm)
    have doubled : Eq (plus (.succ (.succ .zero)) (double (plus low gap)))
        (double (plus (.succ low) gap)) :=
      (congr succ (plus_succ (plus low gap) (plus low gap))).symm
    sorted.trans (doubled.trans (congr double (value_and_complement n a.snd)))

/-- A word of `n` bits stands for a number below `2^n`.
Spec: docs/spec.md "A word is `W` bits"
Code: crates/atomik-algebra/src/group.rs Group::from_limbs -/
theorem value_is_below (n : Number) (a : Word n) : Less (value n a) (shift n (.succ .zero)) :=
  .intro (value n (complement n a)) (value_and_complement n a)

end Word
