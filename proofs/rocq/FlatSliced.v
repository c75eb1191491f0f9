(* The register file with one address, with a slice for each segment of its words: flat.rs and
   adding_flat_slice.rs. As in Sliced.v, and shorter, because there is no memory. *)
From Coq Require Import List Bool Arith NArith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Machine Pipeline Lane Refinement Slices Flat.
From Atomik Require Sliced.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

Section FlatSliced.
Variables (W : group) (k : config).
Hypothesis ok : sound_flat k.
Notation Z := (lane_read_stage k).
Notation B := (reference_stage k).
Notation E := (delta_stage k).

Inductive row_name := Merged | Totals | Deltas | States.
Inductive register_name := InRow (r : row_name) (n : nat) | Base | Offset.
(* `Offered n` sums what the lanes offer, from lane `other_lanes - n` on. *)
Inductive adder_name := Offered (n : nat) | NewTotal | NewOffset | NewDelta | NewState.

Notation register_operand := (operand W register_name adder_name False).
Notation zero_ := (@Slices.Zero W register_name adder_name False).
Notation given := (@Given W register_name adder_name False).
Notation held := (@Held W register_name adder_name False).
Notation made := (@Made W register_name adder_name False).

(* Control is what the registers of control hold, and what is offered. *)
Notation controlled := (registers W * input W)%type.

Definition found_operand : register_operand := held (InRow Totals (B - Z)).

Definition newest (c : controlled) (r : row_name) : register_operand :=
  match r with
  | Merged => made (Offered (other_lanes k))
  | Totals => if zeroes (cstage Z (controls (fst c))) then zero_ else made NewTotal
  | Deltas => made NewDelta
  | States => made NewState
  end.

Definition taken (c : controlled) (r : register_name) : register_operand :=
  let b := cstage B (controls (fst c)) in
  match r with
  | InRow r 0 => newest c r
  | InRow r (S n) => if S n <? longest k then held (InRow r n) else zero_
  | Base => if zeroes b then zero_ else if freezes (does b) then found_operand else held Base
  | Offset =>
      if zeroes b then zero_ else if does b is Load _ then made NewOffset else held Offset
  end.

Definition left_operand (c : controlled) (a : adder_name) : register_operand :=
  match a with
  | Offered n =>
      given (delta_of (lane_command (Cycle (offer (snd c)) (offers (snd c))) (other_lanes k - n)))
  | NewTotal => held (InRow Totals 0)
  | NewOffset => if does (cstage B (controls (fst c))) is Load v then given v else zero_
  | NewDelta | NewState => found_operand
  end.

Definition right_operand (c : controlled) (a : adder_name) : register_operand :=
  match a with
  | Offered n => if n is S n then made (Offered n) else zero_
  | NewTotal => held (InRow Merged (Z - 1))
  | NewOffset => found_operand
  | NewDelta => held Base
  | NewState => held Offset
  end.

Definition data_path : circuit W controlled register_name adder_name False := {|
  takes := taken;
  subtracts := fun a => match a with NewOffset | NewDelta => true | _ => false end;
  left_of := left_operand;
  right_of := right_operand;
  has := fun r => match r with InRow _ n => n < longest k | _ => True end;
  has_adder := fun a => match a with Offered n => n <= other_lanes k | _ => True end;
  rank := fun a => match a with Offered n => n | _ => 0 end
|}.

Lemma stages_there : Z - 1 < longest k /\ B - Z < longest k.
Proof. by case: ok => *; rewrite /longest; lia. Qed.

Lemma data_path_acyclic : acyclic data_path.
Proof.
have [h1 h2] := stages_there.
split.
- move=> c r hr; exists (S (other_lanes k)).
  case: r hr => [[] [|n]||] /= hr //; rewrite /found_operand /=; try by split; lia.
  + by case: (_ <? _) => /=; lia.
  + by case: zeroes => //=; split; lia.
  + by case: (_ <? _) => //=; lia.
  + by case: (_ <? _) => //=; lia.
  + by case: (_ <? _) => //=; lia.
  + by case: zeroes => //; case: freezes.
  + by case: zeroes => //; case: does => //=; split; lia.
- move=> c [n||||] h; split=> //=; rewrite /found_operand //=; try lia.
  + by case: n h => [|n] //= h; split; lia.
  + by case: does.
Qed.

Definition row_of (s : registers W) (r : row_name) : list W :=
  match r with
  | Merged => merged s | Totals => totals s | Deltas => deltas s | States => states s
  end.
Definition holds (s : registers W) (r : register_name) : W :=
  match r with
  | InRow r n => nth n (row_of s r) 0%G
  | Base => base s
  | Offset => offset s
  end.

Definition gives (s : registers W) (i : input W) (a : adder_name) : W :=
  match a with
  | Offered n =>
      sum (map (fun l => delta_of (lane_command (Cycle (offer i) (offers i)) l))
        (seq (other_lanes k - n) (S n)))
  | NewTotal => (nth 0 (totals s) 0 + nth (Z - 1) (merged s) 0)%G
  | NewOffset =>
      ((if does (cstage B (controls s)) is Load v then v else 0) - found k s)%G
  | NewDelta => (found k s - base s)%G
  | NewState => (found k s + offset s)%G
  end.

Definition blank (s : registers W) : registers W := {|
  rst_q := rst_q s; age := age s; clearing := clearing s; ready := ready s;
  controls := controls s; merged := []; totals := []; base := 0%G; offset := 0%G;
  deltas := []; states := [];
  responding := responding s; live := live s; rsp_valid := rsp_valid s
|}.

Lemma blank_step i s : blank (step k i s) = blank (step k i (blank s)).
Proof. by []. Qed.

Section Word.
Variables (s : registers W) (i : input W) (junk : False -> W).
Notation values := (value_of junk (holds s) (gives s i)).

Lemma gives_is a : has_adder data_path a ->
  let x := values (left_operand (s, i) a) in
  let y := values (right_operand (s, i) a) in
  gives s i a = (if subtracts data_path a then x - y else x + y)%G.
Proof.
case: a => [n||||] h x y; rewrite {}/x {}/y //.
- rewrite [subtracts _ _]/= /left_operand /right_operand [gives _ _ _]/=.
  congr (_ + _)%G; case: n h => [|n] h //; rewrite [values _]/=.
  have {}h : S n <= other_lanes k by [].
  by have -> : S (other_lanes k - S n) = other_lanes k - n by lia.
- by rewrite /=; case: does.
Qed.

Lemma step_takes r : has data_path r -> holds (step k i s) r = values (taken (s, i) r).
Proof.
have row q : row_of (step k i s) q = push k (values (newest (s, i) q)) (row_of s q).
  case: q => //; rewrite /newest /row_of /step.
    by rewrite /offered; cbn [merged value_of gives]; rewrite Nat.sub_diag.
  by cbn [totals fst]; case: zeroes.
case: r => [q [|n]||] h.
- by rewrite [LHS]/= row push_head.
- rewrite [LHS]/= row /push nth_firstn // [RHS]/=.
  by have /Nat.ltb_lt -> : S n < longest k by [].
- by rewrite /=; case: zeroes => //; case: freezes.
- by rewrite /=; case: zeroes => //; case e: does => //=; rewrite e.
Qed.
End Word.

Section Run.
Variable S_ : segmentation W.
Variables (i : nat -> input W) (f : nat -> registers W).
Variable w : slices register_name adder_name False S_.

Definition word_of_row (r : row_name) (t : nat) : W :=
  joined S_ (fun p => slice_held w p t (InRow r (latency k - E - late S_ p))).
Definition output_of_slices (t : nat) : option (W * bool) :=
  if rsp_valid (f t) then
    Some (match does (cstage (latency k) (controls (f t))) with
          | Read | Swap => word_of_row States t
          | _ => word_of_row Deltas t
          end,
          forallb (fun p => is_zero (slice_held w p t (InRow Deltas (latency k - E - late S_ p))))
            (segments S_))
  else None.

Record runs : Prop := Runs {
  control_runs : forall t, f (S t) = blank (step k (i t) (f t));
  slices_run : sliced data_path (fun t => (f t, i t)) w;
  in_time : forall p, In p (segments S_) -> late S_ p <= latency k - E
}.
Hypothesis run : runs.

Definition fill (c : registers W) (v : register_name -> W) : registers W :=
  let row r := map (fun n => v (InRow r n)) (seq 0 (longest k)) in
  {| rst_q := rst_q c; age := age c; clearing := clearing c; ready := ready c;
     controls := controls c; merged := row Merged; totals := row Totals;
     base := v Base; offset := v Offset; deltas := row Deltas; states := row States;
     responding := responding c; live := live c; rsp_valid := rsp_valid c |}.

Lemma fill_holds c v r : has data_path r -> holds (fill c v) r = v r.
Proof.
case: r => [r n||] h //; rewrite [LHS]/=.
by case: r h => h; cbn [row_of merged totals deltas states fill]; rewrite Sliced.nth_map_seq.
Qed.

Definition word_start : registers W :=
  fill (f 0) (fun r => joined S_ (fun p => slice_held w p (late S_ p) r)).
Notation s t := (after_cycles (step k) word_start i t).

Lemma control_is t : blank (s t) = blank (f t).
Proof.
elim: t => [//|t IH].
by rewrite (control_runs run) -[s (S t)]/(step k (i t) (s t)) blank_step IH.
Qed.

Lemma same_control t :
  [/\ controls (s t) = controls (f t), ready (s t) = ready (f t) &
      rsp_valid (s t) = rsp_valid (f t)].
Proof. by have := control_is t => -[]. Qed.

Lemma whole_runs : whole data_path (fun t => (f t, i t)) (fun _ j => match j : False with end)
  (fun t => holds (s t)) (fun t => gives (s t) (i t)).
Proof.
split.
- move=> t r h; have -> : takes data_path (f t, i t) r = taken (s t, i t) r.
    have [e _ _] := same_control t; rewrite /= /taken /newest [fst _]/=.
    by rewrite [fst (s t, i t)]/= e.
  by rewrite -step_takes.
- move=> t a h x y; rewrite {}/x {}/y; have [e _ _] := same_control t.
  have -> : left_of data_path (f t, i t) a = left_operand (s t, i t) a.
    by case: a {h} => //=; rewrite e.
  exact: gives_is.
Qed.

Lemma slices_hold t p r : In p (segments S_) -> has data_path r ->
  slice_held w p (t + late S_ p) r = part S_ p (holds (s t) r).
Proof.
move=> hp hr.
have starts q r' : In q (segments S_) -> has data_path r' ->
    slice_held w q (late S_ q) r' = part S_ q (holds (s 0) r').
  by move=> hq hr'; rewrite [s 0]/= fill_holds // part_joined.
have h := a_circuit_of_segments_is_the_circuit_of_words data_path_acyclic (slices_run run)
  whole_runs (fun q u j => match j : False with end) starts t p hp.
by case: h => h _; exact: h.
Qed.

Lemma row_later r n m t : n + m < longest k ->
  holds (s (t + m)) (InRow r (n + m)) = holds (s t) (InRow r n).
Proof.
elim: m => [|m IH] lt; first by rewrite !Nat.add_0_r.
rewrite !Nat.add_succ_r -IH; first by lia.
have := @whole_takes _ _ _ _ _ _ _ _ _ _ whole_runs (t + m) (InRow r (S (n + m))).
move=> -> /=; first by lia.
by have /Nat.ltb_lt -> : S (n + m) < longest k by lia.
Qed.

Lemma output_is t : latency k - E <= t -> output_of_slices t = output k (s t).
Proof.
move=> ht; have [c _ v] := same_control t.
rewrite /output_of_slices /output c v; case: rsp_valid => //.
have row r p : In p (segments S_) ->
    slice_held w p t (InRow r (latency k - E - late S_ p)) =
    part S_ p (nth (latency k - E) (row_of (s t) r) 0%G).
  move=> hp; have le := in_time run p hp.
  have lt : latency k - E < longest k by rewrite /longest; lia.
  have -> : slice_held w p t = slice_held w p (t - late S_ p + late S_ p) by congr slice_held; lia.
  rewrite slices_hold //=; first by lia.
  have e := @row_later r (latency k - E - late S_ p) (late S_ p) (t - late S_ p) ltac:(lia).
  congr part; rewrite -[LHS]e /holds.
  have -> : t - late S_ p + late S_ p = t by lia.
  by have -> : latency k - E - late S_ p + late S_ p = latency k - E by lia.
have words_ r : word_of_row r t = nth (latency k - E) (row_of (s t) r) 0%G.
  by apply: (part_same S_) => p hp; rewrite part_joined // row.
rewrite !words_ (zero_in_segments S_); congr (Some (_, _)).
by apply: Sliced.forallb_same => p hp; rewrite row.
Qed.

Lemma slices_respond n t : (forall t, fits k (i t)) ->
  rst (i 0) = true -> (forall t, 0 < t < n -> rst (i t) = false) -> 1 <= t <= n ->
  ready (f t) = (clear_cycles k <=? t) /\ output_of_slices t = expected k i t.
Proof.
move=> fit reset quiet ht.
have [r o] := @the_flat_accumulator_is_the_machine W k word_start i n ok fit reset quiet t ht.
have [_ <- v] := same_control t; split=> //.
case: (Nat.le_gt_cases (latency k - E) t) => h; first by rewrite output_is.
have none : expected k i t = None.
  rewrite /expected; have /Nat.leb_gt -> // : t < latency k.
  by case: ok => *; lia.
rewrite none; rewrite none in o; rewrite /output_of_slices -v.
by move: o; rewrite /output; case: rsp_valid.
Qed.
End Run.

Lemma runs_exist (S_ : segmentation W) (i : nat -> input W) (c : registers W)
    (v : register_name -> W) :
  (forall p, In p (segments S_) -> late S_ p <= latency k - E) ->
  exists f (w : slices register_name adder_name False S_), runs i f w /\
    forall p r, In p (segments S_) -> has data_path r ->
      slice_held w p (late S_ p) r = part S_ p (v r).
Proof.
move=> in_time_; pose s t := after_cycles (step k) (fill c v) i t; pose f t := blank (s t).
have W_ : whole data_path (fun t => (f t, i t)) (fun _ j => match j : False with end)
    (fun t => holds (s t)) (fun t => gives (s t) (i t)).
  split.
    by move=> t r h; rewrite -[takes data_path _ _]/(taken (s t, i t) r) -step_takes.
  by move=> t a h x y; rewrite {}/x {}/y; exact: (@gives_is (s t) (i t)).
exists f, (slices_of data_path (fun t => (f t, i t)) S_ (fun _ j => match j : False with end)
  (fun t => holds (s t)) (fun t => gives (s t) (i t))).
split; last by move=> p r hp hr; rewrite /= Nat.sub_diag [s 0]/= fill_holds.
by split=> //; exact: slices_exist data_path_acyclic W_.
Qed.
End FlatSliced.
