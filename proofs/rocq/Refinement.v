(* Why the pipeline of Pipeline.v is the machine of Machine.v, from any reset on. *)
From Coq Require Import List Bool Arith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Machine Pipeline Lane Clear.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

Section Refinement.
Variables (W : group) (k : config).
Hypothesis ok : sound k.
Notation T := (write_stage k).
Notation Y := (lane_read_stage k).
Notation RR := (reference_stage k).
Notation E := (delta_stage k).
Notation C := (clears k).
Notation open := (clear_cycles k).
Notation others_ := (other_lanes k).

(* Anything at power-up, one cycle of reset, and none after it. *)
Variables (s : nat -> registers W) (i : nat -> input W).
Hypothesis step_at : forall t, s (S t) = step k (i t) (s t).
Hypothesis reset : rst (i 0) = true.
Hypothesis quiet : forall t, 0 < t -> rst (i t) = false.
Hypothesis lane_count : forall t, length (offers (i t)) = others_.
Hypothesis offer_in : forall t a o, offer (i t) = Some (a, o) -> a < depth k.
Hypothesis offers_in : forall t a d, In (Some (a, d)) (offers (i t)) -> a < depth k.

Notation cs := (accepted k i).
Notation tot := (total_at others_ cs).

(* The clear: when it runs, and when commands are accepted. *)
Lemma rst_q_at t : rst_q (s (S t)) = rst (i t).
Proof. by rewrite step_at. Qed.

Lemma age_at t : 2 <= t -> age (s t) = Nat.min (t - 2) (C + holds k).
Proof.
move=> h; apply: (@ages C (holds k) (fun t => rst (i t)) (fun t => rst_q (s t))
  (fun t => age (s t))) => // u; by rewrite step_at.
Qed.

Lemma clearing_at t : 3 <= t -> clearing (s t) = (t - 3 <? C).
Proof.
case: t => [|t] h; first by lia.
rewrite step_at [clearing _]/= /active age_at; first by lia.
by apply/Bool.eq_iff_eq_true; rewrite !Nat.ltb_lt; lia.
Qed.

Lemma clear_address_at t : 3 <= t < 3 + C -> clear_address (s t) = (t - 3) mod depth k.
Proof.
case: t => [|t] h; first by lia.
by rewrite step_at [clear_address _]/= age_at; [lia|congr (_ mod _); lia].
Qed.

Lemma holding_at t : 3 <= t -> holding (s t) = (t - 3 <? C + holds k).
Proof.
case: t => [|t] h; first by lia.
rewrite step_at [holding _]/= /hold age_at; first by lia.
by apply/Bool.eq_iff_eq_true; rewrite !Nat.ltb_lt; lia.
Qed.

Lemma ready_at t : 1 <= t -> ready (s t) = (open <=? t).
Proof.
move=> h; apply: (@readies C (holds k) (fun t => rst (i t)) (fun t => rst_q (s t))
  (fun t => age (s t)) (fun t => ready (s t))) => // u; by rewrite step_at.
Qed.

(* What is in the control line. *)
Notation ctl := (fun t => control_input (s t) (i t)).

Lemma controls_at n t : 1 <= n <= longest k -> n <= t -> cstage n (controls (s t)) = ctl (t - n).
Proof.
move=> h1 h2; rewrite /cstage (@delay_at k _ (fun t => controls (s t)) ctl);
  [by move=> u; rewrite step_at|lia|lia|].
by have -> : t - S (n - 1) = t - n by lia.
Qed.

Lemma open_is : 3 + C + loop_distance k <= open /\ E + 2 <= latency k <= longest k.
Proof. case: (ok) => *; rewrite /longest; arith. Qed.

Lemma control_open t : open <= t ->
  zeroes (ctl t) = false /\ place (ctl t) < depth k /\
  does (ctl t) = (if offer (i t) is Some (_, o) then o else Nop) /\
  place (ctl t) = (if offer (i t) is Some (a, _) then a else 0).
Proof.
move=> h; have [h1 _] := open_is; case: (ok) => *.
rewrite /control_input ready_at ?clearing_at; try lia.
rewrite (proj2 (Nat.leb_le _ _) h) (proj2 (Nat.ltb_ge _ _)) /=; first by lia.
do 2! split=> //; case e: (offer (i t)) => [[a o]|] //; exact: offer_in e.
Qed.

Lemma control_closed t : 3 <= t < open ->
  zeroes (ctl t) = (t - 3 <? C) /\ does (ctl t) = Nop /\
  (t - 3 < C -> place (ctl t) = (t - 3) mod depth k).
Proof.
move=> h; rewrite /control_input ready_at ?clearing_at; try lia.
rewrite (proj2 (Nat.leb_gt _ _)) /=; first by lia.
do 2! split=> //; move=> hc; rewrite (proj2 (Nat.ltb_lt _ _) hc); apply: clear_address_at; lia.
Qed.

(* Lane n. *)
Notation lane_ n := (fun t => nth n (lanes (s t)) (default_lane W)).
Notation cmd n := (fun t => lane_input (s t) (i t) n).

Lemma nth_map_seq A (f : nat -> A) d n m : n < m -> nth n (map f (seq 0 m)) d = f n.
Proof.
move=> h; rewrite (nth_indep _ d (f 0)) ?map_length ?seq_length //.
by rewrite map_nth seq_nth.
Qed.

Lemma lanes_at t : lanes (s (S t)) = map (fun n =>
  lane_step k (lane_ n t) (cmd n t)
    (place (cstage (T - 1) (controls (s t)))) (place (cstage (Y - 1) (controls (s t))))
    (junk (i t) (2 * n + 2)) (junk (i t) (2 * n + 3))) (seq 0 (S others_)).
Proof. by rewrite step_at. Qed.

Lemma lane_command_in t n a d :
  lane_command (Cycle (offer (i t)) (offers (i t))) n = Some (a, d) -> a < depth k.
Proof.
case: n => [|n] /=.
  case e: (offer (i t)) => [[b o]|] //; case: o e => // d' e [<- _]; exact: offer_in e.
move=> e; apply: (@offers_in t a d); rewrite -e; apply: nth_In.
case: (Nat.le_gt_cases (length (offers (i t))) n) => // h.
by rewrite nth_overflow in e.
Qed.

Lemma closed_command t n : t < open -> lane_command (cs t) n = None.
Proof.
move=> h; rewrite /accepted (proj2 (Nat.leb_gt _ _) h); case: n => [|n] //=.
by elim: others_ n => [|m IH] [|n] //=.
Qed.

Lemma lane_word n t m : n <= others_ -> open <= t -> m < longest k ->
  nth m (words (lane_ n (t + Y + m))) 0%G = lane_at n cs t (place (ctl t)).
Proof.
move=> hn ht hm; have [h1 h2] := open_is; case: (ok) => *.
have long : Y <= longest k /\ T <= Y by arith.
rewrite (@readout W k ok (cmd n) (lane_ n) (fun t => place (ctl t))
  (fun t => place (cstage (T - 1) (controls (s t))))
  (fun t => place (cstage (Y - 1) (controls (s t))))
  (fun t => junk (i t) (2 * n + 2)) (fun t => junk (i t) (2 * n + 3))) //.
- by move=> u; cbv beta; rewrite lanes_at nth_map_seq //; lia.
- by move=> u hu; cbv beta; rewrite controls_at //; arith.
- by move=> u hu; cbv beta; rewrite controls_at //; arith.
- move=> u hu; rewrite /lane_input clearing_at ?clear_address_at; try lia.
  by rewrite (proj2 (Nat.ltb_lt _ _)) //; lia.
- move=> u hu; rewrite /lane_input clearing_at ?holding_at; try lia.
  rewrite (proj2 (Nat.ltb_ge _ _)); first by lia.
  rewrite (proj2 (Nat.ltb_lt _ _)); first by arith.
  by case: lane_command => [[]|].
- move=> u hu; rewrite /lane_input clearing_at; first by lia.
  rewrite (proj2 (Nat.ltb_ge _ _)); first by lia.
  by case e: lane_command => [[a d]|] //=; split=> // _; apply: lane_command_in e.
- by have [_ []] := control_open ht.
- move: (place _) => a {hm}.
  elim: t {ht} => [|u IH] //=; rewrite IH; congr add; rewrite /adds.
  case: (Nat.le_gt_cases open u) => hu; last first.
    by rewrite (proj2 (Nat.leb_gt _ _) hu) closed_command.
  rewrite /accepted (proj2 (Nat.leb_le _ _) hu) /lane_input clearing_at ?holding_at; try lia.
  rewrite !(proj2 (Nat.ltb_ge _ _)); try arith.
  by case: lane_command => [[b d]|].
Qed.

Lemma total_is t m : open <= t -> m < longest k ->
  total (s (t + Y + m)) m = tot t (place (ctl t)).
Proof.
move=> ht hm; rewrite /total /total_at.
have e : lanes (s (t + Y + m)) = map (fun n => lane_ n (t + Y + m)) (seq 0 (S others_)).
  case: (ok) => *; have [p ->] : exists p, t + Y + m = S p
    by exists (t + Y + m - 1); have [? _] := open_is; lia.
  rewrite lanes_at; apply: map_ext_in => n /in_seq hn.
  by rewrite nth_map_seq //; lia.
rewrite e map_map; apply: sum_map_ext => n /in_seq hn; apply: lane_word => //; lia.
Qed.

(* Base or offset: a memory that lane 0's commands write, of which command t finds what those before
   it left. *)
Lemma side (m : registers W -> memory W) (enable : control W -> bool)
    (wd : registers W -> nat -> W) (now : nat -> nat -> W) (written : nat -> W) (j : nat) :
  (forall t, m (s (S t)) =
     access k (m (s t)) (enable (cstage (RR + 1) (controls (s t))))
       (place (cstage (RR + 1) (controls (s t)))) (wd (s t) (RR + 1))
       (place (cstage RR (controls (s t)))) (junk (i t) j)) ->
  (forall c, zeroes c = true -> enable c = true) ->
  (forall c, zeroes c = false -> does c = Nop -> enable c = false) ->
  (forall u n, 3 <= u -> Y <= n <= E -> zeroes (ctl u) = true -> wd (s (u + n)) n = 0%G) ->
  (forall u n, open <= u -> Y <= n <= E -> wd (s (u + n)) n = written u) ->
  (forall u a, now (S u) a =
     if (open <=? u) && enable (ctl u) && (place (ctl u) =? a) then written u else now u a) ->
  (forall a, now 0 a = 0%G) ->
  forall t, open <= t ->
  (if same_place k (s (t + E - 1)) && enable (cstage E (controls (s (t + E - 1))))
   then wd (s (t + E - 1)) E
   else nth (E - RR - 2) (read_words (m (s (t + E - 1)))) 0%G) = now t (place (ctl t)).
Proof.
move=> h zero nop hw0 hw1 hnow now0 t ht; have [h1 h2] := open_is; case: (ok) => *.
have long : 1 <= E <= longest k /\ 1 <= RR /\ 3 <= Y by arith.
have early u a : u <= open -> now u a = 0%G.
  elim: u => [|u IH] hu //; rewrite hnow (proj2 (Nat.leb_gt _ _)) /=; first by lia.
  by apply: IH; lia.
have closed u : 3 + C <= u < open -> enable (ctl u) = false.
  move=> hu; have [z [d _]] := control_closed (t := u) ltac:(lia).
  by apply: nop => //; rewrite z; apply/Nat.ltb_ge; lia.
have holds_ n a : a < depth k -> a + 3 + RR + 1 < n -> array (m (s n)) a = now (n - (RR + 1)) a.
{ move=> ha hn.
  apply: (@memory_holds _ (fun t => array (m (s t)))
    (fun t => enable (cstage (RR + 1) (controls (s t))))
    (fun t => place (cstage (RR + 1) (controls (s t)))) (fun t => wd (s t) (RR + 1))
    (fun t => now (t - (RR + 1)) a) a (a + 3 + (RR + 1)) n).
  - by move=> u; rewrite h.
  - rewrite controls_at; try lia; apply: zero.
    have [-> _] := control_closed (t := a + 3 + (RR + 1) - (RR + 1)) ltac:(arith).
    by apply/Nat.ltb_lt; lia.
  - rewrite controls_at; try lia.
    have [_ [_ p]] := control_closed (t := a + 3 + (RR + 1) - (RR + 1)) ltac:(arith).
    by rewrite p ?Nat.mod_small; lia.
  - have [z _] := control_closed (t := a + 3) ltac:(arith).
    rewrite hw0 ?early //; try lia; try arith.
    by rewrite z; apply/Nat.ltb_lt; lia.
  - move=> u hu; cbv beta; rewrite controls_at; try lia.
    have -> : S u - (RR + 1) = S (u - (RR + 1)) by lia.
    have e : u - (RR + 1) + (RR + 1) = u by lia.
    rewrite hnow; case: (Nat.le_gt_cases open (u - (RR + 1))) => hopen.
      by rewrite (proj2 (Nat.leb_le _ _) hopen) andb_true_l -(hw1 _ (RR + 1)) ?e //; lia.
    rewrite (proj2 (Nat.leb_gt _ _) hopen) early ?andb_false_l; first by lia.
    have [z _] := control_closed (t := u - (RR + 1)) ltac:(lia).
    case: (Nat.lt_ge_cases (u - (RR + 1)) (3 + C)) => hc.
      have := hw0 (u - (RR + 1)) (RR + 1) ltac:(lia) ltac:(lia).
      by rewrite e z (proj2 (Nat.ltb_lt _ _)) => [|->]; [lia|done|case: (_ && _)].
    by rewrite closed //; lia.
  - lia. }
have step_back : now t (place (ctl t)) =
    if (place (ctl (t - 1)) =? place (ctl t)) && enable (ctl (t - 1)) then written (t - 1)
    else now (t - 1) (place (ctl t)).
  have {1}-> : t = S (t - 1) by lia.
  rewrite hnow andb_comm; case: (Nat.le_gt_cases open (t - 1)) => ho.
    by rewrite (proj2 (Nat.leb_le _ _) ho).
  by rewrite (proj2 (Nat.leb_gt _ _) ho) closed ?andb_false_r //; lia.
have [z0 [pl _]] := control_open ht.
rewrite /same_place !controls_at; try lia.
have -> : t + E - 1 - E = t - 1 by lia.
have -> : t + E - 1 - (E - 1) = t by lia.
rewrite step_back; case he: (_ && _).
- have ho : open <= t - 1.
    case: (Nat.le_gt_cases open (t - 1)) => // ho.
    by rewrite closed ?andb_false_r in he => //; lia.
  have -> : t + E - 1 = t - 1 + E by lia.
  by rewrite hw1 //; lia.
- rewrite (@delay_at k _ (fun t => read_words (m (s t)))
    (fun t => if enable (cstage (RR + 1) (controls (s t))) &&
                 (place (cstage (RR + 1) (controls (s t))) =? place (cstage RR (controls (s t))))
              then junk (i t) j else array (m (s t)) (place (cstage RR (controls (s t)))))).
    by move=> u; rewrite h.
    by lia.
    by lia.
  have -> : t + E - 1 - S (E - RR - 2) = t + RR by lia.
  rewrite !controls_at; try lia.
  have -> : t + RR - (RR + 1) = t - 1 by lia.
  have -> : t + RR - RR = t by lia.
  rewrite andb_comm he holds_ //; last by congr now; lia.
  by arith.
Qed.

Lemma total_later u n : open <= u -> Y <= n <= E ->
  total (s (u + n)) (n - Y) = tot u (place (ctl u)).
Proof.
move=> ho h; have [_ h3] := open_is.
have -> : u + n = u + Y + (n - Y) by lia.
by apply: total_is => //; lia.
Qed.

Lemma in_control u n : open <= u \/ 3 <= u -> Y <= n <= E ->
  cstage n (controls (s (u + n))) = ctl u.
Proof.
move=> hu h; have [_ h3] := open_is; case: (ok) => *.
rewrite controls_at; try arith; have -> : u + n - n = u by lia. done.
Qed.

(* What is accepted in a cycle after the clear, from the view of the control line. *)
Lemma accepted_open t : open <= t -> cs t = Cycle (offer (i t)) (offers (i t)).
Proof. by move=> h; rewrite /accepted (proj2 (Nat.leb_le _ _) h). Qed.

Lemma accepted_closed t : t < open -> first (cs t) = None.
Proof. by move=> h; rewrite /accepted (proj2 (Nat.leb_gt _ _) h). Qed.

Lemma next_delta_is t : open <= t ->
  next_delta k (s (t + E - 1)) =
  (tot t (place (ctl t)) - base_at others_ cs t (place (ctl t)))%G.
Proof.
move=> ht; rewrite /next_delta; congr (_ - _)%G.
  case: (ok) => *; have -> : t + E - 1 = t + (E - 1) by arith.
  by apply: total_later => //; arith.
apply: (@side (@base W) (@control_freezes W) (base_word k) (base_at others_ cs)
  (fun u => tot u (place (ctl u))) 0) => //.
- by move=> u; rewrite step_at.
- by move=> c; rewrite /control_freezes => ->.
- by move=> c; rewrite /control_freezes => -> ->.
- by move=> u n h1 h2 z; rewrite /base_word in_control ?z //; right.
- move=> u n h1 h2; rewrite /base_word in_control //; first by left.
  by have [-> _] := control_open h1; apply: total_later.
- move=> u a; cbv beta; rewrite [base_at _ _ (S u) a]/= /frozen /control_freezes.
  case: (Nat.le_gt_cases open u) => h.
    have [-> [_ [-> ->]]] := control_open h.
    rewrite (proj2 (Nat.leb_le _ _) h) accepted_open //=.
    case: (offer (i u)) => [[b o]|] //=.
    by case: Nat.eqb_spec => [->|_]; case: (freezes o).
  by rewrite (proj2 (Nat.leb_gt _ _) h) accepted_closed.
Qed.

Lemma next_state_is t : open <= t ->
  next_state k (s (t + E - 1)) =
  (tot t (place (ctl t)) + offset_at others_ cs t (place (ctl t)))%G.
Proof.
move=> ht; rewrite /next_state; congr (_ + _)%G.
  case: (ok) => *; have -> : t + E - 1 = t + (E - 1) by arith.
  by apply: total_later => //; arith.
apply: (@side (@offset W) (@control_loads W) (offset_word k) (offset_at others_ cs)
  (fun u => ((if does (ctl u) is Load v then v else 0) - tot u (place (ctl u)))%G) 1) => //.
- by move=> u; rewrite step_at.
- by move=> c; rewrite /control_loads => ->.
- by move=> c; rewrite /control_loads => -> ->.
- by move=> u n h1 h2 z; rewrite /offset_word in_control ?z //; right.
- move=> u n h1 h2; rewrite /offset_word in_control //; first by left.
  by have [-> _] := control_open h1; rewrite total_later.
- move=> u a; cbv beta; rewrite [offset_at _ _ (S u) a]/= /loaded /control_loads.
  case: (Nat.le_gt_cases open u) => h.
    have [-> [_ [-> ->]]] := control_open h.
    rewrite (proj2 (Nat.leb_le _ _) h) accepted_open //=.
    case: (offer (i u)) => [[b o]|] //=; case: o => * //=.
    by case: Nat.eqb_spec => [->|].
  by rewrite (proj2 (Nat.leb_gt _ _) h) accepted_closed.
Qed.

(* What must be on the ports in cycle t. *)
Definition expected t : option (W * bool) :=
  if latency k <=? t then response (file_at cs (t - latency k)) (cs (t - latency k)) else None.

Lemma responding_at t : latency k + 1 <= t ->
  live (s t) =
  (ready (s (t - (latency k - 1))) &&
   if offer (i (t - (latency k - 1))) is Some (_, o) then responds o else false) &&
  negb (rst (i (t - 1)) || rst_q (s (t - 1)) || active k (s (t - 1))).
Proof.
move=> h; have [_ h1] := open_is; case: (ok) => *.
have {1}-> : t = S (t - 1) by lia.
rewrite step_at [live _]/=; congr (_ && _).
rewrite (@delay_at k _ (fun t => responding (s t))
  (fun u => ready (s u) && if offer (i u) is Some (_, o) then responds o else false));
  [by move=> u; rewrite step_at|lia|arith|].
by have -> : t - 1 - S (latency k - 3) = t - (latency k - 1) by arith.
Qed.

Lemma rsp_valid_at t : rsp_valid (s (S t)) = negb (rst (i t)) && live (s t).
Proof. by rewrite step_at. Qed.

Lemma output_at t : 1 <= t -> output k (s t) = expected t.
Proof.
move=> ht; have [h0 h1] := open_is; case: (ok) => *.
have {ht}-> : t = S (t - 1) by lia.
move: (t - 1) => {}t; rewrite /output rsp_valid_at /expected.
case: (Nat.le_gt_cases (open + latency k) (S t)) => h.
- rewrite quiet; first by lia.
  rewrite responding_at; first by arith.
  have -> : t - (latency k - 1) = S t - latency k by arith.
  rewrite (proj2 (Nat.leb_le _ _)); first by lia.
  set u := S t - latency k.
  have hu : open <= u by lia.
  rewrite quiet ?ready_at /active ?age_at; try arith.
  have -> : rst_q (s (t - 1)) = false.
    have -> : t - 1 = S (t - 2) by arith.
    by rewrite rst_q_at quiet //; arith.
  rewrite (proj2 (Nat.leb_le _ _) hu) (proj2 (Nat.ltb_ge _ _)); first by arith.
  rewrite /= andb_true_r -(@private_lanes_are_one_register_file _ others_).
    move=> v; rewrite /accepted; case: (_ <=? _) => /=; [exact: lane_count|exact: repeat_length].
  rewrite /response_of_lanes accepted_open //=.
  have [_ [_ [hd hp]]] := control_open hu.
  have delays A (l : registers W -> list A) x d :
    (forall v, l (s (S v)) = push k (x v) (l (s v))) ->
    nth (latency k - E) (l (s (S t))) d = x (u + E - 1).
    move=> p; rewrite (@delay_at k _ (fun v => l (s v)) x); [done|lia|lia|].
    by have -> : S t - S (latency k - E) = u + E - 1 by arith.
  rewrite (@delays _ (@deltas W) (fun v => next_delta k (s v)));
    first by move=> v; rewrite step_at.
  rewrite (@delays _ (@states W) (fun v => next_state k (s v)));
    first by move=> v; rewrite step_at.
  rewrite controls_at; try arith.
  have -> : S t - latency k = u by [].
  rewrite next_delta_is // next_state_is // hd hp.
  by case: (offer (i u)) => [[a o]|] //; case: o.
- have -> : (if latency k <=? S t then response (file_at cs (S t - latency k))
       (cs (S t - latency k)) else None) = None.
    case: (_ <=? _) => //; rewrite /response accepted_closed //; lia.
  case: t h => [|t] h; first by rewrite reset.
  case: (Nat.le_gt_cases (S t) (C + 2)) => hc.
    suff -> : live (s (S t)) = false by rewrite andb_false_r.
    rewrite step_at [live _]/=; case: t h hc => [|t] h hc; first by rewrite reset andb_false_r.
    rewrite rst_q_at; case: t h hc => [|t] h hc; first by rewrite reset orb_true_r andb_false_r.
    rewrite /active age_at; first by lia.
    by rewrite (proj2 (Nat.ltb_lt _ _)) ?orb_true_r ?andb_false_r //; lia.
  rewrite responding_at ?ready_at; try arith.
  by rewrite (proj2 (Nat.leb_gt _ _)) ?andb_false_r //; arith.
Qed.
End Refinement.

Section Horizon.
Variables (W : group) (k : config).

Lemma cycles_agree A R (f : A -> R -> R) s i i' n :
  (forall t, t < n -> i t = i' t) -> after_cycles f s i n = after_cycles f s i' n.
Proof.
elim: n => [//|n IH] h /=; rewrite h ?IH // => t ht; apply: h; lia.
Qed.

Lemma files_agree (cs cs' : nat -> cycle W) n :
  (forall t, t < n -> cs t = cs' t) -> file_at cs n = file_at cs' n.
Proof.
elim: n => [//|n IH] h /=; rewrite h ?IH // => t ht; apply: h; lia.
Qed.

(* What the ports can carry: a command for each lane, and addresses of A bits. *)
Definition fits (i : input W) : Prop :=
  length (offers i) = other_lanes k /\
  (forall a o, offer i = Some (a, o) -> a < depth k) /\
  (forall a d, In (Some (a, d)) (offers i) -> a < depth k).

(* What holds of a circuit that is reset once holds until it is reset again. *)
Lemma until_the_next_reset R (f : input W -> R -> R) (ready_ : R -> bool)
    (output_ : R -> option (W * bool)) (s : R) (i : nat -> input W) n :
  2 <= latency k ->
  (forall j, (forall t, fits (j t)) ->
    rst (j 0) = true -> (forall t, 0 < t -> rst (j t) = false) ->
    forall t, 1 <= t ->
    ready_ (after_cycles f s j t) = (clear_cycles k <=? t) /\
    output_ (after_cycles f s j t) = expected k j t) ->
  (forall t, fits (i t)) ->
  rst (i 0) = true -> (forall t, 0 < t < n -> rst (i t) = false) ->
  forall t, 1 <= t <= n ->
  ready_ (after_cycles f s i t) = (clear_cycles k <=? t) /\
  output_ (after_cycles f s i t) = expected k i t.
Proof.
move=> lat once fit reset quiet t ht.
pose j u := if u <? n then i u
            else Input false None (offers (i u)) (junk (i u)).
have same u : u < n -> i u = j u by move=> h; rewrite /j (proj2 (Nat.ltb_lt _ _) h).
have fj u : fits (j u).
  by rewrite /j; case: (_ <? _) => //; have [? [_ ?]] := fit u; split.
rewrite (cycles_agree f s i j); first by move=> u h; apply: same; lia.
have -> : expected k i t = expected k j t.
  rewrite /expected; case: Nat.leb_spec => // h.
  have acc u : u < n -> accepted k i u = accepted k j u by move=> hu; rewrite /accepted same.
  rewrite (files_agree (accepted k i) (accepted k j)); first by move=> u hu; apply: acc; lia.
  by rewrite acc //; lia.
apply: once => //; last by lia.
- by rewrite -same //; lia.
- by move=> u hu; rewrite /j; case: Nat.ltb_spec => // h; apply: quiet; lia.
Qed.

(** Whatever registers and memories held before, from a cycle with `rst` high on, until the cycle in
    which it is high again: `ready` is low for CLEAR cycles and then high, and the ports of the
    response show, LATENCY cycles after each accepted command, in order, what the machine answers
    from its reset state on, and nothing else.
    Spec: docs/spec.md "A response appears exactly `LATENCY` cycles after its command was accepted,
      in command order."
    Spec: docs/spec.md "`ready` stays low until the clear has finished, exactly `CLEAR` cycles after
      the last cycle with `rst` high"
    Spec: docs/spec.md "Every lane accepts one command in every cycle, for any sequence of
      addresses, including the same address back to back."
    Spec: docs/spec.md "If `rst` rises in the cycle in which a response is on the port, that
      response is valid for that cycle; later ones are dropped."
    Code: crates/atomik-hdl/src/regfile/addressed.rs circuit
    Code: crates/atomik-hdl/src/regfile/lane_slice.rs circuit
    Code: crates/atomik-hdl/src/regfile/reference_slice.rs circuit
    Code: crates/atomik-golden/src/golden.rs Golden *)
Theorem the_pipeline_is_the_machine (s : registers W) (i : nat -> input W) n :
  sound k -> (forall t, fits (i t)) ->
  rst (i 0) = true -> (forall t, 0 < t < n -> rst (i t) = false) ->
  forall t, 1 <= t <= n ->
  ready (registers_at k s i t) = (clear_cycles k <=? t) /\
  output k (registers_at k s i t) = expected k i t.
Proof.
move=> ok; apply: (@until_the_next_reset _ (step k) (@ready W) (@output W k)).
  by case: ok => *; lia.
move=> j fit reset quiet t ht; split; first by apply: (@ready_at W k (registers_at k s j) j).
apply: (@output_at W k ok (registers_at k s j) j) => //.
- by move=> u; have [] := fit u.
- by move=> u a o; have [_ [h _]] := fit u; apply: h.
- by move=> u a d; have [_ [_ h]] := fit u; apply: h.
Qed.
End Horizon.
