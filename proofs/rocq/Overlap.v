(* Overlaps: of two concurrent changes of one key, at least one writer compares the other's with its
   own, and what it compares are the net effects of exactly those changes that one did not know of
   the other. *)
From Coq Require Import List Bool Arith NArith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Replication Convergence ExactlyOnce.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

Section Overlap.
Variable W : group.
Notation world := (world W).
Notation change := (change W).
Implicit Types (w : world) (o : origin) (l : list change).

Lemma firstn_next A (l : list A) n x :
  nth_error l n = Some x -> firstn (S n) l = firstn n l ++ [x].
Proof.
elim: l n => [|y l IH] [|n] h; [by []|by []|by case: h => ->|].
by rewrite !firstn_cons (IH n h).
Qed.

Lemma in_range_of A (l : list A) i a b x :
  nth_error l i = Some x -> a <= i < b -> In x (skipn a (firstn b l)).
Proof.
move=> hx h; have hi : nth_error (firstn b l) i = Some x by rewrite nth_error_firstn //; lia.
rewrite -(firstn_skipn a (firstn b l)) nth_error_app2 in hi.
  by rewrite firstn_length; lia.
exact: nth_error_In hi.
Qed.

Lemma seen_last l n c : nth_error l n = Some c -> seen (summary (firstn (S n) l)) = lists c.
Proof. by move=> h; rewrite (@firstn_next _ _ _ _ h) summary_snoc. Qed.

Lemma last_exists A (l : list A) n : 0 < n <= length l -> exists x, nth_error l (n - 1) = Some x.
Proof.
move=> h; case e: (nth_error l (n - 1)) => [x|]; first by exists x.
by move/nth_error_None: e; lia.
Qed.

(* Both changes are in the comparison, one on each side. *)
Definition covers (x : comparison W) (c d : change) : Prop :=
  (In c (group_a x) /\ In d (group_b x)) \/ (In d (group_a x) /\ In c (group_b x)).

Lemma covers_sym x c d : covers x c d -> covers x d c.
Proof. by case=> h; [right|left]. Qed.

(* If q has taken over change c of r, then it knows of c, or c's writer knew of d, or there was a
   comparison. *)
Definition attended w : Prop := forall r q k i j c d, r <> q ->
  nth_error (history w (me w r) k) i = Some c -> nth_error (history w (me w q) k) j = Some d ->
  i < version (memory (replicas w q) (me w r) k) ->
  i < fst (knew d (me w r)) \/ j < fst (knew c (me w q)) \/
  exists x, In x (compared w) /\ covers x c d.

Lemma own_entry w r k : invariant w ->
  memory (replicas w r) (me w r) k = summary (history w (me w r) k).
Proof.
move=> ok; have [_ ->] := @places_good _ _ ok r (memory (replicas w r)) (me w r) k
  ltac:(rewrite /stores /=; tauto).
by rewrite (own_whole ok) firstn_all.
Qed.

(* What the replica had not taken over before is compared now, unless it is known. *)
Lemma arrival_attends w r p k e i j c d : invariant w -> attended w ->
  let x := replicas w r in let o := me w p in
  In (o, k, e) (sent w) -> p <> r ->
  nth_error (history w o k) i = Some c -> nth_error (history w (me w r) k) j = Some d ->
  version (memory x o k) <= i < version e ->
  i < fst (knew d o) \/ j < fst (knew c (me w r)) \/
  (exists y, In y (compared w) /\ covers y c d) \/
  covers (compare (history w) (me w r) o k e (memory x (me w r) k)) c d.
Proof.
move=> ok att x o he ne hc hd hi.
have [lee eqe] := @sent_good _ _ ok _ _ _ he.
have [a ha] := @last_exists _ (history w o k) (version e) ltac:(lia).
have seen_e : seen e = lists a.
  rewrite eqe; have {1}-> : version e = S (version e - 1) by lia.
  exact: seen_last ha.
have jlt : j < length (history w (me w r) k) by apply/nth_error_Some; rewrite hd.
have [b hb] := @last_exists _ (history w (me w r) k) (length (history w (me w r) k)) ltac:(lia).
have seen_b : seen (memory x (me w r) k) = lists b.
  rewrite /x own_entry // -(firstn_all (history w (me w r) k)).
  have {1}-> : length (history w (me w r) k) = S (length (history w (me w r) k) - 1) by lia.
  exact: seen_last hb.
have in_memory q : In (memory (replicas w q)) (stores (replicas w q)) by rewrite /stores /=; tauto.
have kb : fst (lists b o) <= version (memory x o k).
  by apply: (@learnt _ _ ok r k o _ _ _ (in_memory r) hb); rewrite (own_whole ok); lia.
case: (Nat.lt_ge_cases j (fst (lists a (me w r)))) => hj.
  have ka : fst (lists a (me w r)) <= version (memory (replicas w p) (me w r) k).
    by apply: (@learnt _ _ ok p k (me w r) _ _ _ (in_memory p) ha); rewrite (own_whole ok) -/o; lia.
  have ne' : r <> p by move=> e'; apply: ne.
  have := @att r p k j i d c ne' hd hc ltac:(lia).
  case=> [|[|[y [hy cov]]]]; [by right; left|by left|].
  by right; right; left; exists y; split=> //; apply: covers_sym.
right; right; right; left; rewrite /compare seen_e seen_b; split; cbn [group_a group_b].
  by apply: (@in_range_of _ _ i _ _ _ hc); lia.
by apply: (@in_range_of _ _ j _ _ _ hd); rewrite /x (own_whole ok); lia.
Qed.

Lemma memory_kept w r x q : memory x = memory (replicas w r) ->
  memory (put_replica w r x q) = memory (replicas w q).
Proof. by rewrite /put_replica; case: Nat.eqb_spec => [->|]. Qed.

Lemma step_attends w w' : invariant w -> attended w -> step w w' -> attended w'.
Proof.
move=> ok att st; case: st ok att => {w'} {}w r.
- move=> k0 d0 p0 l0 x v a _ ok att; set w' := World _ _ _ _ _.
  have m s : me w' s = me w s by rewrite /me /= life_kept.
  move=> p q k i j c d ne; rewrite !m /= => hc hd.
  have mem : version (memory (put_replica w r (Replica (life x) (set (memory x) (me w r) k0
      (enter (memory x (me w r) k0) a)) (flight x) (disk x)) q) (me w p) k) =
      version (memory (replicas w q) (me w p) k).
    case: (Nat.eq_dec q r) => [e|ne2]; last by rewrite put_there.
    subst q; rewrite put_here /=.
    by case: (set_cases (memory x) (me w r) k0 (enter (memory x (me w r) k0) a) (me w p) k)
      => [[/me_differs]|[_ ->]].
  rewrite mem => hi.
  have oldc : nth_error (history w (me w p) k) i = Some c.
    move: hc; case: (extend_cases (history w) (me w r) k0 a (me w p) k) => [[e1 [e2 ->]]|[_ ->]] //.
    move=> h; have [[_ //]|[ei _]] := @nth_error_snoc _ _ _ _ _ h.
    have := @far _ _ ok p q k (fun e => ne (eq_sym e)); have := ordered ok p (me w p) k.
    by rewrite (own_whole ok); lia.
  move: hd; case: (extend_cases (history w) (me w r) k0 a (me w q) k) => [[e1 [e2 ->]]|[_ ->]] hd.
    have [[_ old]|[_ ->]] := @nth_error_snoc _ _ _ _ _ hd; first exact: att ne oldc old hi.
    left; have eq : q = r by case: e1.
    subst q k; rewrite /a /v /view /=; case: sameP => [/me_differs|_] //=.
    by move=> h; case: (h (fun e => ne (eq_sym e))).
  exact: att ne oldc hd hi.
- move=> x ok att p q k i j c d ne; rewrite /me /= !life_kept // => hc hd.
  have -> : memory (put_replica w r (Replica (life x) (memory x) (memory x) (disk x)) q) =
    memory (replicas w q) by apply: memory_kept.
  exact: att ne hc hd.
- move=> x ok att p q k i j c d ne; rewrite /me /= !life_kept // => hc hd.
  have -> : memory (put_replica w r (Replica (life x) (memory x) (flight x) (flight x)) q) =
    memory (replicas w q) by apply: memory_kept.
  exact: att ne hc hd.
- by move=> o k x e ok att p q j i i' c d; apply: att.
- move=> o k0 e x he ok att p q k i j c d ne; rewrite /me /= !life_kept // -/(me w p) -/(me w q).
  move=> hc hd lt.
  have more y : (exists z, In z (compared w) /\ covers z c d) ->
      exists z, In z (if version (memory x o k0) <? version e then y :: compared w
                      else compared w) /\ covers z c d.
    by move=> [z [hz hcov]]; exists z; split=> //; case: ifP => _ //; right.
  case: (Nat.lt_ge_cases i (version (memory (replicas w q) (me w p) k))) => hi.
    by case: (att _ _ _ _ _ _ _ ne hc hd hi) => [|[|/more]]; [left|right; left|right; right].
  case: (Nat.eq_dec q r) lt => [e1|ne2]; last by rewrite put_there //; lia.
  subst q; rewrite put_here /= /merge; case: Nat.ltb_spec => newer; last by rewrite /x; lia.
  case: (set_cases (memory x) o k0 e (me w p) k) => [[e1 [e2 ->]]|[_ ->]];
    last by rewrite /x; lia.
  subst o k0 => lt.
  have := @arrival_attends w r p k e i j c d ok att he ne hc hd (conj hi lt).
  case=> [|[|[|cov]]]; [by left|by right; left| |].
    by move=> [z [hz hcov]]; right; right; exists z; split=> //; right.
  by right; right; eexists; split; [left; reflexivity|].
- move=> all x s ok att p q k i j c d ne; rewrite /me /= !life_kept // -/(me w p) -/(me w q).
  move=> /cut_within hc /cut_within hd lt; apply: att ne hc hd _.
  apply: Nat.lt_le_trans lt _; case: (Nat.eq_dec q r) => [e|ne2]; last by rewrite put_there.
  subst q; rewrite put_here /=; have := ordered ok r (me w p) k.
  by rewrite /s /x; case: all {s}; lia.
- move=> s x old ok att p q k i j c d ne; rewrite /me /=.
  have none n : nth_error (history w (r, S (life x)) k) n = None.
    by rewrite (future ok) /x; [lia|case: n].
  case: (Nat.eq_dec p r) => [e|n1]; first by subst p; rewrite put_here /= none.
  rewrite put_there // => hc.
  case: (Nat.eq_dec q r) => [e|n2]; first by subst q; rewrite put_here /= none.
  rewrite put_there // => hd; exact: att ne hc hd.
Qed.

Lemma vouch_attends w w' r : invariant w -> attended w -> vouch r w w' -> attended w'.
Proof.
move=> ok att [s l x old _ _ _ _ _] p q k i j c d ne.
rewrite /me /= !life_kept // -/(me w p) -/(me w q).
move=> /cut_within hc /cut_within hd lt; apply: att ne hc hd _.
apply: Nat.lt_le_trans lt _; case: (Nat.eq_dec q r) => [e|ne2]; last by rewrite put_there.
subst q; rewrite put_here /=; have := ordered ok r (me w p) k.
by have [] := old (me w p) k; rewrite /x; lia.
Qed.

(** Of two concurrent changes of one key by two living origins, once either writer has taken over
    the other's change, one of them has compared them: the other's as a change that it did not know
    at its last change, its own as one that the other did not know.
    Spec: docs/spec.md "Because accumulators are kept apart per origin, it can be detected"
    Spec: docs/replication.md "So B finds that neither side knew the other, and reports."
    Code: crates/atomik-replica/src/entry.rs Change::overlap
    Code: crates/atomik-replica/src/merge.rs Merger::merge *)
Theorem concurrent_changes_are_compared w r q k i j c d : reachable w -> r <> q ->
  nth_error (history w (me w r) k) i = Some c -> nth_error (history w (me w q) k) j = Some d ->
  ~ i < fst (knew d (me w r)) -> ~ j < fst (knew c (me w q)) ->
  i < version (memory (replicas w q) (me w r) k) \/
    j < version (memory (replicas w r) (me w q) k) ->
  exists x, In x (compared w) /\ covers x c d.
Proof.
move=> hr ne hc hd nc nd.
have {hr}att : attended w.
  elim: hr => {w c d hc hd nc nd} [|w w' hr att st|p w w' hr att v].
      by move=> p q' k' i' j' c d _ /=; case: i'.
    exact: step_attends (always hr) att st.
  exact: vouch_attends (always hr) att v.
case=> h; first by case: (att _ _ _ _ _ _ _ ne hc hd h) => [|[|]] //.
have ne' : q <> r by move=> e; apply: ne.
case: (att _ _ _ _ _ _ _ ne' hd hc h) => [|[|[x [hx cov]]]] //.
by exists x; split=> //; apply: covers_sym.
Qed.

Lemma sum_range l a b : a <= b ->
  (sum (map (@amount W) (firstn b l)) - sum (map (@amount W) (firstn a l)))%G =
  sum (map (@amount W) (skipn a (firstn b l))).
Proof.
move=> h; rewrite -{1}(firstn_skipn a (firstn b l)) firstn_firstn Nat.min_l // map_app sum_app.
group_eq.
Qed.

Lemma last_put_le l : last_put (summary l) <= length l.
Proof.
elim/rev_ind: l => [//|c l IH]; rewrite summary_snoc app_length /= summary_version.
by case: (is_put c); lia.
Qed.

Lemma last_put_after l n : (n <? last_put (summary l)) = existsb (@is_put W) (skipn n l).
Proof.
elim/rev_ind: l => [|c l IH]; first by rewrite skipn_nil.
rewrite summary_snoc /= summary_version; case: (Nat.le_gt_cases (length l) n) => h; last first.
  rewrite skipn_app (_ : n - length l = 0); first by lia.
  rewrite skipn_O existsb_app /= orb_false_r -IH.
  case: (is_put c) => /=; last by rewrite orb_false_r.
  by rewrite orb_true_r; apply/Nat.ltb_lt; lia.
rewrite skipn_app (skipn_all2 _ h) app_nil_l; have lp := last_put_le l.
case: (Nat.eq_dec n (length l)) => [->|ne].
  rewrite Nat.sub_diag /= orb_false_r; case: (is_put c); apply/Nat.ltb_spec0; lia.
rewrite skipn_all2 /=; first by lia.
by case: (is_put c); apply/Nat.ltb_ge; lia.
Qed.

Lemma seen_informed w o k e p : invariant w -> good (history w o k) e ->
  informed w k (seen e p) p.
Proof.
move=> ok [le eq]; case v: (version e) => [|n].
  by rewrite eq v /=; split=> /=; [lia|].
have [a ha] := @last_exists _ (history w o k) (S n) ltac:(lia).
rewrite Nat.sub_succ Nat.sub_0_r in ha.
rewrite eq v (seen_last _ _ ha); apply: (@knew_good _ _ ok o k a p); exact: nth_error_In ha.
Qed.

(** What a comparison looks at are the net effects of the changes of either side that the other did
    not list as seen at its last change, and whether both groups contain a put: the versions of the
    last puts suffice for that.
    Spec: docs/spec.md "What is compared are all changes of either origin that the other did not
      know."
    Spec: docs/spec.md "An entry carries for that the version of its origin's last put of a field
      that adds"
    Code: crates/atomik-replica/src/entry.rs Change::overlap
    Code: crates/atomik-algebra/src/entries.rs overlap, conflict *)
Theorem what_is_compared_is_what_was_unknown w x : reachable w -> In x (compared w) ->
  [/\ net_a x = sum (map (@amount W) (group_a x)),
      net_b x = sum (map (@amount W) (group_b x)) &
      both_put x = existsb (@is_put W) (group_a x) && existsb (@is_put W) (group_b x)].
Proof.
move=> hr; elim: hr => {w} [//|w w' hr IH st|r w w' _ IH []] //.
have ok := always hr; case: st IH ok => {w' hr};
  try by move=> {}w r *; auto.
move=> {}w r o k e y he IH ok; rewrite [compared _]/=; case: Nat.ltb_spec => newer; last exact: IH.
case=> [<-|]; last exact: IH; rewrite /compare /=.
have [lee eqe] := @sent_good _ _ ok _ _ _ he.
set b := memory y (me w r) k.
have gb : good (history w (me w r) k) b.
  by apply: (@places_good _ _ ok r (memory y)); rewrite /stores /=; tauto.
have whole : version b = length (history w (me w r) k) by apply: own_whole.
have [ka eka] := @seen_informed w o k e (me w r) ok (conj lee eqe).
have [_ ekb] := @seen_informed w (me w r) k b o ok gb.
have kb : fst (seen b o) <= version e.
  case v: (version b) => [|n].
    by have [_ ->] := gb; rewrite v /=; lia.
  have [a ha] := @last_exists _ (history w (me w r) k) (S n) ltac:(lia).
  rewrite Nat.sub_succ Nat.sub_0_r in ha.
  have -> : seen b = lists a by have [_ ->] := gb; rewrite v (seen_last _ _ ha).
  have := @learnt _ _ ok r k o (memory y) n a ltac:(rewrite /stores /=; tauto) ha.
  by rewrite -/b v => /(_ (Nat.lt_succ_diag_r n)); lia.
split.
- by rewrite {1}eqe ekb !summary_accumulator sum_range.
- have -> : accumulator b = accumulator (summary (firstn (version b) (history w (me w r) k))).
    by have [_ {1}->] := gb.
  by rewrite eka !summary_accumulator sum_range // whole.
- have -> : last_put e = last_put (summary (firstn (version e) (history w o k))).
    by rewrite {1}eqe.
  have -> : last_put b = last_put (summary (firstn (version b) (history w (me w r) k))).
    by have [_ {1}->] := gb.
  by rewrite !last_put_after.
Qed.
End Overlap.

(* What is reported of a comparison: `conflict` of crates/atomik-algebra/src/entries.rs. Of a field
   that xors, the bits in which both net effects are set; a field that adds as a whole, if both
   groups put and both net effects change it. *)
Definition field_conflict (f : kind * N) (both : bool) : field_group f -> field_group f -> N :=
  match f return field_group f -> field_group f -> N with
  | (Xor, n) => fun a b : bits n => N.land (Group.value a) (Group.value b)
  | (Add, n) => fun a b : adding n =>
      if both && negb (is_zero a) && negb (is_zero b) then N.ones n else 0%N
  end.

Fixpoint conflict (l : layout) (both : bool) : words l -> words l -> list N :=
  match l return words l -> words l -> list N with
  | [] => fun _ _ => []
  | f :: l => fun a b =>
      field_conflict f both (fst a) (fst b) :: conflict l both (snd a) (snd b)
  end.

(* How often a bit is changed. *)
Definition toggles n (i : N) (l : list (bits n)) : nat :=
  length (filter (fun d => N.testbit (Group.value d) i) l).

(* What must be reported of two groups of changes of a field. *)
Definition field_overlaps (f : kind * N) (both : bool) :
    list (field_group f) -> list (field_group f) -> N -> Prop :=
  match f return list (field_group f) -> list (field_group f) -> N -> Prop with
  | (Xor, n) => fun (a b : list (bits n)) r =>
      forall i, N.testbit r i = Nat.odd (toggles i a) && Nat.odd (toggles i b)
  | (Add, n) => fun (a b : list (adding n)) r =>
      (both = true /\ sum a <> 0%G /\ sum b <> 0%G ->
         r = N.ones n) /\
      (~ (both = true /\ sum a <> 0%G /\ sum b <> 0%G) ->
         r = 0%N)
  end.

Fixpoint overlaps (l : layout) (both : bool) :
    list (words l) -> list (words l) -> list N -> Prop :=
  match l return list (words l) -> list (words l) -> list N -> Prop with
  | [] => fun _ _ r => r = []
  | f :: l => fun a b r => exists bits rest,
      [/\ r = bits :: rest, field_overlaps f both (map fst a) (map fst b) bits &
          overlaps l both (map snd a) (map snd b) rest]
  end.

Lemma sum_toggles n i (l : list (bits n)) :
  N.testbit (Group.value (sum (G := xoring n) l)) i = Nat.odd (toggles i l).
Proof.
elim: l => [|d l IH].
  have -> : Group.value (sum (G := xoring n) []) = 0%N by apply: N.mod_0_l; exact: pow_pos.
  exact: N.bits_0.
rewrite [sum _]/= value_xor N.lxor_spec IH /toggles; cbn [filter].
case: (N.testbit (Group.value d) i); last exact: xorb_false_l.
by cbn [length]; rewrite Nat.odd_succ -Nat.negb_odd; exact: xorb_true_l.
Qed.

Lemma sum_fst (G H : group) (l : list (product G H)) :
  fst (sum l) = sum (map fst l) /\ snd (sum l) = sum (map snd l).
Proof. by elim: l => [//|x l [IH1 IH2]] /=; rewrite IH1 IH2. Qed.

Lemma conflict_overlaps l both (a b : list (words l)) :
  overlaps l both a b (conflict l both (sum a) (sum b)).
Proof.
elim: l a b => [//|f l IH] a b; rewrite [conflict _ _ _ _]/=.
have [-> ->] := sum_fst a; have [-> ->] := sum_fst b.
eexists; eexists; split; [reflexivity| |exact: IH]; clear IH.
move: (map fst a) (map fst b) => {a b} u v; case: f u v => [[] n] u v;
  cbn [field_overlaps field_conflict].
  by move=> i; rewrite N.land_spec !sum_toggles.
have zero_or_not (x : adding n) : {x = 0%G /\ is_zero x = true} + {x <> 0%G /\ is_zero x = false}.
  case e: (is_zero x); [left|right]; split=> //; first by apply/is_zeroP.
  by move=> z; move: e; rewrite (proj2 (is_zeroP _ _) z).
have [[ha za]|[ha za]] := zero_or_not (sum u); have [[hb zb]|[hb zb]] := zero_or_not (sum v);
  rewrite za zb; case: both; split=> h //=; case: h; intuition congruence.
Qed.

(** The report of a comparison names, of a field that xors, the bits that both groups of changes
    toggle an odd number of times, and of the fields that add those that both groups change, if both
    put: nothing else, and nothing less.
    Spec: docs/spec.md "They conflict in a field that adds if both groups contain a put of any such
      field of the address and both change this one."
    Spec: docs/replication.md "A report compares the net effects of the changes that the other side
      did not know, so a bit that was changed and changed back does not count."
    Code: crates/atomik-algebra/src/entries.rs overlap, conflict *)
Theorem what_is_reported_is_what_overlaps l (w : world (words l)) x :
  reachable w -> In x (compared w) ->
  overlaps l (existsb (@is_put _) (group_a x) && existsb (@is_put _) (group_b x))
    (map (@amount _) (group_a x)) (map (@amount _) (group_b x))
    (conflict l (both_put x) (net_a x) (net_b x)).
Proof.
move=> hr hx; have [-> -> ->] := what_is_compared_is_what_was_unknown x hr hx.
exact: conflict_overlaps.
Qed.
