(* The machine of docs/spec.md, sections 1 and 2, as a program, and why base, offset and private
   lanes are the same machine. *)
From Coq Require Import List Bool Arith Lia Permutation.
From Coq Require Import ssreflect.
From Atomik Require Import Group.
Import ListNotations.
Set Implicit Arguments.

Definition update A (f : nat -> A) (a : nat) (x : A) : nat -> A :=
  fun b => if b =? a then x else f b.

Section Machine.
Variable W : group.

(* Section 1: the ops. Code 7 acts as NOP. *)
Inductive op := Nop | Load (v : W) | Accum (d : W) | Read | Swap | Delta | Drain.

(* The state of one address: `Accumulator` of crates/atomik-algebra/src/accumulator.rs. *)
Record cell := Cell { reference : W; accumulator : W }.

Definition state (c : cell) : W := reference c + accumulator c.

(* `Accumulator::apply`: the effect of an op, and its response: a word, and `clean`. *)
Definition effect (o : op) (c : cell) : cell :=
  match o with
  | Nop | Read | Delta => c
  | Load v => Cell v 0
  | Accum d => Cell (reference c) (accumulator c + d)
  | Swap | Drain => Cell (state c) 0
  end.

Definition respond (o : op) (c : cell) : option (W * bool) :=
  match o with
  | Nop | Load _ | Accum _ => None
  | Read | Swap => Some (state c, is_zero (accumulator c))
  | Delta | Drain => Some (accumulator c, is_zero (accumulator c))
  end.

(* Section 2: the register file. Lane 0 takes every op, the others ACCUM alone. A command is an
   address with an op or with a delta. *)
Definition file := nat -> cell.
Definition empty : file := fun _ => Cell 0 0.

Record cycle := Cycle { first : option (nat * op); others : list (option (nat * W)) }.
Definition idle : cycle := Cycle None [].

Definition execute (m : file) (c : nat * op) : file :=
  update m (fst c) (effect (snd c) (m (fst c))).

Definition accumulate (m : file) (c : option (nat * W)) : file :=
  if c is Some (a, d) then execute m (a, Accum d) else m.

(* "Commands take effect in the order (cycle accepted, lane number)." *)
Definition after (m : file) (c : cycle) : file :=
  fold_left accumulate (others c) (if first c is Some c then execute m c else m).

Definition response (m : file) (c : cycle) : option (W * bool) :=
  if first c is Some (a, o) then respond o (m a) else None.

Fixpoint run (m : file) (cs : list cycle) : list (option (W * bool)) :=
  if cs is c :: cs then response m c :: run (after m c) cs else [].

(* The file before cycle t of an endless sequence of cycles. *)
Fixpoint file_at (cs : nat -> cycle) (t : nat) : file :=
  if t is S t then after (file_at cs t) (cs t) else empty.

Lemma run_file_at cs n : forall t,
  run (file_at cs t) (map cs (seq t n)) =
  map (fun t => response (file_at cs t) (cs t)) (seq t n).
Proof. by elim: n => [|n IH] t //=; rewrite -IH. Qed.

(** SWAP and DRAIN leave the state unchanged.
    Spec: docs/spec.md "`SWAP` and `DRAIN` leave `S` unchanged"
    Code: crates/atomik-algebra/src/accumulator.rs Accumulator::swap, Accumulator::drain *)
Theorem swap_and_drain_keep_the_state c :
  state (effect Swap c) = state c /\ state (effect Drain c) = state c.
Proof. by rewrite /state /= add_zero. Qed.

Definition deltas (ds : list W) (c : cell) : cell :=
  fold_left (fun c d => effect (Accum d) c) ds c.

Lemma deltas_sum ds : forall c,
  deltas ds c = Cell (reference c) (accumulator c + sum ds).
Proof.
elim: ds => [|d ds IH] [r a] /=; first by rewrite add_zero.
by rewrite /deltas /= -/(deltas _ _) IH /=; congr Cell; group_eq.
Qed.

(** Deltas that are rolled back, in any order, were never applied.
    Spec: docs/spec.md "a rollback of any sub-multiset equals never having applied it"
    Code: crates/atomik-algebra/src/accumulator.rs Accumulator::rollback *)
Theorem rollback_equals_never_applied c applied undone kept rolled :
  Permutation applied (undone ++ kept) -> Permutation rolled (map (opp W) undone) ->
  deltas rolled (deltas applied c) = deltas kept c.
Proof.
move=> pa pr; rewrite !deltas_sum /= (sum_permutation pa) (sum_permutation pr) sum_app.
have -> : sum (map (opp W) undone) = - sum undone.
  by elim: undone {pa pr} => [|d ds IH] /=; rewrite ?opp_zero // IH opp_add.
by congr Cell; group_eq.
Qed.

(* Base, offset and private lanes. Lane l has a memory of its own, into which it adds its deltas,
   and which nothing clears. *)
Definition lane_command (c : cycle) (l : nat) : option (nat * W) :=
  match l with
  | O => if first c is Some (a, Accum d) then Some (a, d) else None
  | S i => nth i (others c) None
  end.

(* What a command adds at address a. *)
Definition added (c : option (nat * W)) (a : nat) : W :=
  if c is Some (b, d) then if b =? a then d else 0 else 0.

Fixpoint lane_at (l : nat) (cs : nat -> cycle) (t : nat) (a : nat) : W :=
  if t is S t then lane_at l cs t a + added (lane_command (cs t) l) a else 0.

(* The sum of lane 0 and n other lanes. *)
Definition total_at (n : nat) (cs : nat -> cycle) (t : nat) (a : nat) : W :=
  sum (map (fun l => lane_at l cs t a) (seq 0 (S n))).

Definition freezes (o : op) : bool :=
  match o with Load _ | Swap | Drain => true | _ => false end.

Definition frozen (c : cycle) (a : nat) : bool :=
  if first c is Some (b, o) then (b =? a) && freezes o else false.

Definition loaded (c : cycle) (a : nat) : option W :=
  if first c is Some (b, Load v) then if b =? a then Some v else None else None.

(* LOAD, SWAP and DRAIN move the base to the total, and LOAD alone moves the offset. *)
Fixpoint base_at (n : nat) (cs : nat -> cycle) (t : nat) (a : nat) : W :=
  if t is S t then if frozen (cs t) a then total_at n cs t a else base_at n cs t a else 0.

Fixpoint offset_at (n : nat) (cs : nat -> cycle) (t : nat) (a : nat) : W :=
  if t is S t then
    if loaded (cs t) a is Some v then v - total_at n cs t a else offset_at n cs t a
  else 0.

Lemma accumulate_all l : forall m a,
  fold_left accumulate l m a =
  Cell (reference (m a)) (accumulator (m a) + sum (map (fun c => added c a) l)).
Proof.
elim: l => [|c l IH] m a /=; first by rewrite add_zero; case: (m a).
rewrite IH; case: c => [[b d]|] /=; last by congr Cell; group_eq.
rewrite /execute /update Nat.eqb_sym; case: Nat.eqb_spec => [->|_] /=; congr Cell; group_eq.
Qed.

Lemma total_step n cs t a : length (others (cs t)) = n ->
  total_at n cs (S t) a =
  total_at n cs t a + added (lane_command (cs t) 0) a +
  sum (map (fun c => added c a) (others (cs t))).
Proof.
move=> hn; rewrite /total_at sum_map_add -add_assoc; congr (_ + _).
rewrite [seq _ _]/= [map _ _]/= [sum _]/=; congr (_ + _).
rewrite -hn -seq_shift map_map /=.
elim: (others (cs t)) => [|c l IH] //=; congr (_ + _); rewrite -IH -seq_shift map_map //.
Qed.

(** The sum of private lanes that nothing clears, less a base, is the accumulator; with an offset
    it is the state.
    Spec: docs/spec.md "A lane never has to be cleared: keep a *base* per address"
    Code: crates/atomik-hdl/src/regfile/reference.rs circuit
    Code: crates/atomik-algebra/src/register_file.rs RegisterFile *)
Theorem base_and_offset_are_reference_and_accumulator n cs t a :
  (forall t, length (others (cs t)) = n) ->
  accumulator (file_at cs t a) = total_at n cs t a - base_at n cs t a /\
  state (file_at cs t a) = total_at n cs t a + offset_at n cs t a.
Proof.
move=> hn; elim: t => [|t [IHd IHs]].
- have z : total_at n cs 0 a = 0 by apply: sum_map_zero.
  by rewrite /= z /state /=; split; group_eq.
- rewrite [file_at _ _]/= /after accumulate_all total_step // [base_at _ _ _ _]/=.
  rewrite [offset_at _ _ _ _]/=.
  move: IHd IHs; rewrite /frozen /loaded /lane_command /state.
  move: (total_at n cs t a) (base_at n cs t a) (offset_at n cs t a) => T B O.
  move: (sum _) => X hd hs.
  have {}hs : reference (file_at cs t a) = O + B.
    have -> : O + B = (T + O) - (T - B) by group_eq.
    by rewrite -hs hd; group_eq.
  case: (first (cs t)) => [[b o]|] /=; last by rewrite hd hs; split; group_eq.
  rewrite /execute /update /= (Nat.eqb_sym a b); case: Nat.eqb_spec => [e|/Nat.eqb_neq ne] /=.
  + by subst b; case: o => * /=; rewrite ?Nat.eqb_refl /state ?hd ?hs /=; split; group_eq.
  + by case: o => * /=; rewrite ?ne hd hs; split; group_eq.
Qed.

(* The response that base, offset and lanes give to a cycle. *)
Definition response_of_lanes n (cs : nat -> cycle) (t : nat) : option (W * bool) :=
  if first (cs t) is Some (a, o) then
    let delta := total_at n cs t a - base_at n cs t a in
    let now := total_at n cs t a + offset_at n cs t a in
    match o with
    | Nop | Load _ | Accum _ => None
    | Read | Swap => Some (now, is_zero delta)
    | Delta | Drain => Some (delta, is_zero delta)
    end
  else None.

(** Private lanes, merged for each command of lane 0, answer every sequence of cycles as one
    register file does.
    Spec: docs/spec.md "the accumulator of an address is the sum of all lanes' entries"
    Code: crates/atomik-hdl/src/regfile/addressed.rs circuit
    Code: crates/atomik-algebra/src/register_file.rs RegisterFile *)
Theorem private_lanes_are_one_register_file n cs t :
  (forall t, length (others (cs t)) = n) ->
  response_of_lanes n cs t = response (file_at cs t) (cs t).
Proof.
move=> hn; rewrite /response_of_lanes /response; case: (first (cs t)) => [[a o]|] //.
have [hd hs] := base_and_offset_are_reference_and_accumulator cs t a hn.
by case: o => * //=; rewrite ?hs hd.
Qed.
End Machine.
Arguments Nop {W}.
Arguments Load {W}.
Arguments Accum {W}.
Arguments Read {W}.
Arguments Swap {W}.
Arguments Delta {W}.
Arguments Drain {W}.
Arguments idle {W}.
Arguments empty {W}.
