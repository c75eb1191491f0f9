prelude
import Atomik.RegisterFile
set_option autoImplicit false

/-!
# Transcripts

What a run of the software model or of the generated Verilog did, as a theorem: these cycles of
commands have these responses. `atomik trace transcript` writes such theorems; checking one is
computing `Memory.run`. Lean's kernel computes it; the compiler has no part in that, hence
`noncomputable`.
-/

noncomputable section

/-- Hexadecimal digits, the lowest first, up to `o`. -/
inductive Hex where
  | o
  | x0 (rest : Hex)
  | x1 (rest : Hex)
  | x2 (rest : Hex)
  | x3 (rest : Hex)
  | x4 (rest : Hex)
  | x5 (rest : Hex)
  | x6 (rest : Hex)
  | x7 (rest : Hex)
  | x8 (rest : Hex)
  | x9 (rest : Hex)
  | xa (rest : Hex)
  | xb (rest : Hex)
  | xc (rest : Hex)
  | xd (rest : Hex)
  | xe (rest : Hex)
  | xf (rest : Hex)

namespace Hex

/-- Four bits, the lowest first, before others. -/
def digit (a b c d : Bool) (rest : List Bool) : List Bool :=
  .cons a (.cons b (.cons c (.cons d rest)))

def bits : Hex → List Bool
  | o => .nil
  | x0 rest => digit .false .false .false .false (bits rest)
  | x1 rest => digit .true .false .false .false (bits rest)
  | x2 rest => digit .false .true .false .false (bits rest)
  | x3 rest => digit .true .true .false .false (bits rest)
  | x4 rest => digit .false .false .true .false (bits rest)
  | x5 rest => digit .true .false .true .false (bits rest)
  | x6 rest => digit .false .true .true .false (bits rest)
  | x7 rest => digit .true .true .true .false (bits rest)
  | x8 rest => digit .false .false .false .true (bits rest)
  | x9 rest => digit .true .false .false .true (bits rest)
  | xa rest => digit .false .true .false .true (bits rest)
  | xb rest => digit .true .true .false .true (bits rest)
  | xc rest => digit .false .false .true .true (bits rest)
  | xd rest => digit .true .false .true .true (bits rest)
  | xe rest => digit .false .true .true .true (bits rest)
  | xf rest => digit .true .true .true .true (bits rest)

end Hex

/-- A list without its first `n` elements. -/
def List.drop {α : Type} : Number → List α → List α
  | .zero, x => x
  | .succ _, .nil => .nil
  | .succ n, .cons _ x => drop n x

namespace Layout

/-- The word of a layout with these bits: the first field has the lowest. -/
def ofBits : (layout : Layout) → List Bool → Words layout
  | .nil, _ => .unit
  | .cons (.xor n) rest, bits => ⟨Word.ofBits n bits, ofBits rest (bits.drop n)⟩
  | .cons (.add n) rest, bits => ⟨Word.ofBits n bits, ofBits rest (bits.drop n)⟩

end Layout

namespace Transcript

/-- A cycle, and the response to its command on lane 0. -/
structure Line (layout : Layout) where
  cycle : Cycle layout.Words
  response : Option (Response layout.Words)

variable {layout : Layout}

/-- A command on lane 0. -/
def op (address : Number) (op : Op) (argument : Hex) :
    Option (Prod Number (Command layout.Words)) :=
  .some ⟨address, op, layout.ofBits argument.bits⟩

/-- A delta on another lane. -/
def delta (address : Number) (delta : Hex) : Prod Number layout.Words :=
  ⟨address, layout.ofBits delta.bits⟩

/-- A response. -/
def returns (data : Hex) (clean : Bool) : Option (Response layout.Words) :=
  .some ⟨layout.ofBits data.bits, clean⟩

def line (first : Option (Prod Number (Command layout.Words)))
    (others : List (Prod Number layout.Words)) (response : Option (Response layout.Words)) :
    Line layout :=
  ⟨⟨first, others⟩, response⟩

/-- After a reset, the cycles have exactly the responses that the lines say. -/
def Holds (layout : Layout) (depth : Number) (lines : List (Line layout)) : Prop :=
  Eq (Memory.run layout.group (.reset layout.group depth) (lines.map Line.cycle))
    (lines.map Line.response)

end Transcript
