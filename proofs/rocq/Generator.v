(* The numbers of the circuits that the generator makes, and that they are sound. *)
From Coq Require Import List Bool Arith NArith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Machine Pipeline Refinement.
From Atomik Require Flat Clear.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

(* A configuration of crates/atomik-hdl/src/config.rs: the fields of a word, address bits, lanes,
   and the registers behind a memory (`word_registers`, of the target). *)
Record design := Design {
  adds : bool; word_width : nat; adding_fields : list nat;
  address_bits : nat; lane_number : nat; word_registers : nat
}.

Definition div_ceil n m := (n + m - 1) / m.

(* `Config::segments`: a field of more than 16 bits that adds has segments of at most 11, each two
   cycles after the one below it. *)
Definition skew d :=
  fold_right (fun n m => Nat.max (if n <=? 16 then 0 else 2 * (div_ceil n 11 - 1)) m) 0
    (adding_fields d).

Fixpoint levels_of_four (fuel n : nat) : nat :=
  if fuel is S fuel then if n <=? 1 then 0 else S (levels_of_four fuel (div_ceil n 4)) else 0.

Fixpoint zero_levels (fuel groups : nat) : nat :=
  if fuel is S fuel then
    if groups <=? 4 then 1 else S (zero_levels fuel (div_ceil groups 4))
  else 1.

(* DEPTH = 1. *)
Definition flat d := address_bits d =? 0.

Definition read_ d := if adds d then 6 - word_registers d else 2.
Definition write_ d := if adds d then 10 else 5 + word_registers d.
Definition lane_read_ d := write_ d + 2 + word_registers d.
Definition total_ d :=
  if flat d
  then 3 + if adds d then Nat.log2 (lane_number d)
           else levels_of_four 5 (div_ceil (lane_number d) 2)
  else lane_read_ d + if adds d then Nat.log2 (lane_number d) else levels_of_four 5 (lane_number d).
Definition reference_ d :=
  total_ d + if flat d then if adds d then 1 else 0 else if adds d then 2 else word_registers d.
Definition delta_ d :=
  total_ d + if flat d then if adds d then 2 else 1
             else if adds d then 6 + word_registers d else 3 + 2 * word_registers d.
Definition clean_levels d := zero_levels 9 (div_ceil (word_width d) 4).
Definition latency_ d := delta_ d + skew d + 1 + clean_levels d.
Definition clear_counter_bits d :=
  Nat.max (Nat.max (address_bits d) 5) (Nat.log2 (latency_ d + 4) + 1).

Definition clear_ d := 2 ^ clear_counter_bits d + 11.

Definition circuit d : config := {|
  other_lanes := lane_number d - 1;
  depth := 2 ^ address_bits d;
  read_stage := read_ d;
  loop_distance := write_ d - read_ d;
  lane_read_stage := if flat d then total_ d else lane_read_ d;
  reference_stage := reference_ d;
  delta_stage := delta_ d;
  latency := latency_ d;
  clears := 2 ^ clear_counter_bits d;
  holds := 8
|}.

Lemma some_clean_levels d : 1 <= clean_levels d.
Proof.
by rewrite /clean_levels; move: (div_ceil _ _) => n; cbn [zero_levels]; case: (_ <=? _); lia.
Qed.

Lemma clears_enough d :
  latency_ d + 4 < 2 ^ clear_counter_bits d /\ 2 ^ address_bits d <= 2 ^ clear_counter_bits d.
Proof.
split; last by apply: Nat.pow_le_mono_r; rewrite /clear_counter_bits; lia.
have [_ h] := Nat.log2_spec (latency_ d + 4) ltac:(lia).
apply: Nat.lt_le_trans h _; apply: Nat.pow_le_mono_r; rewrite /clear_counter_bits; lia.
Qed.

Ltac numbers := cbn [depth read_stage loop_distance lane_read_stage reference_stage delta_stage
  latency clears holds].

(** Every register file that the generator can make, of words that xor or add, of any width, depth
    and number of lanes, and for any target, is sound: what the theorems about the circuits ask for.
    Spec: docs/spec.md "`LATENCY` depends on the configuration only"
    Code: crates/atomik-hdl/src/config.rs Config::latency, Config::clear_cycles,
      Config::loop_distance, Config::lane_read_stage, Config::total_stage, Config::delta_stage *)
Theorem every_generated_circuit_is_sound d : word_registers d <= 1 ->
  if flat d then Flat.sound_flat (circuit d) else sound (circuit d).
Proof.
move=> hw; have cl := some_clean_levels d; have [long deep] := clears_enough d.
have some : 2 ^ address_bits d <> 0 by apply: Nat.pow_nonzero.
have one : flat d = true -> 2 ^ address_bits d = 1 by move/Nat.eqb_eq ->.
rewrite /circuit; move: (2 ^ _) (2 ^ _) long deep some one => wide cleared long deep some one.
unfold latency_, reference_, delta_, total_, lane_read_, read_, write_ in *.
case f: (flat d) one long => one long.
  by split; numbers; rewrite ?(one erefl) //; destruct (adds d); lia.
by clear one; split; unfold write_stage; numbers; destruct (adds d); lia.
Qed.

(* A circuit: its step at a clock edge, and its ports. *)
Record synchronous (W : group) := Synchronous {
  contents : Type;
  edge : input W -> contents -> contents;
  shows_ready : contents -> bool;
  responds_with : contents -> option (W * bool)
}.

Definition made d (W : group) : synchronous W :=
  let k := circuit d in
  if flat d then Synchronous (Flat.step k) (@Flat.ready W) (Flat.output k)
  else Synchronous (step k) (@ready W) (output k).

(** So the theorems hold for all of them, with the latency and the clear time that the generator
    reports: whatever the registers and memories held before, from a cycle with `rst` high on, until
    the cycle in which it is high again, every register file is the machine.
    Spec: docs/spec.md "the generator reports it and the golden model uses it"
    Code: crates/atomik-hdl/src/config.rs Config::latency, Config::clear_cycles
    Code: crates/atomik-hdl/src/regfile/mod.rs circuit *)
Theorem every_register_file_is_the_machine d (W : group) (s : contents (made d W)) i n :
  word_registers d <= 1 -> (forall t, fits (circuit d) (i t)) ->
  rst (i 0) = true -> (forall t, 0 < t < n -> rst (i t) = false) ->
  forall t, 1 <= t <= n ->
  let s_t := after_cycles (edge (made d W)) s i t in
  let files := file_at (accepted (circuit d) i) in
  shows_ready (made d W) s_t = (clear_ d <=? t) /\
  responds_with (made d W) s_t =
    if latency_ d <=? t
    then response (files (t - latency_ d)) (accepted (circuit d) i (t - latency_ d))
    else None.
Proof.
move=> hw fit reset quiet t ht s_t files.
have ok := @every_generated_circuit_is_sound d hw.
have -> : clear_ d = clear_cycles (circuit d).
  by rewrite /clear_cycles /clear_; cbn [clears holds circuit]; lia.
move: ok s @s_t; rewrite /made; case: (flat d) => ok s.
- have h := @Flat.the_flat_accumulator_is_the_machine W (circuit d) s i n ok fit reset quiet t ht.
  exact: h.
- have h := @the_pipeline_is_the_machine W (circuit d) s i n ok fit reset quiet t ht.
  exact: h.
Qed.

(** The clear sequencer that the generator makes counts for as long as the circuits above.
    Spec: docs/spec.md "(reported by the generator, like `LATENCY`)"
    Code: crates/atomik-hdl/src/config.rs Config::clear_counter_bits *)
Theorem every_clear_counter_counts d (c : nat -> Clear.counter) (rst rst_q : nat -> bool)
    (age : nat -> nat) t :
  let k := circuit d in
  let bits := N.of_nat (clear_counter_bits d) in
  clear_counter_bits d <= 14 ->
  map Clear.size (Clear.slices (c 0)) = Clear.upper_sizes bits ->
  (forall t, c (S t) = Clear.next_counter (rst_q t) (c t)) ->
  (forall t, rst_q (S t) = rst t) ->
  (forall t, age (S t) =
     if rst_q t then 0 else if age t <? clears k + holds k then S (age t) else age t) ->
  rst 0 = true -> (forall t, 0 < t -> rst t = false) -> 2 <= t ->
  Clear.active_q (c t) = (age t <? clears k) /\
  Clear.hold_q (c t) = (age t <? clears k + holds k) /\
  (age t < clears k -> N.to_nat (Clear.counted (c t)) = age t).
Proof.
move=> k bits few; have enough : 5 <= clear_counter_bits d by rewrite /clear_counter_bits; lia.
have e : clears k = N.to_nat (2 ^ bits).
  rewrite /k /bits; cbn [clears circuit]; move: (clear_counter_bits d) => b.
  by elim: b {few enough} => [|b IH] //; rewrite Nat2N.inj_succ N.pow_succ_r' N2Nat.inj_mul -IH.
rewrite e; apply: Clear.the_clear_counts_in_slices; rewrite /bits; lia.
Qed.
