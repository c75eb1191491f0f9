(* The numbers of the circuits that the generator makes, and that they are sound. *)
From Coq Require Import List Bool Arith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Machine Pipeline Refinement.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

(* A configuration of crates/atomik-hdl/src/config.rs with addresses: the fields of a word, address
   bits, lanes, and the registers behind a memory (`word_registers`, of the target). *)
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

Definition read_ d := if adds d then 6 - word_registers d else 2.
Definition write_ d := if adds d then 10 else 5 + word_registers d.
Definition lane_read_ d := write_ d + 2 + word_registers d.
Definition total_ d :=
  lane_read_ d + if adds d then Nat.log2 (lane_number d) else levels_of_four 5 (lane_number d).
Definition reference_ d := total_ d + if adds d then 2 else word_registers d.
Definition delta_ d := total_ d + if adds d then 6 + word_registers d else 3 + 2 * word_registers d.
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
  lane_read_stage := lane_read_ d;
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

(** Every register file with addresses that the generator can make, of words that xor or add, of any
    width, depth and number of lanes, and for any target, is sound: what the theorem about the
    pipeline asks for.
    Spec: docs/spec.md "`LATENCY` depends on the configuration only"
    Code: crates/atomik-hdl/src/config.rs Config::latency, Config::clear_cycles,
      Config::loop_distance, Config::lane_read_stage, Config::delta_stage *)
Theorem every_generated_circuit_is_sound d : word_registers d <= 1 -> sound (circuit d).
Proof.
move=> hw; have cl := some_clean_levels d.
have long : latency_ d + 4 < 2 ^ clear_counter_bits d.
  have [_ h] := Nat.log2_spec (latency_ d + 4) ltac:(lia).
  apply: Nat.lt_le_trans h _; apply: Nat.pow_le_mono_r; rewrite /clear_counter_bits; lia.
have deep : 2 ^ address_bits d <= 2 ^ clear_counter_bits d.
  by apply: Nat.pow_le_mono_r; rewrite /clear_counter_bits; lia.
have some : 2 ^ address_bits d <> 0 by apply: Nat.pow_nonzero.
rewrite /circuit; move: (2 ^ _) (2 ^ _) long deep some => wide cleared long deep some.
unfold latency_, reference_, delta_, total_, lane_read_, read_, write_ in *.
by split; unfold write_stage; cbn [depth read_stage loop_distance lane_read_stage reference_stage
  delta_stage latency clears holds]; destruct (adds d); lia.
Qed.

(** So the theorem holds for all of them, with the latency and the clear time that the generator
    reports.
    Spec: docs/spec.md "the generator reports it and the golden model uses it"
    Code: crates/atomik-hdl/src/config.rs Config::latency, Config::clear_cycles *)
Theorem every_register_file_is_the_machine d (W : group) (s : registers W) i n :
  word_registers d <= 1 -> (forall t, fits (circuit d) (i t)) ->
  rst (i 0) = true -> (forall t, 0 < t < n -> rst (i t) = false) ->
  forall t, 1 <= t <= n ->
  let files := file_at (accepted (circuit d) i) in
  ready (registers_at (circuit d) s i t) = (clear_ d <=? t) /\
  output (circuit d) (registers_at (circuit d) s i t) =
    if latency_ d <=? t
    then response (files (t - latency_ d)) (accepted (circuit d) i (t - latency_ d))
    else None.
Proof.
move=> hw fit reset quiet t ht files.
have ok := every_generated_circuit_is_sound d hw.
have [-> ->] := the_pipeline_is_the_machine s i ok fit reset quiet ht.
by split=> //; congr (_ <=? _); rewrite /clear_cycles /clear_; cbn [clears holds circuit]; lia.
Qed.
