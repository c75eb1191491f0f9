(* The circuit of a register file with DEPTH = 1, and why it is the machine of Machine.v.

   The model follows crates/atomik-hdl/src/regfile: flat.rs, flat_slice.rs and adding_flat_slice.rs,
   with control.rs and respond.rs. There is one address and no memory: the deltas that all lanes
   offer in a cycle are merged in a tree of registers, and their sum joins a single running total.
   Stages are counted as in Pipeline.v, and as much is left out as there. *)
From Coq Require Import List Bool Arith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Machine Pipeline Lane Clear Refinement.
Import ListNotations.
Set Implicit Arguments.
Unset Strict Implicit.
Open Scope nat_scope.

Section Circuit.
Variable W : group.
Variable k : config.
(* In a `config` of such a circuit, this is the stage of the total, this that of base and offset,
   and this that of delta and state. *)
Notation Z := (lane_read_stage k).
Notation B := (reference_stage k).
Notation E := (delta_stage k).

(* What the generator has to respect. *)
Record sound_flat : Prop := SoundFlat {
  one_address : depth k = 1;
  merges_first : 1 <= Z;
  then_total : Z <= B;
  then_delta : E = S B;
  then_responds : E + 2 <= latency k;
  clears_long : latency k <= clears k
}.

(* `totals`: from stage Z on, the total that the command finds. The first of them is the register
   that accumulates. *)
Record registers := Registers {
  rst_q : bool; age : nat; clearing : bool; ready : bool;
  controls : list (control W);
  merged : list W; totals : list W;
  base : W; offset : W;
  deltas : list W; states : list W;
  responding : list bool; live : bool; rsp_valid : bool
}.

Definition hold s := age s <? clears k + holds k.

(* Stage 0: the sum of what all lanes offer, whether or not it is accepted, and lane 0's command. *)
Definition delta_of (c : option (nat * W)) : W := if c is Some (_, d) then d else 0%G.
Definition offered (i : input W) : W :=
  sum (map (fun n => delta_of (lane_command (Cycle (offer i) (offers i)) n))
    (seq 0 (S (other_lanes k)))).

Definition control_input (s : registers) (i : input W) : control W :=
  let o := if offer i is Some (_, o) then o else Nop in
  Control (clearing s) 0 (if ready s then o else Nop).

(* The total as the command of stage B finds it. *)
Definition found (s : registers) : W := nth (B - Z) (totals s) 0%G.

Definition step (i : input W) (s : registers) : registers :=
  let c n := cstage n (controls s) in
  {| rst_q := rst i;
     age := if rst_q s then 0 else if hold s then S (age s) else age s;
     clearing := hold s;
     ready := negb (rst i || rst_q s || hold s);
     controls := push k (control_input s i) (controls s);
     merged := push k (offered i) (merged s);
     totals := push k (if zeroes (c Z) then 0 else nth 0 (totals s) 0 + nth (Z - 1) (merged s) 0)%G
                 (totals s);
     base := if zeroes (c B) then 0%G else if freezes (does (c B)) then found s else base s;
     offset := if zeroes (c B) then 0%G
               else if does (c B) is Load v then (v - found s)%G else offset s;
     deltas := push k (found s - base s)%G (deltas s);
     states := push k (found s + offset s)%G (states s);
     responding :=
       push k (ready s && if offer i is Some (_, o) then responds o else false) (responding s);
     live := nth (latency k - 3) (responding s) false && negb (rst i || rst_q s || hold s);
     rsp_valid := negb (rst i) && live s |}.

(* The ports `rsp_valid`, `rsp_data` and `rsp_clean`. *)
Definition output (s : registers) : option (W * bool) :=
  if rsp_valid s then
    let d := nth (latency k - E) (deltas s) 0%G in
    let c := does (cstage (latency k) (controls s)) in
    Some (match c with Read | Swap => nth (latency k - E) (states s) 0%G | _ => d end,
          is_zero d)
  else None.
End Circuit.

Section Refinement.
Variables (W : group) (k : config).
Hypothesis ok : sound_flat k.
Notation Z := (lane_read_stage k).
Notation B := (reference_stage k).
Notation E := (delta_stage k).
Notation C := (clears k).
Notation open := (clear_cycles k).
Notation others_ := (other_lanes k).

(* Anything at power-up, one cycle of reset, and none after it. *)
Variables (s : nat -> registers W) (i : nat -> input W).
Hypothesis step_at : forall t, s (S t) = step k (i t) (s t).
Hypothesis reset : rst (i 0) = true.
Hypothesis quiet : forall t, 0 < t -> rst (i t) = false.
Hypothesis fit : forall t, fits k (i t).

Notation cs := (accepted k i).
Notation tot t := (total_at others_ cs t 0).
Notation ctl t := (control_input (s t) (i t)).

Lemma stages : 1 <= Z <= B /\ E = S B /\ E + 2 <= latency k <= longest k /\ 3 + latency k <= open.
Proof. case: (ok) => *; rewrite /longest; arith. Qed.

Lemma rst_q_at t : rst_q (s (S t)) = rst (i t).
Proof. by rewrite step_at. Qed.

Lemma age_at t : 2 <= t -> age (s t) = Nat.min (t - 2) (C + holds k).
Proof.
move=> h; apply: (@ages C (holds k) (fun t => rst (i t)) (fun t => rst_q (s t))
  (fun t => age (s t))) => // u; by rewrite step_at.
Qed.

Lemma ready_at t : 1 <= t -> ready (s t) = (open <=? t).
Proof.
move=> h; apply: (@readies C (holds k) (fun t => rst (i t)) (fun t => rst_q (s t))
  (fun t => age (s t)) (fun t => ready (s t))) => // u; by rewrite step_at.
Qed.

Lemma hold_at t : 2 <= t -> hold k (s t) = (S t <? open).
Proof.
move=> h; rewrite /hold age_at //; apply/Bool.eq_iff_eq_true; rewrite !Nat.ltb_lt; arith.
Qed.

Lemma controls_at n t : 1 <= n <= longest k -> n <= t -> cstage n (controls (s t)) = ctl (t - n).
Proof.
move=> h1 h2; rewrite /cstage (@delay_at k _ (fun t => controls (s t)) (fun t => ctl t));
  [by move=> u; rewrite step_at|lia|lia|].
by have -> : t - S (n - 1) = t - n by lia.
Qed.

Lemma control_open t : open <= t ->
  zeroes (ctl t) = false /\ does (ctl t) = (if offer (i t) is Some (_, o) then o else Nop).
Proof.
move=> h; have [h1 [h2 [h3 h4]]] := stages.
rewrite /control_input ready_at; first by lia.
rewrite (proj2 (Nat.leb_le _ _) h) /=; split=> //.
have -> : t = S (t - 1) by lia.
rewrite step_at [clearing _]/= hold_at; first by lia.
apply/Nat.ltb_ge; lia.
Qed.

Lemma control_last : zeroes (ctl (open - 1)) = true.
Proof.
have [h1 [h2 [h3 h4]]] := stages; rewrite /control_input /=.
have -> : open - 1 = S (open - 2) by lia.
rewrite step_at [clearing _]/= hold_at; first by lia.
apply/Nat.ltb_lt; lia.
Qed.

(* There is one address. *)
Lemma only_address t n a d :
  lane_command (Cycle (offer (i t)) (offers (i t))) n = Some (a, d) -> a = 0.
Proof.
have [_ [h1 h2]] := fit t; have one := one_address ok.
have low b : b < depth k -> b = 0 by rewrite one; lia.
case: n => [|n] /=.
  case e: (offer (i t)) => [[b o]|] //; case: o e => // d' e [<- _]; apply: low; exact: h1 e.
move=> e; apply: low; apply: (h2 a d); rewrite -e; apply: nth_In.
case: (Nat.le_gt_cases (length (offers (i t))) n) => // h.
by rewrite nth_overflow in e.
Qed.

Lemma offer_address t a o : offer (i t) = Some (a, o) -> a = 0.
Proof. by have [_ [h _]] := fit t; move/h; rewrite (one_address ok); lia. Qed.

Lemma total_step t : tot (S t) =
  (tot t + sum (map (fun n => added W (lane_command (cs t) n) 0) (seq 0 (S others_))))%G.
Proof. exact: (sum_map_add (fun n => lane_at n cs t 0)). Qed.

Lemma total_early t : t <= open -> tot t = 0%G.
Proof.
elim: t => [|t IH] h; first by apply: sum_map_zero.
rewrite total_step IH; first by lia.
rewrite sum_map_zero ?add_zero // => n _; by rewrite closed_command.
Qed.

Lemma total_offered t : open <= t -> tot (S t) = (tot t + offered k (i t))%G.
Proof.
move=> h; rewrite total_step accepted_open // /offered; congr add; apply: sum_map_ext => n _.
by case e: lane_command => [[a d]|] //=; rewrite (only_address e).
Qed.

(* The running total is the sum of what was accepted before. *)
Lemma total_now t : open <= t -> nth 0 (totals (s (t + Z))) 0%G = tot t.
Proof.
have [h1 [h2 [h3 h4]]] := stages.
move=> h; have {h}-> : t = open + (t - open) by lia.
elim: (t - open) => {t} [|t IH].
- rewrite Nat.add_0_r total_early //.
  have -> : open + Z = S (open - 1 + Z) by lia.
  rewrite step_at [totals _]/= push_head controls_at; try lia.
  have -> : open - 1 + Z - Z = open - 1 by lia.
  by rewrite control_last.
- rewrite Nat.add_succ_r total_offered -?IH; first by lia.
  rewrite Nat.add_succ_l step_at [totals _]/= push_head controls_at; try lia.
  have -> : open + t + Z - Z = open + t by lia.
  have [-> _] := control_open (t := open + t) ltac:(lia); congr add.
  rewrite (@delay_at k _ (fun t => merged (s t)) (fun t => offered k (i t)));
    [by move=> u; rewrite step_at|lia|lia|].
  by have -> : open + t + Z - S (Z - 1) = open + t by lia.
Qed.

Lemma found_now t : open <= t -> found k (s (t + B)) = tot t.
Proof.
have [h1 [h2 [h3 h4]]] := stages; move=> h; rewrite /found -total_now //.
have -> : t + B = t + Z + (B - Z) by lia.
apply: (@delay_from k _ (fun t => totals (s t)) (fun t =>
  if zeroes (cstage Z (controls (s t))) then 0
  else nth 0 (totals (s t)) 0 + nth (Z - 1) (merged (s t)) 0)%G); last by lia.
by move=> u; rewrite step_at.
Qed.

Lemma nothing_kept t : t <= open -> base_at others_ cs t 0 = 0%G /\ offset_at others_ cs t 0 = 0%G.
Proof.
elim: t => [//|t IH] h /=; have [-> ->] := IH ltac:(lia).
by rewrite /frozen /loaded accepted_closed.
Qed.

(* Base and offset are those of the only address. *)
Lemma kept_now t : open <= t ->
  base (s (t + B)) = base_at others_ cs t 0 /\ offset (s (t + B)) = offset_at others_ cs t 0.
Proof.
have [h1 [h2 [h3 h4]]] := stages.
move=> h; have {h}-> : t = open + (t - open) by lia.
elim: (t - open) => {t} [|t [IHb IHo]].
- rewrite Nat.add_0_r; have [-> ->] := @nothing_kept open ltac:(lia).
  have -> : open + B = S (open - 1 + B) by lia.
  rewrite step_at [base _]/= [offset _]/= controls_at; try lia.
  have -> : open - 1 + B - B = open - 1 by lia.
  by rewrite control_last.
- rewrite Nat.add_succ_r Nat.add_succ_l step_at [base _]/= [offset _]/= controls_at; try lia.
  have -> : open + t + B - B = open + t by lia.
  have [-> ->] := control_open (t := open + t) ltac:(lia).
  rewrite found_now ?IHb ?IHo; first by lia.
  rewrite [base_at _ _ (S _) _]/= [offset_at _ _ (S _) _]/=.
  rewrite /frozen /loaded accepted_open; first by lia.
  rewrite [first _]/=; case e: (offer _) => [[a o]|] //; rewrite (offer_address e).
  by case: o {e}.
Qed.

Lemma output_at t : 1 <= t -> output k (s t) = expected k i t.
Proof.
have [h1 [h2 [h3 h4]]] := stages; move=> ht; have {ht}-> : t = S (t - 1) by lia.
move: (t - 1) => {}t; rewrite /output step_at [rsp_valid _]/= /expected.
case: (Nat.le_gt_cases (open + latency k) (S t)) => h.
- have [u eu] : exists u, S t = u + latency k by exists (S t - latency k); lia.
  have hu : open <= u by lia.
  have -> : live (s t) = (ready (s u) && if offer (i u) is Some (_, o) then responds o else false).
    have -> : t = S (t - 1) by lia.
    rewrite step_at [live _]/= quiet ?hold_at; try lia.
    have -> : rst_q (s (t - 1)) = false.
      have -> : t - 1 = S (t - 2) by lia.
      by rewrite rst_q_at quiet //; lia.
    rewrite (proj2 (Nat.ltb_ge (S (t - 1)) open)); first by lia.
    rewrite andb_true_r (@delay_at k _ (fun t => responding (s t))
      (fun u => ready (s u) && if offer (i u) is Some (_, o) then responds o else false));
      [by move=> v; rewrite step_at|lia|lia|].
    by have -> : t - 1 - S (latency k - 3) = u by lia.
  rewrite quiet; first by lia.
  rewrite (proj2 (Nat.leb_le (latency k) (S t))); first by lia.
  rewrite -step_at eu Nat.add_sub.
  rewrite ready_at ?(proj2 (Nat.leb_le _ _) hu); first by lia.
  rewrite -(@private_lanes_are_one_register_file _ others_).
    move=> v; rewrite /accepted; case: (_ <=? _) => /=; last exact: repeat_length.
    by have [] := fit v.
  rewrite /response_of_lanes accepted_open // controls_at; try lia.
  rewrite Nat.add_sub; have [_ ->] := control_open hu.
  have later A (l : registers W -> list A) x d :
    (forall v, l (s (S v)) = push k (x v) (l (s v))) ->
    nth (latency k - E) (l (s (u + latency k))) d = x (u + B).
    move=> p; rewrite (@delay_at k _ (fun v => l (s v)) x); [done|lia|lia|].
    by have -> : u + latency k - S (latency k - E) = u + B by lia.
  rewrite (@later _ (@deltas W) (fun v => (found k (s v) - base (s v))%G));
    first by move=> v; rewrite step_at.
  rewrite (@later _ (@states W) (fun v => (found k (s v) + offset (s v))%G));
    first by move=> v; rewrite step_at.
  rewrite found_now //; have [-> ->] := kept_now hu.
  rewrite [first _]/=; case e: (offer (i u)) => [[a o]|] //; rewrite (offer_address e).
  by case: o {e}.
- have -> : (if latency k <=? S t then response (file_at cs (S t - latency k))
       (cs (S t - latency k)) else None) = None.
    case: (_ <=? _) => //; rewrite /response accepted_closed //; lia.
  case: t h => [|t] h; first by rewrite reset.
  suff -> : live (s (S t)) = false by rewrite andb_false_r.
  rewrite step_at [live _]/=; case: t h => [|t] h; first by rewrite reset andb_false_r.
  rewrite rst_q_at; case: t h => [|t] h; first by rewrite reset orb_true_r andb_false_r.
  rewrite hold_at; first by lia.
  case: (Nat.lt_ge_cases (S (S (S t))) open) => ho.
    by rewrite (proj2 (Nat.ltb_lt _ _) ho) orb_true_r andb_false_r.
  rewrite (@delay_at k _ (fun t => responding (s t))
    (fun u => ready (s u) && if offer (i u) is Some (_, o) then responds o else false));
    [by move=> u; rewrite step_at|lia|lia|].
  by rewrite ready_at ?(proj2 (Nat.leb_gt _ _)) //; lia.
Qed.
End Refinement.

(** The same of the circuit with a single address, which has no memory.
    Spec: docs/spec.md "**DEPTH = 1** is the flat accumulator (no address port, no memory block):
      the classic parallel accumulator bank."
    Code: crates/atomik-hdl/src/regfile/flat.rs circuit
    Code: crates/atomik-hdl/src/regfile/flat_slice.rs circuit
    Code: crates/atomik-hdl/src/regfile/adding_flat_slice.rs circuit *)
Theorem the_flat_accumulator_is_the_machine W k (s : registers W) (i : nat -> input W) n :
  sound_flat k -> (forall t, fits k (i t)) ->
  rst (i 0) = true -> (forall t, 0 < t < n -> rst (i t) = false) ->
  forall t, 1 <= t <= n ->
  let s_t := after_cycles (step k) s i t in
  ready s_t = (clear_cycles k <=? t) /\ output k s_t = expected k i t.
Proof.
move=> ok; apply: (@until_the_next_reset W k _ (step k) (@ready W) (@output W k)).
  by case: ok => *; lia.
move=> j fit reset quiet t ht; split.
- by apply: (@ready_at W k (after_cycles (step k) s j) j).
- by apply: (@output_at W k ok (after_cycles (step k) s j) j).
Qed.
