(* What holds in every reachable state of Replication.v: a version has one content, nothing that was
   stored is lost, replicas that hold the same have the same value, and each change counts once. *)
From Coq Require Import List Bool Arith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Replication.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

Section Convergence.
Variable W : group.
Notation world := (world W).
Notation store := (store W).
Implicit Types (w : world) (s : store) (o p : origin) (e : entry W) (l h : list (change W)).

Lemma summary_snoc l c : summary (l ++ [c]) = enter (summary l) c.
Proof. by rewrite /summary fold_left_app. Qed.

Lemma summary_version l : version (summary l) = length l.
Proof.
elim/rev_ind: l => [//|c l IH]; by rewrite summary_snoc app_length /= IH; lia.
Qed.

Lemma summary_accumulator l : accumulator (summary l) = sum (map (@amount W) l).
Proof.
elim/rev_ind: l => [//|c l IH].
by rewrite summary_snoc map_app sum_app /= IH; group_eq.
Qed.

(* An entry is what its origin had after some number of changes. *)
Definition good h e : Prop :=
  version e <= length h /\ e = summary (firstn (version e) h).

Lemma good_prefix h n : n <= length h -> good h (summary (firstn n h)).
Proof.
move=> le; have e : version (summary (firstn n h)) = n.
  by rewrite summary_version firstn_length; lia.
by rewrite /good e.
Qed.

Lemma good_all h : good h (summary h).
Proof. rewrite -{2}(firstn_all h); exact: good_prefix. Qed.

Lemma good_none h : good h (none W).
Proof. by split=> /=; first lia. Qed.

Lemma good_snoc h c e : good h e -> good (h ++ [c]) e.
Proof.
move=> [le eq]; split; first by rewrite app_length; lia.
rewrite firstn_app (_ : version e - length h = 0); first by lia.
by rewrite firstn_O app_nil_r.
Qed.

Lemma good_cut h n e : version e <= n -> good h e -> good (firstn n h) e.
Proof.
move=> le [le' eq]; split; first by rewrite firstn_length; lia.
by rewrite firstn_firstn Nat.min_l.
Qed.

Lemma good_same h e e' : good h e -> good h e' -> version e = version e' -> e = e'.
Proof.
move=> [_ eq] [_ eq'] v; transitivity (summary (firstn (version e) h)) => //.
by rewrite v -eq'.
Qed.

(* What an entry knows of another origin: nothing, or what that one had at some time. *)
Definition informed (w : world) k (x : nat * W) p : Prop :=
  fst x <= length (history w p k) /\
  snd x = accumulator (summary (firstn (fst x) (history w p k))).

Definition stores (x : replica W) : list store := [memory x; flight x; disk x].

Record invariant w : Prop := Invariant {
  places_good : forall r s o k, In s (stores (replicas w r)) -> good (history w o k) (s o k);
  sent_good : forall o k e, In (o, k, e) (sent w) -> good (history w o k) e;
  own_whole : forall r k,
    version (memory (replicas w r) (me w r) k) = length (history w (me w r) k);
  ordered : forall r o k,
    version (disk (replicas w r) o k) <= version (flight (replicas w r) o k) <=
    version (memory (replicas w r) o k);
  far : forall r q k, q <> r ->
    version (memory (replicas w q) (me w r) k) <= version (disk (replicas w r) (me w r) k);
  far_sent : forall r k e, In (me w r, k, e) (sent w) ->
    version e <= version (disk (replicas w r) (me w r) k);
  future : forall r (n k : nat), life (replicas w r) < n -> history w (r, n) k = [];
  knew_good : forall o k c p, In c (history w o k) -> informed w k (lists c p) p;
  knew_far : forall o k c r, In c (history w o k) ->
    fst (lists c (me w r)) <= version (disk (replicas w r) (me w r) k);
  learnt : forall r k p s i c, In s (stores (replicas w r)) ->
    nth_error (history w (me w r) k) i = Some c -> i < version (s (me w r) k) ->
    fst (lists c p) <= version (s p k);
  named : forall o k c, In c (history w o k) -> number c < names w;
  names_differ : forall o k i c o' k' i' c',
    nth_error (history w o k) i = Some c -> nth_error (history w o' k') i' = Some c' ->
    number c = number c' -> o = o' /\ k = k' /\ i = i'
}.

Lemma start_invariant : invariant (start W).
Proof.
have n A i : nth_error (@nil A) i = None by case: i.
split=> //=.
- by move=> r s o k; case=> [<-|[<-|[<-|]]] //= _; exact: good_none.
- by move=> r k p s i c _; rewrite n.
- by move=> o k i c o' k' i' c'; rewrite n.
Qed.

(* Cases of a step: the replica that steps, or another one. *)
Lemma put_here w r x : put_replica w r x r = x.
Proof. by rewrite /put_replica Nat.eqb_refl. Qed.
Lemma put_there w r x q : q <> r -> put_replica w r x q = replicas w q.
Proof. by rewrite /put_replica => /Nat.eqb_neq ->. Qed.

Lemma me_differs w r q : q <> r -> me w q <> me w r.
Proof. by move=> h [e _]. Qed.

Lemma set_cases s o k e p j :
  (p = o /\ j = k /\ set s o k e p j = e) \/ ((p <> o \/ j <> k) /\ set s o k e p j = s p j).
Proof.
rewrite /set; case: sameP => [->|h] /=; last by right; split=> //; left=> h'; apply: h.
case: Nat.eqb_spec => [->|h]; first by left.
by right; split=> //; right=> h'; apply: h.
Qed.

Lemma extend_cases (h : origin -> nat -> list (change W)) o k c p j :
  (p = o /\ j = k /\ extend h o k c p j = h p j ++ [c]) \/
  ((p <> o \/ j <> k) /\ extend h o k c p j = h p j).
Proof.
rewrite /extend; case: sameP => [->|n] /=; last by right; split=> //; left=> n'; apply: n.
case: Nat.eqb_spec => [->|n]; first by left.
by right; split=> //; right=> n'; apply: n.
Qed.

Lemma nth_error_snoc A (l : list A) x i y :
  nth_error (l ++ [x]) i = Some y ->
  (i < length l /\ nth_error l i = Some y) \/ (i = length l /\ y = x).
Proof.
case: (Nat.lt_ge_cases i (length l)) => h; first by rewrite nth_error_app1 //; left.
rewrite nth_error_app2 //; case e: (i - length l) => [|m] /=.
  by move=> [<-]; right; split=> //; lia.
by case: m {e}.
Qed.

Lemma nth_error_in A (l : list A) i x : nth_error l i = Some x -> In x l.
Proof. exact: nth_error_In. Qed.

Lemma nth_error_cut A (l : list A) n i x :
  nth_error (firstn n l) i = Some x -> nth_error l i = Some x /\ i < n.
Proof.
move=> h; have : i < length (firstn n l) by apply/nth_error_Some; rewrite h.
rewrite firstn_length => lt; split; last by lia.
by rewrite -(firstn_skipn n l) nth_error_app1 ?firstn_length //; lia.
Qed.

Lemma cut_within (h : origin -> nat -> list (change W)) o' s o k n d :
  nth_error (cut h o' s o k) n = Some d -> nth_error (h o k) n = Some d.
Proof. by rewrite /cut; case: sameP => // _ e; have [] := @nth_error_cut _ _ _ _ _ e. Qed.

Ltac here q r :=
  let ne := fresh "ne" in
  case: (Nat.eq_dec q r) => [?|ne];
  [subst; rewrite ?put_here; try congruence|rewrite ?(fun w x => @put_there w r x q ne) //].

Lemma life_kept w r x q : life x = life (replicas w r) ->
  life (put_replica w r x q) = life (replicas w q).
Proof. by move=> e; here q r. Qed.

Section Steps.
Variable w : world.
Hypothesis ok : invariant w.

(* What only moves stores of one replica along keeps everything that is about histories. *)
Lemma stores_move r x :
  life x = life (replicas w r) -> memory x = memory (replicas w r) ->
  (forall s, In s (stores x) -> In s (stores (replicas w r))) ->
  (forall o k, version (disk x o k) <= version (flight x o k) <= version (memory x o k)) ->
  (forall o k, version (disk (replicas w r) o k) <= version (disk x o k)) ->
  forall c, invariant (World (put_replica w r x) (sent w) (history w) (names w) c).
Proof.
case: ok => H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 L M S O D c.
have more q o k : version (disk (replicas w q) o k) <= version (disk (put_replica w r x q) o k).
  by here q r.
have m q : me (World (put_replica w r x) (sent w) (history w) (names w) c) q = me w q.
  by rewrite /me /= life_kept.
split=> //=.
- by move=> q s o k; here q r => [/S|]; apply: H1.
- by move=> q k; rewrite m; here q r; rewrite ?M; apply: H3.
- by move=> q o k; here q r.
- move=> q p k ne; rewrite m; apply: Nat.le_trans (more _ _ _); have := H5 q p k ne.
  by here p r; rewrite ?M.
- by move=> q k e; rewrite m => /H6 h; apply: Nat.le_trans h (more _ _ _).
- by move=> q n k; rewrite life_kept //; apply: H7.
- by move=> o k d q h; rewrite m; apply: Nat.le_trans (more _ _ _); apply: H9 h.
- by move=> q k p s i d; rewrite m; here q r => [/S|]; apply: H10.
Qed.

Lemma launch_keeps r c : let x := replicas w r in
  invariant (World (put_replica w r (Replica (life x) (memory x) (memory x) (disk x)))
    (sent w) (history w) (names w) c).
Proof.
apply: stores_move => //=.
- by move=> s; rewrite /stores /=; tauto.
- by move=> o k; have := ordered ok r o k; lia.
Qed.

Lemma confirm_keeps r c : let x := replicas w r in
  invariant (World (put_replica w r (Replica (life x) (memory x) (flight x) (flight x)))
    (sent w) (history w) (names w) c).
Proof.
apply: stores_move => //=.
- by move=> s; rewrite /stores /=; tauto.
- by move=> o k; have := ordered ok r o k; lia.
- by move=> o k; have := ordered ok r o k; lia.
Qed.

Lemma send_keeps r o k : let x := replicas w r in
  let e := if same (me w r) o then disk x o k else memory x o k in
  invariant (World (replicas w) ((o, k, e) :: sent w) (history w) (names w) (compared w)).
Proof.
case: (ok) => H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 x e; split=> //=.
- move=> p j f [[<- <- <-]|]; last exact: H2.
  by rewrite /e; case: ifP => _; apply: H1; rewrite /stores /=; tauto.
- move=> q j f [[h <- <-]|]; last exact: H6.
  rewrite /e h; case: sameP => h'; first by case: h' => <-.
  by apply: H5 => e'; apply: h'; rewrite e'.
Qed.

Lemma receive_keeps r o k e c : let x := replicas w r in
  In (o, k, e) (sent w) ->
  invariant (World (put_replica w r (Replica (life x) (merge (memory x) o k e) (flight x) (disk x)))
    (sent w) (history w) (names w) c).
Proof.
case: (ok) => H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 x he.
pose x' := Replica (life x) (merge (memory x) o k e) (flight x) (disk x).
have old s : In s (stores x') -> s = merge (memory x) o k e \/ In s (stores x).
  by rewrite /stores /=; intuition.
have cases p j : merge (memory x) o k e p j = memory x p j \/
    [/\ p = o, j = k, merge (memory x) o k e p j = e & version (memory x p j) < version e].
  rewrite /merge; case: Nat.ltb_spec => h; last by left.
  by case: (set_cases (memory x) o k e p j) => [[-> [-> ->]]|[_ ->]]; [right|left].
have grow p j : version (memory x p j) <= version (merge (memory x) o k e p j).
  by case: (cases p j) => [->|[_ _ -> ?]]; lia.
have own j : merge (memory x) o k e (me w r) j = memory x (me w r) j.
  case: (cases (me w r) j) => [//|[e1 e2 _ lt]].
  move: he lt; rewrite -e1 -e2 => /H6 h; have := H4 r (me w r) j; rewrite -/x in h *; lia.
have m q : me (World (put_replica w r x') (sent w) (history w) (names w) c) q = me w q.
  by rewrite /me /= life_kept.
have d q : disk (put_replica w r x' q) = disk (replicas w q) by here q r.
rewrite -/x'; split=> //=.
- move=> q s p j; here q r; last exact: H1.
  move/old => [->|h]; last exact: H1 h.
  case: (cases p j) => [->|[-> -> -> _]]; last exact: H2.
  by apply: (H1 r); rewrite /stores /=; tauto.
- by move=> q j; rewrite m; here q r => /=; rewrite ?own; apply: H3.
- move=> q p j; here q r => /=; have := H4 r p j; have := grow p j; rewrite -/x; lia.
- move=> q p j ne; rewrite m d; here p r => /=; last exact: H5.
  case: (cases (me w q) j) => [->|[e1 e2 -> _]]; first exact: H5.
  by apply: H6; rewrite e1 e2.
- by move=> q j f; rewrite m d; apply: H6.
- by move=> q n j; rewrite life_kept //; apply: H7.
- by move=> p j f q h; rewrite m d; apply: H9 h.
- move=> q j p s i f; rewrite m; here q r; last exact: H10.
  move/old => [->|h]; last exact: H10 h.
  rewrite own => h lt; apply: Nat.le_trans (grow _ _).
  by apply: (H10 r j p (memory x) i f) => //; rewrite /stores /=; tauto.
Qed.

Lemma restore_keeps r s c :
  (forall o k, version (s o k) <= version (disk (replicas w r) o k) /\
     s o k = summary (firstn (version (s o k)) (history w o k))) ->
  invariant (World (put_replica w r (Replica (S (life (replicas w r))) s s s))
    (sent w) (history w) (names w) c).
Proof.
case: (ok) => H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 old.
set w' := World _ _ _ _ _.
have m q : q <> r -> me w' q = me w q by move=> ne; rewrite /me /= put_there.
have mr : me w' r = (r, S (life (replicas w r))) by rewrite /me /= put_here.
have new k : history w (me w' r) k = [] by rewrite mr; apply: H7; lia.
have none_of e k : good (history w (me w' r) k) e -> version e = 0.
  by rewrite new => -[/= ? _]; lia.
have goods o k : good (history w o k) (s o k).
  have [le eq] := old o k; split=> //; apply: Nat.le_trans le _.
  by have [] := H1 r (disk (replicas w r)) o k ltac:(rewrite /stores /=; tauto).
split=> //=.
- move=> q t o k; here q r; last exact: H1.
  by rewrite /stores /= => -[<-|[<-|[<-|[]]]]; apply: goods.
- move=> q k; here q r; last by rewrite m //; apply: H3.
  by rewrite (none_of _ k (goods _ _)) new.
- by move=> q o k; here q r => /=; lia.
- move=> q p k ne; here q r.
    here p r => //=; rewrite (none_of _ k); last by lia.
    by apply: (H1 p); rewrite /stores /=; tauto.
  rewrite m //; here p r => /=; last exact: H5.
  have [le _] := old (me w q) k; apply: Nat.le_trans le _.
  have := H4 r (me w q) k; have := H5 q r k ne; lia.
- move=> q k e; here q r; last by rewrite m //; apply: H6.
  by move/H2/none_of => ->; lia.
- move=> q n k; here q r => /=; last exact: H7.
  by move=> lt; apply: H7; lia.
- move=> o k d q hd; here q r; last by rewrite m //; apply: H9 hd.
  by have [] := H8 o k d (me w' r) hd; rewrite new /=; lia.
- move=> q k p t i d; here q r; last by rewrite m //; apply: H10.
  by rewrite new; case: i.
Qed.

Lemma crash_keeps r s c : s = flight (replicas w r) \/ s = disk (replicas w r) ->
  invariant (World (put_replica w r (Replica (life (replicas w r)) s s s))
    (sent w) (cut (history w) (me w r) s) (names w) c).
Proof.
case: (ok) => H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 which.
set x := Replica _ _ _ _; set h := cut _ _ _; set w' := World _ _ _ _ _.
have m q : me w' q = me w q by rewrite /me /= life_kept.
have st : In s (stores (replicas w r)) by rewrite /stores /=; intuition.
have between o k : version (disk (replicas w r) o k) <= version (s o k) <=
    version (memory (replicas w r) o k).
  by have := H4 r o k; case: which => ->; lia.
have hist o k : (o = me w r /\ h o k = firstn (version (s o k)) (history w o k)) \/
    (o <> me w r /\ h o k = history w o k).
  by rewrite /h /cut; case: sameP => [<-|ne]; [left|right; split=> // e; apply: ne].
have len k : version (s (me w r) k) <= length (history w (me w r) k).
  by have [] := H1 r s (me w r) k st.
have keep o k e : good (history w o k) e -> (o = me w r -> version e <= version (s o k)) ->
    good (h o k) e.
  by move=> g le; case: (hist o k) => [[eo ->]|[_ ->]] //; apply: good_cut => //; apply: le.
have sub o k i d : nth_error (h o k) i = Some d -> nth_error (history w o k) i = Some d :=
  @cut_within _ _ _ _ _ _ _.
have subin o k d : In d (h o k) -> In d (history w o k).
  by move=> h'; have [i /(sub o k) h2] := In_nth_error _ _ h'; exact: nth_error_In h2.
have far_s o k q : q <> r -> o = me w r -> version (memory (replicas w q) o k) <= version (s o k).
  by move=> ne ->; apply: Nat.le_trans (H5 r q k ne) _; have := between (me w r) k; lia.
split=> //=.
- move=> q t o k; here q r => ht.
    have -> : t = s by move: ht; rewrite /stores /=; intuition.
    by apply: keep => //; apply: (H1 r).
  apply: keep; first exact: (H1 q).
  move=> eo; apply: Nat.le_trans _ (far_s o k q ne eo).
  by have := H4 q o k; move: ht; rewrite /stores /= => -[<-|[<-|[<-|[]]]]; lia.
- move=> o k e he; apply: keep; first exact: H2.
  move=> eo; rewrite eo in he *; have := H6 r k e he; have := between (me w r) k; lia.
- move=> q k; rewrite m; here q r => /=.
    case: (hist (me w r) k) => [[_ ->]|[]] //; rewrite firstn_length; have := len k; lia.
  by case: (hist (me w q) k) => [[/me_differs]|[_ ->]] //; apply: H3.
- by move=> q o k; here q r => /=; lia.
- move=> q p k ne; rewrite m; here q r => /=; first by rewrite put_there //; apply: far_s.
  here p r => /=; last exact: H5.
  by apply: Nat.le_trans (H5 q r k ne); have := between (me w q) k; lia.
- move=> q k e; rewrite m => he; have := H6 q k e he; here q r => //=.
  by have := between (me w r) k; lia.
- move=> q n k; rewrite life_kept // => lt.
  case: (hist (q, n) k) => [[_ ->]|[_ ->]]; rewrite (H7 q n k lt) ?firstn_nil //.
- move=> o k d p /subin hd; have [le eq] := H8 o k d p hd; rewrite /informed /=.
  case: (hist p k) => [[ep ->]|[_ ->]] //.
  have le' : fst (lists d p) <= version (s p k).
    rewrite ep; apply: Nat.le_trans (H9 o k d r hd) _; have := between (me w r) k; lia.
  by rewrite firstn_firstn Nat.min_l // firstn_length; split=> //; lia.
- move=> o k d q /subin hd; rewrite m; have := H9 o k d q hd; here q r => //=.
  by have := between (me w r) k; lia.
- move=> q k p t i d ht; rewrite m => /sub hn; move: ht; here q r.
    move=> ht; have -> : t = s by move: ht; rewrite /stores /=; intuition.
    exact: (H10 r k p s i d).
  by move=> ht; apply: (H10 q k p t i d).
- by move=> o k d /subin; apply: H11.
- by move=> o k i d o' k' i' d' /sub a /sub b; apply: H12 a b.
Qed.

Lemma vouch_keeps r w1 : vouch r w w1 -> invariant w1.
Proof.
case=> s l y old closed_ holds_no_more lists_no_more was_sent sent_no_more.
case: (ok) => H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12; rewrite {}/y in old *.
set x := Replica _ _ _ _; set h := cut _ _ _; set w' := World _ _ _ _ _.
have m q : me w' q = me w q by rewrite /me /= life_kept.
have less o k : version (s o k) <= version (disk (replicas w r) o k) by have [] := old o k.
have s_good o k : good (history w o k) (s o k).
  have [_ eq] := old o k; split=> //; apply: Nat.le_trans (less o k) _.
  by have [] := H1 r (disk (replicas w r)) o k ltac:(rewrite /stores /=; tauto).
have hist o k : (o = me w r /\ h o k = firstn (version (s o k)) (history w o k)) \/
    (o <> me w r /\ h o k = history w o k).
  by rewrite /h /cut; case: sameP => [<-|ne]; [left|right; split=> // e; apply: ne].
have len k : version (s (me w r) k) <= length (history w (me w r) k).
  by have [] := s_good (me w r) k.
have keep o k e : good (history w o k) e -> (o = me w r -> version e <= version (s o k)) ->
    good (h o k) e.
  by move=> g le; case: (hist o k) => [[eo ->]|[_ ->]] //; apply: good_cut => //; apply: le.
have sub o k i d : nth_error (h o k) i = Some d -> nth_error (history w o k) i = Some d :=
  @cut_within _ _ _ _ _ _ _.
have subin o k d : In d (h o k) -> In d (history w o k).
  by move=> h'; have [i /(sub o k) h2] := In_nth_error _ _ h'; exact: nth_error_In h2.
have far_s o k q : q <> r -> o = me w r -> version (memory (replicas w q) o k) <= version (s o k).
  by move=> ne ->; apply: holds_no_more.
split=> //=.
- move=> q t o k; here q r => ht.
    have -> : t = s by move: ht; rewrite /stores /=; intuition.
    exact: keep.
  apply: keep; first exact: (H1 q).
  move=> eo; apply: Nat.le_trans _ (far_s o k q ne eo).
  by have := H4 q o k; move: ht; rewrite /stores /= => -[<-|[<-|[<-|[]]]]; lia.
- move=> o k e he; apply: keep; first by apply: H2; apply: was_sent.
  by move=> eo; rewrite eo in he *; apply: sent_no_more.
- move=> q k; rewrite m; here q r => /=.
    case: (hist (me w r) k) => [[_ ->]|[]] //; rewrite firstn_length; have := len k; lia.
  by case: (hist (me w q) k) => [[/me_differs]|[_ ->]] //; apply: H3.
- by move=> q o k; here q r => /=; lia.
- move=> q p k ne; rewrite m; here q r => /=; first by rewrite put_there //; apply: far_s.
  here p r => /=; last exact: H5.
  by apply: Nat.le_trans (H5 q r k ne); have := H4 r (me w q) k; have := less (me w q) k; lia.
- move=> q k e; rewrite m => he; here q r => /=; first exact: sent_no_more.
  by apply: H6; apply: was_sent.
- move=> q n k; rewrite life_kept // => lt.
  case: (hist (q, n) k) => [[_ ->]|[_ ->]]; rewrite (H7 q n k lt) ?firstn_nil //.
- move=> o k d p /subin hd; have [le1 eq] := H8 o k d p hd; rewrite /informed /=.
  case: (hist p k) => [[ep ->]|[_ ->]] //.
  have le' : fst (lists d p) <= version (s p k).
    by rewrite ep; apply: (lists_no_more o).
  by rewrite firstn_firstn Nat.min_l // firstn_length; split=> //; lia.
- move=> o k d q /subin hd; rewrite m; here q r => /=; first exact: (lists_no_more o).
  exact: H9 hd.
- move=> q k p t i d ht; rewrite m => /sub hn; move: ht; here q r.
    move=> ht; have -> : t = s by move: ht; rewrite /stores /=; intuition.
    exact: closed_.
  by move=> ht; apply: (H10 q k p t i d).
- by move=> o k d /subin; apply: H11.
- by move=> o k i d o' k' i' d' /sub a /sub b; apply: H12 a b.
Qed.

Lemma operate_keeps r k d (p : bool) (l : list origin) c : let x := replicas w r in
  let v := view (memory x) (me w r) k in
  let change := Change (names w) d v (listed l v) p in
  invariant (World
    (put_replica w r (Replica (life x) (set (memory x) (me w r) k
       (enter (memory x (me w r) k) change)) (flight x) (disk x)))
    (sent w) (extend (history w) (me w r) k change) (S (names w)) c).
Proof.
case: (ok) => H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 x v a.
set e := enter _ _; set x' := Replica _ _ _ _; set h := extend _ _ _ _; set w' := World _ _ _ _ _.
have m q : me w' q = me w q by rewrite /me /= life_kept.
have hist o j : (o = me w r /\ j = k /\ h o j = history w o j ++ [a]) \/
    ((o <> me w r \/ j <> k) /\ h o j = history w o j) by apply: extend_cases.
have mem o j : (o = me w r /\ j = k /\ memory x' o j = e) \/
    ((o <> me w r \/ j <> k) /\ memory x' o j = memory x o j) by apply: set_cases.
have whole : memory x (me w r) k = summary (history w (me w r) k).
  have [_ ->] := H1 r (memory x) (me w r) k ltac:(rewrite /stores /=; tauto).
  by rewrite H3 firstn_all.
have grows o j f : good (history w o j) f -> good (h o j) f.
  by case: (hist o j) => [[_ [_ ->]]|[_ ->]] //; apply: good_snoc.
have disks q : disk (put_replica w r x' q) = disk (replicas w q) by here q r.
have old o j b : In b (h o j) -> In b (history w o j) \/ (o = me w r /\ j = k /\ b = a).
  case: (hist o j) => [[-> [-> ->]]|[_ ->]]; last by left.
  by move=> /in_app_iff [|[<-|[]]]; [left|right].
have oldn o j i b : nth_error (h o j) i = Some b -> nth_error (history w o j) i = Some b \/
    (o = me w r /\ j = k /\ b = a /\ i = length (history w o j)).
  case: (hist o j) => [[-> [-> ->]]|[_ ->]]; last by left.
  by move=> h'; have [[_ ?]|[-> ->]] := @nth_error_snoc _ _ _ _ _ h'; [left|right].
have others s : In s (stores x') -> s = memory x' \/ In s (stores x).
  by rewrite /stores /=; intuition.
have mem_good o j : good (history w o j) (memory x o j).
  by apply: (H1 r); rewrite /stores /=; tauto.
split=> //=.
- move=> q s o j; here q r => hs; last by apply: grows; apply: (H1 q).
  case: (others s hs) => [->|h1]; last by apply: grows; apply: (H1 r).
  case: (mem o j) => [[-> [-> ->]]|[_ ->]]; last by apply: grows.
  case: (hist (me w r) k) => [[_ [_ ->]]|[[]]] //.
  by rewrite /e whole -summary_snoc; apply: good_all.
- by move=> o j f hf; apply: grows; apply: H2.
- move=> q j; rewrite m; here q r.
    case: (mem (me w r) j) (hist (me w r) j) => [[_ [-> ->]]|[n1 ->]] [[_ [e2 ->]]|[n2 ->]].
    + by rewrite /e /= H3 app_length /=; lia.
    + by case: n2.
    + by case: n1 => //; case.
    + exact: H3.
    + by case: (hist (me w q) j) => [[/me_differs]|[_ ->]] //; apply: H3.
- move=> q o j; here q r; have o1 := H4 r o j.
  case: (mem o j) => [[eo [ej ->]]|[_ ->]] //=; subst o j.
  by rewrite -/x in o1 *; lia.
- move=> q s j ne; rewrite m disks; here s r; last exact: H5.
  case: (mem (me w q) j) => [[/me_differs]|[_ ->]]; first by move=> h'; case: h' => // ?; apply: ne.
  exact: H5.
- by move=> q j f; rewrite m disks; apply: H6.
- move=> q n j; rewrite life_kept // => lt.
  case: (hist (q, n) j) => [[eq _]|[_ ->]]; last exact: H7.
  by case: eq lt => -> ->; lia.
- have inf j b q : informed w j b q -> informed w' j b q.
    move=> [le eq]; rewrite /informed /=.
    case: (hist q j) => [[_ [_ ->]]|[_ ->]] //.
    rewrite app_length firstn_app (_ : fst b - length (history w q j) = 0); first by lia.
    by rewrite firstn_O app_nil_r; split=> //; lia.
  move=> o j b q /old [hb|[_ [-> ->]]]; apply: inf; first exact: H8 hb.
  rewrite /a /v /listed /view /=; case: existsb => /=; last by split=> //=; lia.
  case: ifP => _ /=; first by split=> //=; lia.
  by have [le eq] := mem_good q k; split=> //=; rewrite {1}eq.
- move=> o j b q /old [hb|[_ [-> ->]]]; rewrite m disks; first exact: H9 hb.
  rewrite /a /v /listed /view /=; case: existsb => /=; last by lia.
  case: sameP => h' /=; first by lia.
  by apply: H5 => e'; apply: h'; rewrite e'.
- move=> q j s t i b ht; rewrite m => /oldn [hb lt|[e1 [-> [-> ->]]]].
    move: ht; here q r; last by move=> ht; apply: (H10 q j s t i b).
    move/others => [et|ht]; last exact: (H10 r j s t i b).
    have lt' : i < version (memory x (me w r) j).
      by rewrite H3; apply/nth_error_Some; rewrite hb.
    have := H10 r j s (memory x) i b ltac:(rewrite /stores /=; tauto) hb lt'.
    rewrite et; case: (mem s j) => [[e1 [e2 ->]]|[_ ->]] //.
    by rewrite /e /= e1 e2; lia.
  have eq : q = r by case: e1.
  subst q; rewrite put_here in ht; case: (others t ht) => [->|h1] lt.
    case: (mem s k) => [[e2 [_ ->]]|[_ ->]]; rewrite /a /v /listed /view /=; case: existsb => /=;
      try case: ifP => _ /=; rewrite ?e2 /e /=; lia.
  have [] := H1 r t (me w r) k h1; lia.
- by move=> o j b /old [/H11|[_ [_ ->]]] /=; lia.
- move=> o j i b o' j' i' b' /oldn [h1|[e1 [e2 [e3 e4]]]] /oldn [h2|[e1' [e2' [e3' e4']]]].
  + exact: H12 h1 h2.
  + by move=> en; have := H11 o j b (nth_error_In _ _ h1); rewrite en e3' /=; lia.
  + by move=> en; have := H11 o' j' b' (nth_error_In _ _ h2); rewrite -en e3 /=; lia.
  + by move=> _; subst.
Qed.
End Steps.

Lemma always w : reachable w -> invariant w.
Proof.
elim=> {w} [|w w' _ ok st|r w w' _ ok v]; first exact: start_invariant.
2: exact: vouch_keeps v.
case: st ok => {w'}.
- by move=> {}w r k d p l x v c _ ok; apply: operate_keeps.
- by move=> {}w r x ok; apply: launch_keeps.
- by move=> {}w r x ok; apply: confirm_keeps.
- by move=> {}w r o k x e ok; apply: send_keeps.
- by move=> {}w r o k e x he ok; apply: receive_keeps.
- by move=> {}w r [] x s ok; apply: crash_keeps => //; [left|right].
- by move=> {}w r s x hs ok; apply: restore_keeps.
Qed.
End Convergence.
