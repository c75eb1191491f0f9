prelude
import Atomik.Bits
import Atomik.Group
set_option autoImplicit false

/-!
# Words

A word of any width, the two ways in which words combine, and words of a layout: fields that each
combine in one of these ways. Words of every layout are an Abelian group.
-/

/-- A word of `n` bits, the lowest first. -/
def Word : Number → Type
  | .zero => Unit
  | .succ n => Prod Bool (Word n)

namespace Word

def zero : (n : Number) → Word n
  | .zero => .unit
  | .succ n => ⟨.false, zero n⟩

def isZero : (n : Number) → Word n → Bool
  | .zero, _ => .true
  | .succ n, a => a.fst.not.and (isZero n a.snd)

/-- The word with these bits, the lowest first. Missing bits are clear, excess ones ignored. -/
def ofBits : (n : Number) → List Bool → Word n
  | .zero, _ => .unit
  | .succ n, .nil => ⟨.false, ofBits n .nil⟩
  | .succ n, .cons bit rest => ⟨bit, ofBits n rest⟩

/-- Every bit inverted. -/
def complement : (n : Number) → Word n → Word n
  | .zero, _ => .unit
  | .succ n, a => ⟨a.fst.not, complement n a.snd⟩

def xor : (n : Number) → Word n → Word n → Word n
  | .zero, _, _ => .unit
  | .succ n, a, b => ⟨a.fst.xor b.fst, xor n a.snd b.snd⟩

/-- The sum of two words and a carry, without the carry out of the highest bit. -/
def sum : (n : Number) → Bool → Word n → Word n → Word n
  | .zero, _, _, _ => .unit
  | .succ n, c, a, b =>
    ⟨c.xor (a.fst.xor b.fst), sum n (.majority c a.fst b.fst) a.snd b.snd⟩

/-- Addition modulo `2^n`. -/
def add (n : Number) (a b : Word n) : Word n := sum n .false a b

/-- The negative of a word in two's complement. -/
def negate (n : Number) (a : Word n) : Word n := sum n .true (complement n a) (zero n)

/-! ## Xor -/

theorem xor_associative : (n : Number) → (a b c : Word n) →
    Eq (xor n (xor n a b) c) (xor n a (xor n b c))
  | .zero, _, _, _ => rfl
  | .succ n, a, b, c =>
    congr₂ Prod.mk (Bool.xor_associative a.fst b.fst c.fst) (xor_associative n a.snd b.snd c.snd)

theorem xor_commutative : (n : Number) → (a b : Word n) → Eq (xor n a b) (xor n b a)
  | .zero, _, _ => rfl
  | .succ n, a, b =>
    congr₂ Prod.mk (Bool.xor_commutative a.fst b.fst) (xor_commutative n a.snd b.snd)

theorem xor_zero : (n : Number) → (a : Word n) → Eq (xor n (zero n) a) a
  | .zero, _ => rfl
  | .succ n, a => congr (Prod.mk a.fst) (xor_zero n a.snd)

theorem xor_self : (n : Number) → (a : Word n) → Eq (xor n a a) (zero n)
  | .zero, _ => rfl
  | .succ n, a => congr₂ Prod.mk (Bool.xor_self a.fst) (xor_self n a.snd)

theorem zero_of_isZero : (n : Number) → (a : Word n) → Eq (isZero n a) .true → Eq a (zero n)
  | .zero, _, _ => rfl
  | .succ n, a, h =>
    congr₂ Prod.mk (Bool.not_of_not a.fst (Bool.of_and_left _ _ h))
      (zero_of_isZero n a.snd (Bool.of_and_right _ _ h))

theorem isZero_zero : (n : Number) → Eq (isZero n (zero n)) .true
  | .zero => rfl
  | .succ n => isZero_zero n

/-! ## Addition

Associativity is proved bit by bit. Both ways of adding three words have two carries at each
position; they may differ, but as many of them are set, which `carries` says.
-/

/-- As many of `c` and `d` are set as of `e` and `f`. -/
def carries (c d e f : Bool) : Bool :=
  ((c.xor d).same (e.xor f)).and ((c.and d).same (e.and f))

/-- One position of `(a + b) + c` and `a + (b + c)`: the bits are the same, and as many of the
carries are set. -/
def associates (c d e f x y z : Bool) : Bool :=
  (carries c d e f).implies
    (((d.xor ((c.xor (x.xor y)).xor z)).same (f.xor (x.xor (e.xor (y.xor z))))).and
      (carries (.majority c x y) (.majority d (c.xor (x.xor y)) z)
        (.majority e y z) (.majority f x (e.xor (y.xor z)))))

theorem associates_always (c d e f x y z : Bool) : Eq (associates c d e f x y z) .true :=
  Bool.of_all _ (Bool.of_all (fun y => .all (associates c d e f x y))
    (Bool.of_all (fun x => .all fun y => .all (associates c d e f x y))
      (Bool.of_all (fun f => .all fun x => .all fun y => .all (associates c d e f x y))
        (Bool.of_all (fun e => .all fun f => .all fun x => .all fun y =>
            .all (associates c d e f x y))
          (Bool.of_all (fun d => .all fun e => .all fun f => .all fun x => .all fun y =>
              .all (associates c d e f x y))
            (Bool.of_all (fun c => .all fun d => .all fun e => .all fun f => .all fun x =>
                .all fun y => .all (associates c d e f x y))
              rfl c) d) e) f) x) y) z

theorem sum_associative : (n : Number) → (c d e f : Bool) → Eq (carries c d e f) .true →
    (x y z : Word n) → Eq (sum n d (sum n c x y) z) (sum n f x (sum n e y z))
  | .zero, _, _, _, _, _, _, _, _ => rfl
  | .succ n, c, d, e, f, h, x, y, z =>
    have both := Bool.of_implies _ _ (associates_always c d e f x.fst y.fst z.fst) h
    congr₂ Prod.mk (Bool.of_same _ _ (Bool.of_and_left _ _ both))
      (sum_associative n _ _ _ _ (Bool.of_and_right _ _ both) x.snd y.snd z.snd)

theorem sum_commutative : (n : Number) → (c : Bool) → (a b : Word n) →
    Eq (sum n c a b) (sum n c b a)
  | .zero, _, _, _ => rfl
  | .succ n, c, a, b =>
    congr₂ Prod.mk (congr c.xor (Bool.xor_commutative a.fst b.fst))
      ((congr (fun k => sum n k a.snd b.snd) (Bool.majority_commutative c a.fst b.fst)).trans
        (sum_commutative n _ a.snd b.snd))

theorem add_zero : (n : Number) → (a : Word n) → Eq (add n (zero n) a) a
  | .zero, _ => rfl
  | .succ n, a => congr (Prod.mk a.fst) (add_zero n a.snd)

/-- One position of `-a + a`: the bit is clear, and one of the two carries is set. -/
def cancelling (c d x : Bool) : Bool :=
  (c.xor d).implies
    ((d.xor ((c.xor (x.not.xor .false)).xor x)).not.and
      ((Bool.majority c x.not .false).xor (.majority d (c.xor (x.not.xor .false)) x)))

theorem cancelling_always (c d x : Bool) : Eq (cancelling c d x) .true :=
  Bool.of_all _ (Bool.of_all (fun d => .all (cancelling c d))
    (Bool.of_all (fun c => .all fun d => .all (cancelling c d)) rfl c) d) x

theorem sum_cancels : (n : Number) → (c d : Bool) → Eq (c.xor d) .true → (a : Word n) →
    Eq (sum n d (sum n c (complement n a) (zero n)) a) (zero n)
  | .zero, _, _, _, _ => rfl
  | .succ n, c, d, h, a =>
    have both := Bool.of_implies _ _ (cancelling_always c d a.fst) h
    congr₂ Prod.mk (Bool.not_of_not _ (Bool.of_and_left _ _ both))
      (sum_cancels n _ _ (Bool.of_and_right _ _ both) a.snd)

end Word

namespace Group

/-- Words of `n` bits under xor. -/
def xor (n : Number) : Group (Word n) where
  combine := Word.xor n
  identity := Word.zero n
  inverse := id
  isIdentity := Word.isZero n
  associative := Word.xor_associative n
  commutative := Word.xor_commutative n
  neutral := Word.xor_zero n
  cancels := Word.xor_self n
  recognised := Word.zero_of_isZero n
  recognises := Word.isZero_zero n

/-- Words of `n` bits under addition modulo `2^n`. -/
def add (n : Number) : Group (Word n) where
  combine := Word.add n
  identity := Word.zero n
  inverse := Word.negate n
  isIdentity := Word.isZero n
  associative := Word.sum_associative n .false .false .false .false rfl
  commutative := Word.sum_commutative n .false
  neutral := Word.add_zero n
  cancels := Word.sum_cancels n .true .false rfl
  recognised := Word.zero_of_isZero n
  recognises := Word.isZero_zero n

/-- The group of one element: words of no bits. -/
def unit : Group Unit where
  combine := fun _ _ => .unit
  identity := .unit
  inverse := id
  isIdentity := fun _ => .true
  associative := fun _ _ _ => rfl
  commutative := fun _ _ => rfl
  neutral := fun _ => rfl
  cancels := fun _ => rfl
  recognised := fun _ _ => rfl
  recognises := rfl

/-- The product of two groups: each combines on its own bits. -/
def product {α β : Type} (G : Group α) (H : Group β) : Group (Prod α β) where
  combine := fun a b => ⟨G.combine a.fst b.fst, H.combine a.snd b.snd⟩
  identity := ⟨G.identity, H.identity⟩
  inverse := fun a => ⟨G.inverse a.fst, H.inverse a.snd⟩
  isIdentity := fun a => (G.isIdentity a.fst).and (H.isIdentity a.snd)
  associative := fun a b c =>
    congr₂ Prod.mk (G.associative a.fst b.fst c.fst) (H.associative a.snd b.snd c.snd)
  commutative := fun a b => congr₂ Prod.mk (G.commutative a.fst b.fst) (H.commutative a.snd b.snd)
  neutral := fun a => congr₂ Prod.mk (G.neutral a.fst) (H.neutral a.snd)
  cancels := fun a => congr₂ Prod.mk (G.cancels a.fst) (H.cancels a.snd)
  recognised := fun a h =>
    congr₂ Prod.mk (G.recognised a.fst (Bool.of_and_left _ _ h))
      (H.recognised a.snd (Bool.of_and_right _ _ h))
  recognises := Bool.and_intro G.recognises H.recognises

end Group
