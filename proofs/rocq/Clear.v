(* The clear sequencer: for how long after a reset nothing is accepted, and its counter, which the
   generator makes of slices.

   The model of the counter follows crates/atomik-hdl/src/regfile/clear.rs. A carry never runs
   through more than a slice of 3 bits: that the lowest slice will be all ones is seen a cycle
   ahead, and that the others are, in a chain of registers. *)
From Coq Require Import List Bool Arith NArith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

(* What follows a cycle with `rst` high, in a circuit that counts the cycles since as a number. *)
Section Sequencer.
Variables clears holds : nat.
Variables (rst rst_q : nat -> bool) (age : nat -> nat) (ready : nat -> bool).
Hypothesis rst_q_steps : forall t, rst_q (S t) = rst t.
Hypothesis age_steps : forall t,
  age (S t) = if rst_q t then 0 else if age t <? clears + holds then S (age t) else age t.
Hypothesis ready_steps : forall t,
  ready (S t) = negb (rst t || rst_q t || (age t <? clears + holds)).
Hypothesis reset : rst 0 = true.
Hypothesis quiet : forall t, 0 < t -> rst t = false.

Lemma ages t : 2 <= t -> age t = Nat.min (t - 2) (clears + holds).
Proof.
elim: t => [|[|t] IH] h; try lia.
have {h}: t = 0 \/ 2 <= S t by lia.
rewrite age_steps rst_q_steps; case=> [->|h]; first by rewrite reset; lia.
by rewrite quiet ?IH //; try lia; case: Nat.ltb_spec => ?; lia.
Qed.

Lemma readies t : 1 <= t -> ready t = (clears + holds + 3 <=? t).
Proof.
case: t => [|t] h; first by lia.
rewrite ready_steps; case: t h => [|t] h.
  by rewrite reset; symmetry; apply/Nat.leb_gt; lia.
rewrite quiet; first by lia.
rewrite rst_q_steps; case: t h => [|t] h.
  by rewrite reset; symmetry; apply/Nat.leb_gt; lia.
rewrite quiet ?ages; try lia.
by apply/Bool.eq_iff_eq_true; rewrite negb_true_iff Nat.ltb_ge Nat.leb_le; lia.
Qed.
End Sequencer.

Open Scope N_scope.

(* A slice above the lowest. `carry` steps it, `full` says that it and those between it and the
   lowest were all ones in the cycle before. *)
Record slice := Slice { size : N; count : N; carry : bool; full : bool }.
Record counter := Counter {
  low : N; slices : list slice; last_cycle : bool; active_q : bool; hold_q : bool
}.

Definition next_slice (rst nearly below : bool) (x : slice) : slice :=
  {| size := size x;
     count := if rst then 0
              else if carry x then (count x + 1) mod 2 ^ size x else count x;
     carry := negb rst && (nearly && below);
     full := negb rst && ((count x =? 2 ^ size x - 1) && below) |}.

(* `below`: whether the slices below these, without the lowest, are all ones. *)
Fixpoint next_slices (rst nearly below : bool) (l : list slice) : list slice :=
  if l is x :: l then next_slice rst nearly below x :: next_slices rst nearly (full x) l else [].

Fixpoint all_full (below : bool) (l : list slice) : bool :=
  if l is x :: l then all_full (full x) l else below.

Definition next_counter (rst : bool) (c : counter) : counter :=
  let nearly := low c =? 6 in
  let wrap := if slices c is x :: _ then carry x else false in
  {| low := if rst then 0 else (low c + 1) mod 8;
     slices := next_slices rst nearly true (slices c);
     last_cycle := negb rst && (nearly && all_full true (slices c));
     active_q := rst || (negb (last_cycle c) && active_q c);
     hold_q := rst || (negb (negb (active_q c) && wrap) && hold_q c) |}.

(* The number that all slices together count. *)
Fixpoint upper (l : list slice) : N := if l is x :: l then count x + 2 ^ size x * upper l else 0.
Definition counted (c : counter) : N := low c + 8 * upper (slices c).

(* The sizes of the slices of a counter of some bits, without the lowest, which has 3. *)
Fixpoint sizes (fuel : nat) (bits : N) : list N :=
  if fuel is S fuel then
    if bits =? 0 then [] else N.min 3 bits :: sizes fuel (bits - N.min 3 bits)
  else [].
Definition upper_sizes (bits : N) : list N := sizes 5 (bits - 3).

(* What the counter says in each of the cycles after a reset. *)
Definition says (total n : N) (c : counter) : bool :=
  eqb (active_q c) (n <? total) && eqb (hold_q c) (n <? total + 8) &&
  (negb (n <? total) || (counted c =? n)).

Fixpoint says_always (total : N) (fuel : nat) (n : N) (c : counter) : bool :=
  says total n c &&
  if fuel is S fuel then says_always total fuel (N.succ n) (next_counter false c) else true.

Definition cleared (l : list N) : counter :=
  Counter 0 (map (fun size => Slice size 0 false false) l) false true true.

Definition sequence_of (bits : N) : bool :=
  says_always (2 ^ bits) (N.to_nat (2 ^ bits + 8)) 0 (cleared (upper_sizes bits)).

Lemma sequences : forallb sequence_of [5; 6; 7; 8; 9; 10; 11; 12; 13; 14] = true.
Proof. by vm_compute. Qed.

Lemma reset_clears c : next_counter true c = cleared (map size (slices c)).
Proof.
have all nearly l below :
    next_slices true nearly below l = map (fun size => Slice size 0 false false) (map size l).
  by elim: l below => [|x l IH] below //=; rewrite IH.
by rewrite /next_counter /cleared all.
Qed.

Section Counter.
Variables (bits : N) (c : nat -> counter).
Hypothesis possible : 5 <= bits <= 14.
Hypothesis counts : forall n, c (S n) = next_counter false (c n).
Hypothesis from : c 0 = cleared (upper_sizes bits).

Lemma says_at fuel n m : says_always (2 ^ bits) fuel (N.of_nat n) (c n) = true ->
  (m <= fuel)%nat -> says (2 ^ bits) (N.of_nat (n + m)) (c (n + m)%nat) = true.
Proof.
elim: fuel n m => [|fuel IH] n m /=.
  by rewrite andb_true_r => h le; have -> : (n + m = n)%nat by lia.
case/andP=> h0 h le; case: m le => [|m] le; first by rewrite Nat.add_0_r.
rewrite -Nat.add_succ_comm; apply: IH; last by lia.
by rewrite Nat2N.inj_succ counts.
Qed.

Lemma says_first n : N.of_nat n <= 2 ^ bits + 8 -> says (2 ^ bits) (N.of_nat n) (c n) = true.
Proof.
move=> le; rewrite -[n]Nat.add_0_l; apply: (@says_at (N.to_nat (2 ^ bits + 8))); last by lia.
rewrite from; have /forallb_forall every := sequences.
by apply: (every bits); rewrite /In; lia.
Qed.

Lemma says_ever n : says (2 ^ bits) (N.of_nat n) (c n) = true.
Proof.
case: (N.le_gt_cases (N.of_nat n) (2 ^ bits + 8)) => [/says_first //|].
elim: n => [|n IH]; first by lia.
rewrite Nat2N.inj_succ => lt.
have {}IH : says (2 ^ bits) (N.of_nat n) (c n) = true.
  case: (N.le_gt_cases (N.of_nat n) (2 ^ bits + 8)) => [/says_first //|]; exact: IH.
have h1 : (N.of_nat n <? 2 ^ bits) = false by apply/N.ltb_ge; lia.
have h2 : (N.of_nat n <? 2 ^ bits + 8) = false by apply/N.ltb_ge; lia.
have h3 : (N.succ (N.of_nat n) <? 2 ^ bits) = false by apply/N.ltb_ge; lia.
have h4 : (N.succ (N.of_nat n) <? 2 ^ bits + 8) = false by apply/N.ltb_ge; lia.
move: IH; rewrite /says h1 h2; case/andP => /andP [/eqb_prop ea /eqb_prop eh] _.
by rewrite h3 h4 counts /next_counter [active_q _]/= [hold_q _]/= ea eh !andb_false_r.
Qed.
End Counter.

(** The clear sequencer counts in slices of 3 bits and passes carries on through registers. From any
    content at power-up, the second cycle after a reset on, it says in every cycle what a counter
    says that is a number: for how long the clear lasts, for how long nothing is accepted, and,
    while the clear lasts, which cycle of it this is.
    Spec: docs/spec.md "`ready` stays low until the clear has finished, exactly `CLEAR` cycles after
      the last cycle with `rst` high"
    Code: crates/atomik-hdl/src/regfile/clear.rs circuit *)
Theorem the_clear_counts_in_slices (bits : N) (rst rst_q : nat -> bool) (age : nat -> nat)
    (c : nat -> counter) t :
  let clears := N.to_nat (2 ^ bits) in
  5 <= bits <= 14 ->
  map size (slices (c 0%nat)) = upper_sizes bits ->
  (forall t, c (S t) = next_counter (rst_q t) (c t)) ->
  (forall t, rst_q (S t) = rst t) ->
  (forall t, age (S t) =
     if rst_q t then 0%nat else if (age t <? clears + 8)%nat then S (age t) else age t) ->
  rst 0%nat = true -> (forall t, (0 < t)%nat -> rst t = false) -> (2 <= t)%nat ->
  active_q (c t) = (age t <? clears)%nat /\ hold_q (c t) = (age t <? clears + 8)%nat /\
  ((age t < clears)%nat -> N.to_nat (counted (c t)) = age t).
Proof.
move=> clears hb shape steps rst_q_steps age_steps reset quiet ht.
have e : N.of_nat clears = 2 ^ bits by rewrite /clears N2Nat.id.
clearbody clears.
have same u : map size (slices (c u)) = upper_sizes bits.
  elim: u => [//|u IH]; rewrite steps -IH [slices _]/=.
  by move: true => below; elim: (slices (c u)) below => [|x l IHl] below //=; rewrite IHl.
have h : says (2 ^ bits) (N.of_nat (t - 2)) (c (S (S (t - 2)))) = true.
  apply: (@says_ever bits (fun n => c (S (S n)))) => //.
    by move=> n; rewrite steps rst_q_steps quiet //; lia.
  by rewrite steps rst_q_steps reset reset_clears same.
have e2 : S (S (t - 2)) = t by lia.
move: h; rewrite e2 (@ages clears 8 rst rst_q age) //.
move: (2 ^ bits) e => total e.
rewrite /says; case/andP => /andP [/eqb_prop -> /eqb_prop ->] /orP hv.
split; [|split].
- by apply/Bool.eq_iff_eq_true; rewrite N.ltb_lt Nat.ltb_lt; lia.
- by apply/Bool.eq_iff_eq_true; rewrite N.ltb_lt Nat.ltb_lt; lia.
- move=> lt; case: hv => [/negb_true_iff /N.ltb_ge|/N.eqb_eq ->]; lia.
Qed.
