(* The machine of Machine.v as an OCaml program, which replays traces beside the software model and
   the RTL: `replay` takes a layout and the commands of each cycle, with op codes and words as
   numbers. *)
From Coq Require Import List NArith.
From Coq Require Import ssreflect.
From Coq Require Extraction ExtrOcamlBasic ExtrOcamlNatInt.
From Atomik Require Import Group Machine Generator.
From Atomik Require SlicedGenerator.
Import ListNotations.

Definition decode (l : layout) (code : nat) (data : N) : op (words l) :=
  match code with
  | 1 => Load (unpack l data)
  | 2 => Accum (unpack l data)
  | 3 => Read
  | 4 => Swap
  | 5 => Delta
  | 6 => Drain
  | _ => Nop
  end.

Definition numbered (l : layout) (c : option (nat * (nat * N)) * list (nat * N)) :
    cycle (words l) :=
  Cycle (match fst c with Some (a, (code, data)) => Some (a, decode l code data) | None => None end)
        (map (fun d => Some (fst d, unpack l (snd d))) (snd c)).

Definition replay (l : layout) (cs : list (option (nat * (nat * N)) * list (nat * N))) :
    list (option (N * bool)) :=
  map (fun r => match r with Some (w, clean) => Some (pack l w, clean) | None => None end)
      (run empty (map (numbered l) cs)).

(* How many bits the segments of a field have, from the lowest up; those that xor at most `most`. *)
Definition segment_bits (most : nat) (f : kind * nat) : list nat :=
  map (SlicedGenerator.part_bits most f) (seq 0 (SlicedGenerator.parts most f)).

Extraction Language OCaml.
Set Warnings "-extraction-opaque-accessed".
Extraction "machine.ml" replay latency_ clear_ segment_bits.
