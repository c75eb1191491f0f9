(* Folding the entries of lives that are over into a base, joining with a base that others
   certified, and what a member that signs two contents of one version can do.

   The model follows `base.rs`, `ledger.rs` and `merge.rs` of crates/atomik-replica. Which lives are
   over, and who must sign, is given; `hash` has no collisions. Rounds, memories and rosters, which
   decide when a statement is made, are left out. *)
From Coq Require Import List Bool Arith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Replication.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

Section Folding.
Variable W : group.
Implicit Types (o p : origin) (e f : entry W) (closed : origin -> bool).

(* A replica's table. Of lives for which it has stated what it will fold it takes no more. *)
Record table := Table {
  base : nat -> W; entries : store W; folded : origin -> bool; stated : origin -> bool
}.
Implicit Types t : table.

Definition take t (m : origin * nat * entry W) : table :=
  let '(o, k, e) := m in
  if folded t o || stated t o then t
  else Table (base t) (merge (entries t) o k e) (folded t) (stated t).

Definition state_for closed t := Table (base t) (entries t) (folded t) closed.

(* `all` are the origins that there are. *)
Variable all : list origin.

(* `base::hash_after` hashes this: the base once everything closed is folded. *)
Definition base_after closed t (k : nat) : W :=
  (base t k + sum (map (fun o => if closed o && negb (folded t o)
                                 then accumulator (entries t o k) else 0) all))%G.

(* `Base::fold`. *)
Definition fold closed t : table :=
  Table (base_after closed t) (entries t) (fun o => folded t o || closed o) (fun _ => false).

(* `Base::adopt`: with the base that others certified. *)
Definition adopt closed (b : nat -> W) t : table :=
  Table b (entries t) (fun o => folded t o || closed o) (fun _ => false).

Definition value_of t (k : nat) : W :=
  (base t k + sum (map (fun o => if folded t o then 0 else accumulator (entries t o k)) all))%G.

(** Folding leaves the state of every key as it is.
    Spec: docs/replication.md "The state of the key is the sum of its base and all accumulators."
    Code: crates/atomik-replica/src/base.rs Base::fold *)
Theorem folding_keeps_the_state closed t k : value_of (fold closed t) k = value_of t k.
Proof.
rewrite /value_of /= /base_after -add_assoc -sum_map_add; congr add; apply: sum_map_ext => o _.
by case: (folded t o); case: (closed o) => /=; group_eq.
Qed.

(** What arrives late of a life that was folded changes nothing, so it never counts twice.
    Spec: docs/replication.md "also after crashes, duplicates and the folding of its origin"
    Code: crates/atomik-replica/src/merge.rs Merger::examine *)
Theorem what_was_folded_is_not_taken closed t o k e :
  closed o = true -> take (fold closed t) (o, k, e) = fold closed t.
Proof. by move=> c; rewrite /take /= c orb_true_r. Qed.

(** Who has stated a base folds just that base, whatever arrives in the meantime.
    Spec: docs/replication.md "A member that has stated takes no more entries of closed lives"
    Code: crates/atomik-replica/src/ledger.rs Ledger::takes_closed *)
Theorem what_was_stated_is_folded closed t arrivals k :
  base (fold closed (fold_left take arrivals (state_for closed t))) k = base_after closed t k.
Proof.
rewrite [base _]/=.
have same : forall l t', stated t' = closed ->
    base_after closed (fold_left take l t') k = base_after closed t' k.
  elim=> [//|[[o j] e] l IH] t' st /=; rewrite IH; first by case: ifP.
  case: ifP => // /orP taken; rewrite /base_after /=; congr add; apply: sum_map_ext => p _.
  case c: (closed p) => //=; case: (folded t' p) => //=.
  rewrite /merge; case: ifP => // _; rewrite /set; case: sameP => //= e'; subst p.
  by case: taken; right; rewrite st.
exact: same.
Qed.

(* A hash without collisions. *)
Variables (digest : Type) (hash : (nat -> W) -> digest).
Hypothesis no_collisions : forall a b, hash a = hash b -> forall k, a k = b k.

(** If the statements of two members are equal, they have the same base once both have folded, and
    so has a member that joins with a base of that hash. With the same entries of the lives that go
    on they then have the same state.
    Spec: docs/replication.md "So a change that a retired member sends to one other is in
      everybody's base or in nobody's."
    Spec: docs/replication.md "A joiner, or a member that lost its memory, checks roster, signatures
      and the hash of the base that it pulls, whoever serves it."
    Code: crates/atomik-replica/src/base.rs Base::fold, Base::adopt, hash_after
    Code: crates/atomik-replica/src/certificate.rs Certificate *)
Theorem equal_statements_give_equal_bases closed t u served joiner l m k :
  hash (base_after closed t) = hash (base_after closed u) ->
  hash served = hash (base_after closed t) ->
  let a := fold closed (fold_left take l (state_for closed t)) in
  let b := fold closed (fold_left take m (state_for closed u)) in
  let c := adopt closed served joiner in
  base a k = base b k /\ base a k = base c k /\
  ((forall o, In o all -> folded a o = folded b o /\
      (folded a o = false -> accumulator (entries a o k) = accumulator (entries b o k))) ->
   value_of a k = value_of b k).
Proof.
move=> h1 h2 a b c.
have ab : base a k = base b k by rewrite !what_was_stated_is_folded; apply: no_collisions.
split=> //; split; first by rewrite what_was_stated_is_folded; symmetry; apply: no_collisions.
move=> same; rewrite /value_of ab; congr add; apply: sum_map_ext => o ho.
have [<- e] := same o ho; case f: (folded a o) => //; exact: e.
Qed.
End Folding.

Section Equivocation.
Variable W : group.
Implicit Types (o p : origin) (e f : entry W) (s : store W).

(* Entries are equal if their bytes are. *)
Variable equal : entry W -> entry W -> bool.
Hypothesis equalP : forall e f, equal e f = true <-> e = f.

Inductive verdict := Taken (s : store W) | Old | Contradiction (held found : entry W).

(* `Merger::merge` for a life that goes on. *)
Definition receive_from s o k e : verdict :=
  let held := s o k in
  if version held <? version e then Taken (set s o k e)
  else if (version e =? version held) && negb (equal e held) then Contradiction held e
  else Old.

Definition after_receiving s o k e : store W :=
  if receive_from s o k e is Taken s' then s' else s.

(** Two contents of one version are found by whoever has one and gets the other, in either order;
    the one that was held is kept.
    Spec: docs/spec.md "The same version with a different accumulator for one (origin, address)
      proves a broken or forged peer: refuse it, report it, keep the old value."
    Code: crates/atomik-replica/src/merge.rs Merger::merge
    Code: crates/atomik-replica/src/entry.rs Change::contradicts *)
Theorem two_contents_of_one_version_are_found s o k e f :
  version e = version f -> e <> f -> version (s o k) < version e ->
  receive_from (after_receiving s o k e) o k f = Contradiction e f /\
  receive_from (after_receiving s o k f) o k e = Contradiction f e /\
  after_receiving (after_receiving s o k e) o k f = after_receiving s o k e.
Proof.
have found a b : version a = version b -> a <> b -> version (s o k) < version a ->
    receive_from (after_receiving s o k a) o k b = Contradiction a b.
  move=> v ne lt; have -> : after_receiving s o k a = set s o k a.
    by rewrite /after_receiving /receive_from (proj2 (Nat.ltb_lt _ _) lt).
  rewrite /receive_from /set same_refl Nat.eqb_refl /= v Nat.ltb_irrefl Nat.eqb_refl /=.
  by case eq: (equal b a) => //; move/equalP: eq => eq; case: ne.
move=> v ne lt; split; first exact: found.
split; first by apply: found => //; [move=> e'; apply: ne|rewrite -v].
by rewrite {1}/after_receiving found.
Qed.

(** Whatever a member signs, it changes nothing but its own entries.
    Spec: docs/spec.md "It only ever changes its own."
    Code: crates/atomik-replica/src/merge.rs Merger::merge *)
Theorem a_liar_changes_its_own_entries_alone s o k e p j :
  p <> o -> after_receiving s o k e p j = s p j.
Proof.
move=> ne; rewrite /after_receiving /receive_from; case: (_ <? _); last by case: (_ && _).
by rewrite /set; case: sameP => // e'; case: ne.
Qed.
End Equivocation.
