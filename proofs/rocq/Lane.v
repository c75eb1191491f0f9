(* Registers in a row, a memory, and a lane of the pipeline: what lane 0 reads is what the lane has
   accepted before. *)
From Coq Require Import List Bool Arith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Machine Pipeline.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

Ltac arith := unfold write_stage, clear_cycles in *; lia.

Section Delay.
Variable k : config.

Lemma nth_firstn A n m (l : list A) d : n < m -> nth n (firstn m l) d = nth n l d.
Proof.
elim: m n l => [|m IH] n l h; first by lia.
case: l => [|x l] //=; case: n h => [|n] h //=; apply: IH; lia.
Qed.

Lemma push_head A (x : A) l d : nth 0 (push k x l) d = x.
Proof. by rewrite /push nth_firstn //; rewrite /longest; lia. Qed.

(* Registers in a row hold what entered them that many cycles ago. *)
Lemma delay A (l : nat -> list A) (x : nat -> A) d :
  (forall t, l (S t) = push k (x t) (l t)) ->
  forall n t, n < longest k -> nth n (l (t + S n)) d = x t.
Proof.
move=> step n t; elim: n => [|n IH] h.
  by rewrite Nat.add_1_r step push_head.
by rewrite Nat.add_succ_r step /push nth_firstn //= IH //; lia.
Qed.

Lemma delay_at A (l : nat -> list A) (x : nat -> A) d n t :
  (forall t, l (S t) = push k (x t) (l t)) ->
  n < longest k -> n < t -> nth n (l t) d = x (t - S n).
Proof.
move=> step h1 h2; rewrite -(delay l x d step (t - S n) h1); congr (nth _ (l _)); lia.
Qed.

(* Between two places in the row. *)
Lemma delay_from A (l : nat -> list A) (x : nat -> A) d n t :
  (forall t, l (S t) = push k (x t) (l t)) -> (n < longest k)%nat ->
  nth n (l (t + n)) d = nth 0 (l t) d.
Proof.
move=> step; elim: n => [|n IH] h; first by rewrite Nat.add_0_r.
by rewrite Nat.add_succ_r step /push nth_firstn //= IH //; lia.
Qed.
End Delay.

Section Memory.
Variable W : group.

(* An address holds what was last written, from a first write on. *)
Lemma memory_holds (m : nat -> nat -> W) (we : nat -> bool) (wa : nat -> nat) (wd : nat -> W)
    (now : nat -> W) a first last :
  (forall t, m (S t) = if we t then update (m t) (wa t) (wd t) else m t) ->
  we first = true -> wa first = a -> wd first = now (S first) ->
  (forall t, first < t < last -> now (S t) = if we t && (wa t =? a) then wd t else now t) ->
  forall t, first < t <= last -> m t a = now t.
Proof.
move=> step h1 h2 h3 h4; elim=> [|t IH] h; first by lia.
rewrite step /update; case: (Nat.eq_dec t first) => [->|ne].
  by rewrite h1 h2 Nat.eqb_refl.
rewrite h4; first by lia.
rewrite Nat.eqb_sym; case: (we t) => /=; last by apply: IH; lia.
by case: Nat.eqb => //; apply: IH; lia.
Qed.
End Memory.

Section Lane.
Variables (W : group) (k : config).
Hypothesis ok : sound k.
Notation T := (write_stage k).
Notation D := (loop_distance k).
Notation Y := (lane_read_stage k).
Notation C := (clears k).
Notation open := (clear_cycles k).

Variables (c : nat -> command W) (l : nat -> lane W) (ra : nat -> nat).
Variables (early late : nat -> nat) (jl jc : nat -> W).
Hypothesis steps : forall t, l (S t) = lane_step k (l t) (c t) (early t) (late t) (jl t) (jc t).
Hypothesis early_is : forall t, T - 1 <= t -> early t = ra (t - (T - 1)).
Hypothesis late_is : forall t, Y - 1 <= t -> late t = ra (t - (Y - 1)).
Hypothesis clears_come : forall t, 3 <= t < 3 + C ->
  [/\ valid (c t) = true, clear (c t) = true & address (c t) = (t - 3) mod depth k].
Hypothesis holds_come : forall t, 3 + C <= t < open -> valid (c t) = false.
Hypothesis then_open : forall t, open <= t ->
  clear (c t) = false /\ (valid (c t) = true -> address (c t) < depth k).

(* What the lane has accepted at an address before cycle t. *)
Definition adds t a : W :=
  if (open <=? t) && valid (c t) && (address (c t) =? a) then delta (c t) else 0%G.
Fixpoint kept t a : W := (if t is S t then kept t a + adds t a else 0)%G.

Lemma kept_early t a : t <= open -> kept t a = 0%G.
Proof.
elim: t => [//|t IH] h /=; rewrite IH; first by lia.
by rewrite /adds (proj2 (Nat.leb_gt _ _)) ?add_zero //; lia.
Qed.

Lemma kept_back t n a : n <= t ->
  kept t a = (kept (t - n)%nat a + sum (map (fun i => adds (t - i)%nat a) (seq 1 n)))%G.
Proof.
elim: n => [|n IH] h; first by rewrite Nat.sub_0_r /= add_zero.
rewrite IH; first by lia.
rewrite seq_S map_app sum_app /= add_zero.
have -> : t - n = S (t - S n) by lia.
rewrite /=; group_eq.
Qed.

Lemma lines n t : 1 <= n <= longest k -> n <= t -> stage n (line (l t)) = c (t - n).
Proof.
move=> h1 h2; rewrite /stage (@delay_at k _ (fun t => line (l t)) c);
  [by move=> u; rewrite steps|lia|lia|].
by congr c; lia.
Qed.

Lemma sums_delay n t : n < longest k -> nth n (sums (l (t + n))) 0%G = nth 0 (sums (l t)) 0%G.
Proof.
move=> h; apply: (@delay_from k _ (fun t => sums (l t)) (fun t => next_sum k (l t))) => //.
by move=> u; rewrite steps.
Qed.

Lemma sum_now t : nth 0 (sums (l (S t))) 0%G = next_sum k (l t).
Proof. by rewrite steps [sums _]/= push_head. Qed.

Lemma longest_enough : T + D <= longest k /\ Y <= longest k /\ latency k + D + 2 = longest k.
Proof.
case: (ok) => *; rewrite /longest; lia.
Qed.

(* The command i cycles before command t, as the loop sees it. *)
Lemma hits t i : open <= t -> 1 <= i <= D ->
  hit k (l (t + T - 1)) (c t) i = valid (c (t - i)) && (address (c (t - i)) =? address (c t)) /\
  (hit k (l (t + T - 1)) (c t) i = true -> open <= t - i) /\
  adds (t - i) (address (c t)) = gate (hit k (l (t + T - 1)) (c t) i) (delta (c (t - i))).
Proof.
move=> ht hi; have [h1 _] := longest_enough; case: (ok) => *.
have le : D + 3 + C <= open by arith.
rewrite /hit lines; [by lia| by arith|].
have -> : t + T - 1 - (T - 1 + i) = t - i by arith.
have [-> _] := then_open ht; rewrite andb_true_r.
split=> //; split.
  move/andb_prop => [v _]; case: (Nat.le_gt_cases open (t - i)) => // h.
  by rewrite holds_come in v => //; lia.
rewrite /adds /gate; case: (Nat.le_gt_cases open (t - i)) => h.
  by rewrite (proj2 (Nat.leb_le _ _) h).
by rewrite (proj2 (Nat.leb_gt _ _) h) holds_come //; lia.
Qed.

Definition loop_right n := forall a, a < depth k -> a + 4 + T <= n ->
  array (loop (l n)) a = kept (n - T) a.
Definition sum_right n :=
  (open + T <= n -> valid (c (n - T)) = true ->
   nth 0 (sums (l n)) 0%G = kept (S (n - T)) (address (c (n - T)))) /\
  (3 + T <= n < 3 + C + T -> nth 0 (sums (l n)) 0%G = 0%G).

Lemma kept_unseen t a : open <= t ->
  hit k (l (t + T - 1)) (c t) D = false -> a = address (c t) -> kept (t - D) a = kept (S (t - D)) a.
Proof.
move=> ht hd ->; case: (ok) => *.
have [_ [_ e]] := hits (i := D) ht ltac:(arith).
by rewrite /= e hd /= add_zero.
Qed.

Lemma read_words_at (m : lane W -> memory W) we wa wd rd j n t :
  (forall t, m (l (S t)) = access k (m (l t)) (we t) (wa t) (wd t) (rd t) (j t)) ->
  n < longest k ->
  nth n (read_words (m (l (t + S n)))) 0%G =
  if we t && (wa t =? rd t) then j t else array (m (l t)) (rd t).
Proof.
move=> h hn.
rewrite (@delay k _ (fun t => read_words (m (l t)))
  (fun t => if we t && (wa t =? rd t) then j t else array (m (l t)) (rd t))) //.
by move=> u; rewrite h.
Qed.

(* One turn of the loop. *)
Lemma sum_step t : open <= t -> valid (c t) = true ->
  loop_right (t + read_stage k) -> sum_right (t + T - D) ->
  nth 0 (sums (l (t + T))) 0%G = kept (S t) (address (c t)).
Proof.
move=> ht v hl [hs _]; have [h1 [h2 h3]] := longest_enough; case: (ok) => *.
have [cl /(_ v) ad] := then_open ht.
have le : D + 3 + C <= open by arith.
have -> : t + T = S (t + T - 1) by arith.
rewrite sum_now /next_sum lines; try arith.
have -> : t + T - 1 - (T - 1) = t by arith.
rewrite cl [negb _]/= [gate true _]/=.
have -> : sum (map (in_flight k (l (t + T - 1)) (c t)) (seq 1 (D - 1))) =
          sum (map (fun i => adds (t - i) (address (c t))) (seq 1 (D - 1))).
  apply: sum_map_ext => i /in_seq hi.
  have [_ [old ->]] := hits (i := i) ht ltac:(arith).
  rewrite /in_flight lines; try arith.
  have -> : t + T - 1 - (T - 1 + i) = t - i by arith.
  move: old; case: hit => //= /(_ eq_refl) old.
  by have [-> _] := then_open old.
have own : kept (S t) (address (c t)) = (kept t (address (c t)) + delta (c t))%G.
  by rewrite /= /adds (proj2 (Nat.leb_le _ _) ht) v Nat.eqb_refl.
rewrite own (kept_back (t := t) (n := D - 1)); first by lia.
have -> : t - (D - 1) = S (t - D) by lia.
suff -> : (if hit k (l (t + T - 1)) (c t) D then nth (D - 1) (sums (l (t + T - 1))) 0%G
           else nth (D - 2) (read_words (loop (l (t + T - 1)))) 0%G) =
          kept (S (t - D)) (address (c t)) by group_eq.
have [eq [old e]] := hits (i := D) ht ltac:(arith).
case hD: (hit _ _ _ _) in eq old e *.
- have {}old := old eq_refl.
  move/esym/andb_prop: eq => [vD /Nat.eqb_eq aD].
  have -> : t + T - 1 = t + T - D + (D - 1) by arith.
  rewrite sums_delay; first by lia.
  have e1 : t + T - D - T = t - D by lia.
  by rewrite e1 in hs; rewrite hs ?aD //; lia.
- have -> : t + T - 1 = t + read_stage k + S (D - 2) by arith.
  rewrite (read_words_at (@loop W)
     (fun t => valid (stage T (line (l t)))) (fun t => address (stage T (line (l t))))
     (fun t => nth 0 (sums (l t)) 0%G) (fun t => address (stage (read_stage k) (line (l t)))) jl);
    [by move=> u; rewrite steps|lia|].
  rewrite !lines; try arith.
  have -> : t + read_stage k - read_stage k = t by lia.
  have -> : t + read_stage k - T = t - D by arith.
  rewrite -eq hl //; first by arith.
  have -> : t + read_stage k - T = t - D by arith.
  exact: kept_unseen.
Qed.

(* A clear writes zero, whatever it finds. *)
Lemma sum_clear t : 3 <= t < 3 + C -> nth 0 (sums (l (t + T))) 0%G = 0%G.
Proof.
move=> ht; have [h1 _] := longest_enough; case: (ok) => *.
have -> : t + T = S (t + T - 1) by arith.
rewrite sum_now /next_sum lines; try arith.
have -> : t + T - 1 - (T - 1) = t by arith.
have [_ cl _] := clears_come ht; rewrite cl /= sum_map_zero ?add_zero //.
by move=> i _; rewrite /in_flight /hit cl andb_false_r.
Qed.

(* What a memory of the lane holds, once it is known what the loop writes. *)
Lemma memory_right (m : lane W -> memory W) rd j n a :
  (forall t, m (l (S t)) = access k (m (l t)) (valid (stage T (line (l t))))
     (address (stage T (line (l t)))) (nth 0 (sums (l t)) 0%G) (rd t) (j t)) ->
  a < depth k -> a + 4 + T <= n -> (forall t, t < n -> sum_right t) ->
  array (m (l n)) a = kept (n - T) a.
Proof.
move=> h ha hn right; have [h1 _] := longest_enough; case: (ok) => *.
apply: (@memory_holds _ (fun t => array (m (l t)))
  (fun t => valid (stage T (line (l t)))) (fun t => address (stage T (line (l t))))
  (fun t => nth 0 (sums (l t)) 0%G) (fun t => kept (t - T) a) a (a + 3 + T) n).
- by move=> t; rewrite h.
- rewrite lines; try arith.
  by have [|-> _ _] := clears_come (t := a + 3 + T - T); first lia.
- rewrite lines; try arith.
  have [|_ _ ->] := clears_come (t := a + 3 + T - T); first lia.
  by rewrite Nat.mod_small; lia.
- by rewrite sum_clear ?kept_early //; arith.
- move=> t ht; cbv beta; rewrite lines; try arith.
  have -> : S t - T = S (t - T) by lia.
  have [r0 r1] := right t ltac:(arith).
  case: (Nat.le_gt_cases open (t - T)) => hopen.
  + case v: (valid (c (t - T))) => /=; last by rewrite /adds v andb_false_r add_zero.
    case: Nat.eqb_spec => [e|ne]; first by rewrite r0 ?e //; lia.
    by rewrite /adds (proj2 (Nat.eqb_neq _ _) ne) andb_false_r add_zero.
  + rewrite !kept_early; try arith.
    case: (Nat.lt_ge_cases (t - T) (3 + C)) => hc; last by rewrite holds_come //; lia.
    by rewrite r1; [lia|case: andb].
- lia.
Qed.

Lemma all_right n : loop_right n /\ sum_right n.
Proof.
elim/lt_wf_ind: n => n IH; case: (ok) => *.
split.
- move=> a ha hn.
  apply: (@memory_right (@loop W) (fun t => address (stage (read_stage k) (line (l t)))) jl) => //.
    by move=> t; rewrite steps.
  by move=> t ht; have [] := IH t ht.
- split=> [hn v|hn].
  + have e : n = (n - T) + T by lia.
    rewrite {1}e; apply: sum_step => //; try arith.
    * by have [] := IH (n - T + read_stage k) ltac:(arith).
    * by have [] := IH (n - T + T - D) ltac:(arith).
  + have -> : n = (n - T) + T by lia.
    by apply: sum_clear; lia.
Qed.

(* The late readout: lane 0's command of cycle t finds what was accepted before t. This is the
   invariant of docs/architecture.md. *)
Lemma readout t n : open <= t -> ra t < depth k -> n < longest k ->
  nth n (words (l (t + Y + n))) 0%G = kept t (ra t).
Proof.
move=> ht ha hn; have [h1 [h2 h3]] := longest_enough; case: (ok) => *.
have le : D + 3 + C <= open by arith.
have hT : T = read_stage k + D by [].
have -> : nth n (words (l (t + Y + n))) 0%G = nth 0 (words (l (t + Y))) 0%G.
  apply: (@delay_from k _ (fun t => words (l t)) (fun t => next_word k (l t) (late t))) => //.
  by move=> u; rewrite steps.
have -> : t + Y = S (t + Y - 1) by lia.
rewrite steps [words _]/= push_head /next_word late_is; first by lia.
have -> : t + Y - 1 - (Y - 1) = t by lia.
rewrite lines; try arith.
have -> : t + Y - 1 - Y = t - 1 by lia.
have before : forall a, kept t a = (kept (t - 1)%nat a + adds (t - 1)%nat a)%G.
  by move=> a; rewrite {1}(_ : t = S (t - 1)); first by lia.
case: (boolP (valid (c (t - 1)) && (address (c (t - 1)) =? ra t))) => [|].
- move/andb_prop => [v /Nat.eqb_eq e].
  have old : open <= t - 1.
    case: (Nat.le_gt_cases open (t - 1)) => // h; by rewrite holds_come in v => //; lia.
  have -> : t + Y - 1 = t - 1 + T + (Y - T) by lia.
  rewrite sums_delay; first by lia.
  have [_ [s _]] := all_right (t - 1 + T).
  have e1 : t - 1 + T - T = t - 1 by lia.
  rewrite e1 in s; rewrite s //; first by lia.
  rewrite e; congr kept; lia.
- move/negbTE => none.
  have -> : t + Y - 1 = t + T - 1 + S (Y - 1 - T) by lia.
  rewrite (read_words_at (@copy W)
     (fun t => valid (stage T (line (l t)))) (fun t => address (stage T (line (l t))))
     (fun t => nth 0 (sums (l t)) 0%G) early jc);
    [by move=> u; rewrite steps|lia|].
  rewrite lines; try arith.
  have -> : t + T - 1 - T = t - 1 by lia.
  rewrite early_is; first by lia.
  have -> : t + T - 1 - (T - 1) = t by lia.
  rewrite none (@memory_right (@copy W) early jc);
    [by move=> u; rewrite steps|done|lia|by move=> u _; have [] := all_right u|].
  have -> : t + T - 1 - T = t - 1 by lia.
  by rewrite before /adds -andb_assoc none andb_false_r add_zero.
Qed.
End Lane.
