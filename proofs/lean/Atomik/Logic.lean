prelude
set_option autoImplicit false

/-!
# The logic that everything rests on

Lean's own library is not used: the program that checks these files has none. This file defines what
the others need, as that library defines it: equality, the connectives, truth values, pairs and
lists. Names that Lean's elaborator looks up (`PUnit`, `HEq`, `cast` and others) must be defined
before the first inductive type that needs them.
-/

universe u v w

/-- What Lean's compiler writes in place of a type that it has erased. No theorem uses it. -/
inductive lcAny : Type

/-- What Lean's compiler writes in place of an argument without content. No theorem uses it. -/
inductive lcVoid : Type

/-- What Lean's compiler writes in place of a proof. No theorem uses it. -/
inductive lcErased : Type

set_option bootstrap.inductiveCheckResultingUniverse false in
/-- The type of one element. -/
inductive PUnit : Sort u where
  | unit : PUnit

/-- The type of one element. -/
abbrev Unit : Type := PUnit

/-- The element of `Unit`. -/
@[match_pattern] abbrev Unit.unit : Unit := PUnit.unit

/-! ## Equality -/

/-- `Eq a b`: `a` and `b` are the same. -/
inductive Eq {α : Sort u} : α → α → Prop where
  | refl (a : α) : Eq a a

/-- Both sides compute to the same. -/
theorem rfl {α : Sort u} {a : α} : Eq a a := Eq.refl a

/-- What holds of `a` holds of whatever equals `a`. -/
abbrev Eq.ndrec.{x, y} {α : Sort y} {a : α} {motive : α → Sort x} (m : motive a) {b : α}
    (h : Eq a b) : motive b :=
  Eq.rec (motive := fun x _ => motive x) m h

theorem Eq.symm {α : Sort u} {a b : α} (h : Eq a b) : Eq b a :=
  Eq.rec (motive := fun x _ => Eq x a) rfl h

theorem Eq.trans {α : Sort u} {a b c : α} (h : Eq a b) (k : Eq b c) : Eq a c :=
  Eq.rec (motive := fun x _ => Eq a x) h k

/-- Equals may replace equals below a function. -/
theorem congr {α : Sort u} {β : Sort v} (f : α → β) {a b : α} (h : Eq a b) : Eq (f a) (f b) :=
  Eq.rec (motive := fun x _ => Eq (f a) (f x)) rfl h

theorem congr₂ {α : Sort u} {β : Sort v} {γ : Sort w} (f : α → β → γ) {a b : α} {c d : β}
    (h : Eq a b) (k : Eq c d) : Eq (f a c) (f b d) :=
  (congr (fun x => f x c) h).trans (congr (f b) k)

/-- An element of a type is one of every equal type. -/
def cast {α β : Sort u} (h : Eq α β) (a : α) : β := Eq.rec (motive := fun x _ => x) a h

/-- Equality of elements of two types. -/
inductive HEq {α : Sort u} (a : α) : {β : Sort u} → β → Prop where
  | refl : HEq a a

theorem heq_of_eq {α : Sort u} {a b : α} (h : Eq a b) : HEq a b :=
  Eq.rec (motive := fun x _ => HEq a x) HEq.refl h

theorem cast_eq {α β : Sort u} {a : α} {b : β} (h : HEq a b) : (e : Eq α β) → Eq (cast e a) b :=
  HEq.rec (motive := fun {γ} (c : γ) _ => (e : Eq α γ) → Eq (cast e a) c)
    (fun e => show Eq (cast e a) a from Eq.refl a) h

theorem eq_of_heq {α : Sort u} {a b : α} (h : HEq a b) : Eq a b := cast_eq h rfl

abbrev id {α : Sort u} (a : α) : α := a

/-! ## Connectives -/

inductive False : Prop

inductive True : Prop where
  | intro : True

/-- `a` does not hold. -/
abbrev Not (a : Prop) : Prop := a → False

structure And (a b : Prop) : Prop where
  left : a
  right : b

/-! ## Pairs, truth values, numbers, lists -/

structure PProd (α : Sort u) (β : Sort v) where
  fst : α
  snd : β

structure Prod (α : Type u) (β : Type v) where
  fst : α
  snd : β

inductive Bool : Type where
  | false : Bool
  | true : Bool

/-- `x` if the condition is true, else `y`. -/
def cond {α : Sort u} (c : Bool) (x y : α) : α :=
  match c with
  | .true => x
  | .false => y

/-- A natural number: a width, an address. -/
inductive Number : Type where
  | zero : Number
  | succ (n : Number) : Number

inductive List (α : Type u) where
  | nil : List α
  | cons (head : α) (tail : List α) : List α

/-- A value, or none. -/
inductive Option (α : Type u) where
  | none : Option α
  | some (value : α) : Option α

theorem Bool.false_is_not_true (h : Eq Bool.false Bool.true) : False :=
  Eq.ndrec (a := Bool.false) (motive := fun b => cond b False True) True.intro h
