(* The segments that the generator makes, and the register files made of them. *)
From Coq Require Import List Bool Arith NArith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Machine Pipeline Refinement Generator.
From Atomik Require Segments Slices Sliced FlatSliced.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

(** Every register file whose words are cut into segments, with a slice for each of them, is the
    machine of whole words, for any number of segments, if no segment is later than the response
    waits for it. `clean` is high if all segments are zero. As for whole words, this holds whatever
    registers and memories held before, until `rst` is high again.
    Spec: docs/spec.md "The layout of the words is part of the configuration."
    Spec: docs/spec.md "A response appears exactly `LATENCY` cycles after its command was accepted,
      in command order."
    Code: crates/atomik-hdl/src/regfile/lane.rs circuit
    Code: crates/atomik-hdl/src/regfile/adding_lane_slice.rs circuit
    Code: crates/atomik-hdl/src/regfile/adding_reference_slice.rs circuit
    Code: crates/atomik-hdl/src/regfile/adding_flat_slice.rs circuit
    Code: crates/atomik-hdl/src/regfile/align.rs align *)
Theorem every_register_file_of_segments_is_the_machine d (W : group)
    (S_ : Slices.segmentation W) (i : nat -> input W) n :
  word_registers d <= 1 -> (forall t, fits (circuit d) (i t)) ->
  rst (i 0) = true -> (forall t, 0 < t < n -> rst (i t) = false) ->
  let files := file_at (accepted (circuit d) i) in
  let answer t :=
    if latency_ d <=? t
    then response (files (t - latency_ d)) (accepted (circuit d) i (t - latency_ d))
    else None in
  (flat d = false -> forall f (w : Slices.slices _ _ _ S_),
     Sliced.runs (circuit d) i f w -> forall t, 1 <= t <= n ->
     ready (f t) = (clear_ d <=? t) /\
     Sliced.output_of_slices (circuit d) f w t = answer t) /\
  (flat d = true -> forall f (w : Slices.slices _ _ _ S_),
     FlatSliced.runs (circuit d) i f w -> forall t, 1 <= t <= n ->
     Flat.ready (f t) = (clear_ d <=? t) /\
     FlatSliced.output_of_slices (circuit d) f w t = answer t).
Proof.
move=> hw fit reset quiet files answer.
have ok := @every_generated_circuit_is_sound d hw.
have e : clear_ d = clear_cycles (circuit d).
  by rewrite /clear_cycles /clear_; cbn [clears holds circuit]; lia.
split=> h f w run t ht; rewrite h in ok; rewrite e.
- exact: (Sliced.slices_respond ok run fit reset quiet ht).
- exact: (FlatSliced.slices_respond ok run fit reset quiet ht).
Qed.

(* `Config::segments`: a field in parts whose sizes differ by one bit at most. Fields that xor have
   segments of `most` bits at most, which depends on the target. *)
Section Cut.
Variable most : nat.
Hypothesis some : 1 <= most.

Definition parts (f : kind * nat) : nat :=
  match fst f with
  | Add => if snd f <=? 16 then 1 else div_ceil (snd f) 11
  | Xor => div_ceil (snd f) most
  end.
Definition part_bits (f : kind * nat) (j : nat) : nat :=
  snd f / parts f + if j <? snd f mod parts f then 1 else 0.
Definition cut (f : kind * nat) : kind * list N :=
  (fst f, map (fun j => N.of_nat (part_bits f j)) (seq 0 (parts f))).

Definition layout_of (fields : list (kind * nat)) : layout :=
  map (fun f => (fst f, N.of_nat (snd f))) fields.

Lemma below_parts q r m : Segments.below
    (Slices.size_of (map (fun j => N.of_nat (q + if j <? r then 1 else 0)) (seq 0 m))) m =
  N.of_nat (m * q + Nat.min m r).
Proof.
set size := Slices.size_of _.
suff h j : j <= m -> Segments.below size j = N.of_nat (j * q + Nat.min j r) by apply: h.
elim: j => [//|j IH] lt; rewrite [LHS]/= IH; first by lia.
rewrite /size /Slices.size_of Sliced.nth_map_seq; first by lia.
by case: Nat.ltb_spec => h; lia.
Qed.

Lemma div_ceil_zero n m : 1 <= m -> div_ceil n m = 0 -> n = 0.
Proof.
rewrite /div_ceil => hm /Nat.div_small_iff h; lia.
Qed.

Lemma whole_cut f : Slices.whole_field (cut f) = (fst f, N.of_nat (snd f)).
Proof.
rewrite /Slices.whole_field /cut [snd _]/= map_length seq_length [fst _]/= below_parts.
congr (_, N.of_nat _).
case: (Nat.eq_dec (parts f) 0) => [e|ne].
  rewrite e; case: f e => [[] n]; rewrite /parts /=; first by move=> /(div_ceil_zero _ some) ->.
  by case: Nat.leb => // /(@div_ceil_zero n 11 ltac:(lia)) ->.
have := Nat.div_mod (snd f) (parts f) ne; have := Nat.mod_upper_bound (snd f) (parts f) ne.
nia.
Qed.

Lemma whole_cuts fields : map Slices.whole_field (map cut fields) = layout_of fields.
Proof. by rewrite map_map; apply: map_ext => f; exact: whole_cut. Qed.

Definition generated_segments (fields : list (kind * nat)) :
    Slices.segmentation (Group.words (layout_of fields)) :=
  eq_rect _ (fun l => Slices.segmentation (Group.words l))
    (Slices.layout_segments (map cut fields)) _ (whole_cuts fields).

(* The widths of the fields that add. *)
Definition adding (fields : list (kind * nat)) : list nat :=
  map snd (filter (fun f => if fst f is Add then true else false) fields).

Lemma late_in_layout l p : In p (Slices.segments (Slices.layout_segments l)) ->
  Slices.late (Slices.layout_segments l) p <=
  fold_right (fun f m => Nat.max (if fst f is Add then 2 * (length (snd f) - 1) else 0) m) 0 l.
Proof.
elim: l p => [[]|f l IH]; cbn [Slices.layout_segments fold_right].
by apply: Slices.late_in_product => // p; exact: Slices.late_in_field.
Qed.

Lemma late_generated fields p : In p (Slices.segments (generated_segments fields)) ->
  Slices.late (generated_segments fields) p <= fold_right
    (fun n m => Nat.max (if n <=? 16 then 0 else 2 * (div_ceil n 11 - 1)) m) 0 (adding fields).
Proof.
have same : fold_right
    (fun f m => Nat.max (if fst f is Add then 2 * (length (snd f) - 1) else 0) m) 0
      (map cut fields) = fold_right
    (fun n m => Nat.max (if n <=? 16 then 0 else 2 * (div_ceil n 11 - 1)) m) 0 (adding fields).
  elim: fields {p} => [//|[[] n] l IH]; rewrite /adding /= -/(adding l) -IH //.
  by rewrite map_length seq_length /parts /=; congr Nat.max; case: (n <=? 16).
rewrite -same; move: p; rewrite /generated_segments.
by case: _ / (whole_cuts fields) => p; exact: late_in_layout.
Qed.
End Cut.

(** The segments that the generator makes of the fields of a layout make up its words, and the
    response waits for all of them. Register files of such slices exist, for all inputs, with any
    words in the registers and memories of the slices.
    Spec: docs/spec.md "The layout of the words is part of the configuration."
    Code: crates/atomik-hdl/src/config.rs Config::segments, Config::skew *)
Theorem the_response_waits_for_all_segments d most fields (some : 1 <= most) i :
  let W := Group.words (layout_of fields) in
  let S_ := generated_segments some fields in
  word_registers d <= 1 -> adding_fields d = adding fields ->
  (forall p, In p (Slices.segments S_) ->
     Slices.late S_ p <= skew d /\ skew d <= latency_ d - delta_ d) /\
  (flat d = false -> forall (c : registers W) v, exists f (w : Slices.slices _ _ _ S_),
     Sliced.runs (circuit d) i f w /\
     forall p r, In p (Slices.segments S_) -> Slices.has (Sliced.data_path W (circuit d)) r ->
       Slices.slice_held w p (Slices.late S_ p) r = Slices.part S_ p (v r)) /\
  (flat d = true -> forall (c : Flat.registers W) v, exists f (w : Slices.slices _ _ _ S_),
     FlatSliced.runs (circuit d) i f w /\
     forall p r, In p (Slices.segments S_) -> Slices.has (FlatSliced.data_path W (circuit d)) r ->
       Slices.slice_held w p (Slices.late S_ p) r = Slices.part S_ p (v r)).
Proof.
move=> W S_ hw same; have ok := @every_generated_circuit_is_sound d hw.
have late_ p : In p (Slices.segments S_) -> Slices.late S_ p <= skew d.
  by rewrite /skew same; exact: late_generated.
have enough : skew d <= latency_ d - delta_ d by rewrite /latency_; lia.
have in_time p : In p (Slices.segments S_) ->
    Slices.late S_ p <= latency (circuit d) - delta_stage (circuit d).
  by move=> hp; cbn [latency delta_stage circuit]; have := late_ p hp; lia.
split; [|split].
- by move=> p hp; split; [exact: late_|].
- move=> h c v; rewrite h in ok; exact: (Sliced.runs_exist ok S_ i c v in_time).
- move=> h c v; rewrite h in ok; exact: (FlatSliced.runs_exist ok S_ i c v in_time).
Qed.
