(* What replication promises: one content for each version, the same state for the same entries, no
   loss of what was stored, and each change counted once. *)
From Coq Require Import List Bool Arith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Replication Convergence.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

Section ExactlyOnce.
Variable W : group.
Notation world := (world W).
Implicit Types (w : world) (o : origin) (e : entry W).

(** Merging entries of a key and origin of which a version has one content is a join: in any order,
    however often, the result is the same.
    Spec: docs/spec.md "Merge is commutative, associative and idempotent"
    Spec: docs/replication.md "Merge is a join."
    Code: crates/atomik-replica/src/merge.rs Merger::merge *)
Theorem merge_is_a_join (s : store W) h o k e f g : good h e -> good h f -> good h (s o k) ->
  let m := fun e s => merge s o k e in
  m e (m f s) o k = m f (m e s) o k /\ m e (m e s) o k = m e s o k /\
  (g = m f s o k -> version g = Nat.max (version (s o k)) (version f)).
Proof.
move=> he hf hs m.
have at_ t d : m d t o k = if version (t o k) <? version d then d else t o k.
  by rewrite /m /merge; case: (_ <? _) => //; rewrite /set same_refl Nat.eqb_refl.
rewrite !at_; split; last split.
- case: (Nat.ltb_spec (version (s o k)) (version f)) => a;
    case: (Nat.ltb_spec (version (s o k)) (version e)) => b;
    case: (Nat.ltb_spec (version f) (version e)) => c;
    case: (Nat.ltb_spec (version e) (version f)) => d;
    case: (Nat.ltb_spec (version (s o k)) (version f)) => a';
    case: (Nat.ltb_spec (version (s o k)) (version e)) => b' //; try lia.
  by apply: (good_same hf he); lia.
- case: (Nat.ltb_spec (version (s o k)) (version e)) => a.
    by rewrite Nat.ltb_irrefl.
  by rewrite (proj2 (Nat.ltb_ge _ _) a).
- by move=> ->; case: Nat.ltb_spec; lia.
Qed.

(** Wherever entries of one key, origin and version are, in whatever store or on the network, they
    have one content: crashes and restored disks never make an origin publish two, also if a life
    goes on with an older disk because all others vouch for it.
    Spec: docs/replication.md "A version has one content."
    Spec: docs/replication.md "No change leaves its origin before the origin's storage has confirmed
      it, so a crash never makes an origin publish two contents under one version."
    Spec: docs/replication.md "If every other member on the roster vouches, and none knows a frame
      beyond the head or another frame with that number, the life continues."
    Code: crates/atomik-replica/src/publication.rs Publication::launch, Publication::confirm
    Code: crates/atomik-replica/src/vouching.rs Standing::take *)
Theorem a_version_has_one_content w o k e f : reachable w ->
  let somewhere d := In (o, k, d) (sent w) \/
    exists r s, In s (stores (replicas w r)) /\ s o k = d in
  somewhere e -> somewhere f -> version e = version f -> e = f.
Proof.
move=> /always ok somewhere.
have g d : somewhere d -> good (history w o k) d.
  by case=> [|[r [s [hs <-]]]]; [apply: (sent_good ok)|apply: (@places_good _ _ ok r s)].
by move=> /g he /g hf; apply: good_same he hf.
Qed.

(** Replicas that hold the same versions have the same state, however they came by them.
    Spec: docs/replication.md "Replicas that hold the same entries have the same state, bit for bit,
      in whatever order and however often the entries arrived."
    Code: crates/atomik-replica/src/slot.rs Slot::sum *)
Theorem same_entries_same_state n w r q k : reachable w ->
  (forall o, version (memory (replicas w r) o k) = version (memory (replicas w q) o k)) ->
  value n w r k = value n w q k.
Proof.
move=> /always ok h; apply: sum_map_ext => o _; congr accumulator.
have g x : good (history w o k) (memory (replicas w x) o k).
  by apply: (@places_good _ _ ok x (memory (replicas w x))); rewrite /stores /=; tauto.
exact: good_same (g r) (g q) (h o).
Qed.

Lemma value_has n w r k : invariant w ->
  value n w r k = sum (map (@amount W) (has n w r k)).
Proof.
move=> ok; rewrite /value /has.
elim: (origins n w) => [//|o l IH] /=; rewrite IH map_app sum_app; congr add.
have [_ eq] := @places_good _ _ ok r (memory (replicas w r)) o k
  ltac:(rewrite /stores /=; tauto).
by rewrite {1}eq summary_accumulator.
Qed.

Lemma NoDup_two A (l m : list A) :
  NoDup l -> NoDup m -> (forall x, In x l -> In x m -> False) -> NoDup (l ++ m).
Proof.
elim: l => [//|x l IH] /NoDup_cons_iff [nx nl] nm dis /=; constructor.
  by move=> /in_app_iff [//|]; apply: dis; left.
by apply: IH => // y hy; apply: dis; right.
Qed.

Lemma flat_map_NoDup A (f : origin -> list A) (name : A -> nat) os :
  NoDup os ->
  (forall o i c p j d, nth_error (f o) i = Some c -> nth_error (f p) j = Some d ->
     name c = name d -> o = p /\ i = j) ->
  NoDup (map name (flat_map f os)).
Proof.
move=> + h; elim=> [|o l no _ IH] /=; first by constructor.
rewrite map_app.
have one : NoDup (map name (f o)).
  apply/NoDup_nth_error => a b la.
  case ea: (nth_error (f o) a) => [c|].
    case eb: (nth_error (f o) b) => [d|].
      rewrite (map_nth_error name _ _ ea) (map_nth_error name _ _ eb) => -[en].
      by have [] := h o a c o b d ea eb en.
    rewrite (map_nth_error name _ _ ea) => e'; symmetry in e'.
    by move/nth_error_None: eb; have := nth_error_Some (map name (f o)) b;
      rewrite e' map_length; case=> [h' _] le; have := h' ltac:(by []); lia.
  by move/nth_error_None: ea; rewrite map_length in la; lia.
have disjoint x : In x (map name (f o)) -> In x (map name (flat_map f l)) -> False.
  move=> /in_map_iff [c [<- hc]] /in_map_iff [d [e /in_flat_map [p [hp hd]]]].
  have [a ea] := In_nth_error _ _ hc; have [b eb] := In_nth_error _ _ hd.
  by have [e' _] := h p b d o a c eb ea e; apply: no; rewrite -e'.
exact: NoDup_two (one) IH disjoint.
Qed.

Lemma flat_map_one A B (f : A -> list B) x : flat_map f [x] = f x.
Proof. exact: app_nil_r. Qed.

Lemma origins_NoDup n w : NoDup (origins n w).
Proof.
rewrite /origins; elim: n => [|n IH]; first by constructor.
rewrite seq_S flat_map_app; apply: NoDup_two => //.
  rewrite flat_map_one.
  by apply: FinFun.Injective_map_NoDup; [move=> a b []|apply: seq_NoDup].
move=> [a b] /in_flat_map [r [/in_seq hr /in_map_iff [? [[<- _] _]]]].
by move=> /in_flat_map [q [[<-|[]] /in_map_iff [? [[e _] _]]]]; lia.
Qed.

(** The state of a replica is the sum of the changes that it has, and it has no change twice:
    whatever was lost, repeated, reordered or stored twice, each counts once.
    Spec: docs/spec.md "loss, duplication, reordering and partition are all harmless"
    Spec: docs/replication.md "is in the state of every converged replica exactly once"
    Code: crates/atomik-replica/src/merge.rs Merger::merge
    Code: crates/atomik-replica/src/writer.rs Writer::change *)
Theorem each_change_counts_once n w r k : reachable w ->
  value n w r k = sum (map (@amount W) (has n w r k)) /\
  NoDup (map (@number W) (has n w r k)).
Proof.
move=> /always ok; split; first exact: value_has.
apply: flat_map_NoDup; first exact: origins_NoDup.
move=> o i c p j d hi hj e.
have [hi' _] := @nth_error_cut _ _ _ _ _ hi; have [hj' _] := @nth_error_cut _ _ _ _ _ hj.
by have [-> [_ ->]] := @names_differ _ _ ok _ _ _ _ _ _ _ _ hi' hj' e.
Qed.

Inductive steps : world -> world -> Prop :=
| no_step w : steps w w
| one_more w w' w'' : steps w w' -> step w' w'' -> steps w w''.

Lemma steps_reachable w w' : reachable w -> steps w w' -> reachable w'.
Proof.
by move=> h st; elim: st h => {w w'} // w w' w'' _ IH st h; exact: later (IH h) st.
Qed.

Lemma steps_trans w w' w'' : steps w w' -> steps w' w'' -> steps w w''.
Proof. by move=> a b; elim: b a => // x y z _ IH st a; apply: one_more (IH a) st. Qed.

Lemma life_grows w w' q : step w w' -> life (replicas w q) <= life (replicas w' q).
Proof.
case=> {w'} {}w r; intros; try subst x; rewrite /= /put_replica;
  try case: Nat.eqb_spec => [->|_] /=; lia.
Qed.

Lemma nth_error_firstn A (l : list A) n i : i < n -> nth_error (firstn n l) i = nth_error l i.
Proof.
move=> lt; case: (Nat.le_gt_cases (length l) n) => h; first by rewrite firstn_all2.
by rewrite -{2}(firstn_skipn n l) nth_error_app1 // firstn_length; lia.
Qed.

Lemma disk_kept w r x q : disk x = disk (replicas w r) ->
  disk (put_replica w r x q) = disk (replicas w q).
Proof. by rewrite /put_replica; case: Nat.eqb_spec => [->|]. Qed.

Lemma stored_stays w w' q o k i c : invariant w -> step w w' ->
  life (replicas w' q) = life (replicas w q) ->
  nth_error (history w o k) i = Some c -> i < version (disk (replicas w q) o k) ->
  nth_error (history w' o k) i = Some c /\ i < version (disk (replicas w' q) o k).
Proof.
move=> ok st; case: st ok => {w'} {}w r.
- move=> j d p l x v a _ ok _ hi lt; split=> /=; last by rewrite disk_kept.
  case: (extend_cases (history w) (me w r) j a o k) => [[_ [_ ->]]|[_ ->]] //.
  by rewrite nth_error_app1 //; apply/nth_error_Some; rewrite hi.
- by move=> x ok _ hi lt; split=> //=; rewrite disk_kept.
- move=> x ok _ hi lt; split=> //=; case: (Nat.eq_dec q r) => [e|ne]; last by rewrite put_there.
  by subst q; rewrite put_here /x /=; have := ordered ok r o k; lia.
- by [].
- by move=> p j e x he ok _ hi lt; split=> //=; rewrite disk_kept.
- move=> all x s ok _ hi lt.
  have le : version (disk (replicas w r) o k) <= version (s o k).
    by have := ordered ok r o k; rewrite /s /x; case: all {s}; lia.
  split=> /=; last first.
    case: (Nat.eq_dec q r) => [e|ne]; last by rewrite put_there.
    by subst q; rewrite put_here /=; lia.
  rewrite /cut; case: sameP => [eo|] //; rewrite nth_error_firstn //.
  apply: Nat.lt_le_trans lt _; case: (Nat.eq_dec q r) => [->|ne] //.
  apply: Nat.le_trans le; rewrite -eo; apply: Nat.le_trans (@far _ _ ok r q k ne).
  by have := ordered ok q (me w r) k; lia.
- move=> s x hs ok /=; case: (Nat.eq_dec q r) => [e|ne]; last by rewrite put_there.
  by subst q; rewrite put_here /x /=; lia.
Qed.

Lemma stored_stays_vouched w w' r q o k i c : invariant w -> vouch r w w' -> q <> r ->
  nth_error (history w o k) i = Some c -> i < version (disk (replicas w q) o k) ->
  nth_error (history w' o k) i = Some c /\ i < version (disk (replicas w' q) o k).
Proof.
move=> ok [s l x _ _ no_more _ _ _] ne hi lt; split=> /=; last by rewrite put_there.
rewrite /cut; case: sameP => [eo|] //; rewrite nth_error_firstn //.
apply: Nat.lt_le_trans lt _; rewrite -eo; apply: Nat.le_trans (no_more q k ne).
by have := ordered ok q (me w r) k; lia.
Qed.

(* Steps in which the disk of replica q does not come back older in the same life. *)
Inductive steps_of (q : nat) : world -> world -> Prop :=
| nothing_happens w : steps_of q w w
| a_step w w' w'' : steps_of q w w' -> step w' w'' -> steps_of q w w''
| another_returns r w w' w'' : steps_of q w w' -> vouch r w' w'' -> q <> r -> steps_of q w w''.

Lemma steps_of_reachable q w w' : reachable w -> steps_of q w w' -> reachable w'.
Proof.
move=> h st; elim: st h => {w w'} // [w w' w'' _ IH st h|r w w' w'' _ IH v _ h].
  exact: later (IH h) st.
exact: vouched (IH h) v.
Qed.

(** What a replica has stored, its own changes and those of others, it keeps through every crash,
    and whatever else happens to anybody, as long as its own disk does not come back older.
    Spec: docs/replication.md "An acknowledged operation, one whose ticket was persisted"
    Spec: docs/replication.md "nothing that a peer has is lost by that"
    Code: crates/atomik-replica/src/publication.rs Publication::is_durable *)
Theorem what_was_stored_is_kept w w' q o k i c : reachable w -> steps_of q w w' ->
  life (replicas w' q) = life (replicas w q) ->
  nth_error (history w o k) i = Some c -> i < version (disk (replicas w q) o k) ->
  nth_error (history w' o k) i = Some c /\ i < version (disk (replicas w' q) o k).
Proof.
have vouch_life (a b : world) p r : vouch r a b -> life (replicas b p) = life (replicas a p).
  by case=> s l x *; rewrite /= life_kept.
have grows a b : steps_of q a b -> life (replicas a q) <= life (replicas b q).
  elim=> // [d f g _ le s|r d f g _ le v _]; first by have := life_grows q s; lia.
  by rewrite (vouch_life _ _ _ _ v).
move=> hr st; elim: st hr => {w w'} [//|w w' w'' st IH last|r w w' w'' st IH v ne] hr same hi lt.
  have le1 := grows _ _ st; have le2 := life_grows q last.
  have [] := IH hr ltac:(lia) hi lt.
  by apply: stored_stays last _; [apply: always; apply: steps_of_reachable st|lia].
rewrite (vouch_life _ _ _ _ v) in same; have [] := IH hr same hi lt.
by apply: stored_stays_vouched v ne; apply: always; apply: steps_of_reachable st.
Qed.

(** When all replicas have received what any of them has, their states are equal, and what one of
    them had stored counts in each of them, exactly once.
    Spec: docs/replication.md "Any two replicas that can exchange messages from some time on come to
      hold the same entries."
    Spec: docs/replication.md "is in the state of every converged replica exactly once"
    Code: crates/atomik-replica/src/replica.rs Replica *)
Theorem replicas_converge n w k : reachable w ->
  (forall r q o, r < n -> q < n ->
     version (memory (replicas w r) o k) <= version (memory (replicas w q) o k)) ->
  forall r q, r < n -> q < n ->
  value n w r k = value n w q k /\
  forall o i c, nth_error (history w o k) i = Some c -> In o (origins n w) ->
    i < version (disk (replicas w q) o k) -> In c (has n w r k).
Proof.
move=> hr all r q lr lq; split.
  apply: same_entries_same_state => // o.
  by have := all r q o lr lq; have := all q r o lq lr; lia.
move=> o i c hi ho lt; apply/in_flat_map; exists o; split=> //.
apply: (@nth_error_In _ _ i); rewrite nth_error_firstn //.
by have := all q r o lq lr; have := ordered (always hr) q o k; lia.
Qed.

(* Everything that others have stored may be sent and received: the way to convergence is open from
   every state. *)
Lemma receive_from w r q o k : reachable w -> exists w', [/\ steps w w',
  history w' = history w,
  (forall p, disk (replicas w' p) = disk (replicas w p)),
  (forall p o' k',
     version (memory (replicas w p) o' k') <= version (memory (replicas w' p) o' k')) &
  version (disk (replicas w q) o k) <= version (memory (replicas w' r) o k)].
Proof.
move=> hr.
pose e := if same (me w q) o then disk (replicas w q) o k else memory (replicas w q) o k.
pose w1 := World (replicas w) ((o, k, e) :: sent w) (history w) (names w) (compared w).
have s1 : step w w1 by apply: send.
have s2 := @receive _ w1 r o k e (or_introl eq_refl).
eexists; split; first by apply: one_more s2; apply: one_more s1; apply: no_step.
- by [].
- by move=> p /=; rewrite disk_kept.
- move=> p o' k' /=; rewrite /put_replica; case: Nat.eqb_spec => [->|] //=.
  rewrite /merge; case: Nat.ltb_spec => // lt.
  by case: (set_cases (memory (replicas w r)) o k e o' k') => [[-> [-> ->]]|[_ ->]] //; lia.
- rewrite /= put_here /merge.
  have le : version (disk (replicas w q) o k) <= version e.
    by have := ordered (always hr) q o k; rewrite /e; case: ifP => _; lia.
  case: Nat.ltb_spec => /= lt; last by lia.
  by rewrite /set same_refl Nat.eqb_refl.
Qed.

(** From every reachable state, without a fault and without a change, messages alone bring any list
    of entries that replicas have stored to any replicas.
    Spec: docs/spec.md "one later message repairs every earlier loss"
    Code: crates/atomik-replica/src/exchange.rs Exchange *)
Theorem convergence_is_always_possible w (wanted : list (nat * nat * origin * nat)) : reachable w ->
  exists w', [/\ steps w w', history w' = history w &
    forall r q o k, In (r, q, o, k) wanted ->
      version (disk (replicas w q) o k) <= version (memory (replicas w' r) o k)].
Proof.
move=> hr.
suff : exists w', [/\ steps w w', history w' = history w,
    (forall p, disk (replicas w' p) = disk (replicas w p)) &
    forall r q o k, In (r, q, o, k) wanted ->
      version (disk (replicas w q) o k) <= version (memory (replicas w' r) o k)].
  by move=> [w' [a b _ c]]; exists w'.
elim: wanted => [|[[[r q] o] k] l [w1 [s1 h1 d1 all1]]].
  by exists w; split=> //; apply: no_step.
have [w2 [s2 h2 d2 m2 new]] := receive_from r q o k (steps_reachable hr s1).
exists w2; split.
- exact: steps_trans s1 s2.
- by rewrite h2.
- by move=> p; rewrite d2.
- move=> r' q' o' k' [[<- <- <- <-]|h]; first by rewrite -d1.
  by apply: Nat.le_trans (all1 _ _ _ _ h) (m2 _ _ _).
Qed.
End ExactlyOnce.
