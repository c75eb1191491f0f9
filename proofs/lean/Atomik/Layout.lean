prelude
import Atomik.Words
set_option autoImplicit false

/-!
# Layouts

The words of the specification: a list of fields, each of which xors or adds.
-/

/-- A field of `n` bits: how it combines. -/
inductive Field where
  | xor (n : Number)
  | add (n : Number)

/-- The fields of a word, from the lowest bits up. -/
abbrev Layout := List Field

namespace Field

def Bits : Field → Type
  | .xor n => Word n
  | .add n => Word n

def group : (field : Field) → Group field.Bits
  | .xor n => .xor n
  | .add n => .add n

end Field

namespace Layout

/-- Words of a layout. -/
def Words : Layout → Type
  | .nil => Unit
  | .cons field rest => Prod field.Bits (Words rest)

/-- How words of a layout combine: field by field. -/
def group : (layout : Layout) → Group (Words layout)
  | .nil => .unit
  | .cons field rest => .product field.group (group rest)

/-- The layout of `xor:n` alone, which is the default. -/
def default (n : Number) : Layout := .cons (.xor n) .nil

/-- Every field is an xor field. -/
def IsXor : Layout → Prop
  | .nil => True
  | .cons (.xor _) rest => IsXor rest
  | .cons (.add _) _ => False

variable (layout : Layout)

/-- Combining words of any layout is associative. The result is a word of that layout again, which
is what the type of `combine` says.
Spec: docs/spec.md "`(Words, +)` is an Abelian group for every layout"
Spec: docs/spec.md "closure, associativity, commutativity, identity, inverse"
Code: crates/atomik-algebra/src/group.rs Group::combine
Code: crates/atomik-algebra/src/layout.rs Layout -/
theorem combine_is_associative (a b c : Words layout) :
    Eq ((group layout).combine ((group layout).combine a b) c)
      ((group layout).combine a ((group layout).combine b c)) :=
  (group layout).associative a b c

/-- Combining words of any layout is commutative.
Spec: docs/spec.md "`(Words, +)` is an Abelian group for every layout"
Code: crates/atomik-algebra/src/group.rs Group::combine -/
theorem combine_is_commutative (a b : Words layout) :
    Eq ((group layout).combine a b) ((group layout).combine b a) :=
  (group layout).commutative a b

/-- The word with no bit set changes nothing, in any layout.
Spec: docs/spec.md "Its identity is 0"
Code: crates/atomik-algebra/src/group.rs Group::IDENTITY -/
theorem zero_is_the_identity (a : Words layout) :
    Eq ((group layout).combine (group layout).identity a) a :=
  (group layout).neutral a

/-- A word and its inverse cancel, in any layout.
Spec: docs/spec.md "The inverse `-d` leaves the xor fields as they are and negates the others modulo
`2^n`"
Code: crates/atomik-algebra/src/group.rs Group::inverse -/
theorem inverse_cancels (a : Words layout) :
    Eq ((group layout).combine ((group layout).inverse a) a) (group layout).identity :=
  (group layout).cancels a

/-- A word is its own inverse if all its fields are xor fields.
Spec: docs/spec.md "a word is its own inverse if all its fields are xor fields"
Code: crates/atomik-algebra/src/group.rs Group::inverse -/
theorem xor_is_self_inverse : (layout : Layout) → IsXor layout → (a : Words layout) →
    Eq ((group layout).inverse a) a
  | .nil, _, _ => rfl
  | .cons (.xor _) rest, h, a => congr (Prod.mk a.fst) (xor_is_self_inverse rest h a.snd)
  | .cons (.add _) _, h, _ => h.rec

end Layout
