(* Members that join, leave, lose their disks and agree on what they fold, in steps.

   The model follows crates/atomik-replica: `roster.rs` and `closing.rs` (which lives are over, and
   who has to sign), `statement.rs`, `certificate.rs` and `ledger.rs` (rounds, memories, folding and
   adopting) and `merge.rs` (what is taken of closed lives).

   It stands on Convergence.v: a version of an entry has one content, so what a member holds of an
   origin is a number of its changes. Of the rest it assumes:
   - nobody signs for another, and who signs follows the rules of `ledger.rs` (a liar is removed);
   - bases, entries and memories are compared by hashes without collisions: here, as they are;
   - what a statement says is durable when it is made;
   - whoever's records are older than they were has another memory before it states anything again;
   - random bits are new: no two memories of a member are the same.
   Messages are lost, repeated and reordered at will: a member hears any statement at any time, or
   never. *)
From Coq Require Import List Bool Arith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Replication.
Import ListNotations.
Set Implicit Arguments.
Unset Strict Implicit.
Open Scope nat_scope.

Section Members.
Variable W : group.

(* The origins that there are, and the changes that each of them ever makes to a key. *)
Variables (all : list origin) (changes : origin -> nat -> list W).

(* An extent is a roster with what is closed under it, by its rank: which origins are over, and who
   has to sign. *)
Variables (closed : nat -> origin -> bool) (signers : nat -> list nat).

(* How many changes of each origin to each key are held. *)
Definition holding := origin -> nat -> nat.
Definition effect_of (h : holding) (k : nat) (o : origin) : W := sum (firstn (h o k) (changes o k)).

(* `hash_after` hashes this: the base once everything closed is folded. *)
Definition base_of (x : nat) (h : holding) (k : nat) : W :=
  sum (map (fun o => if closed x o then effect_of h k o else 0%G) all).

(* `Statement`. `minds` are the memories of those who sign, as far as the signer knows them. Instead
   of hashes it has what they are computed of: what was held, and of which lives that was in the
   base before. *)
Record statement := Statement {
  by_ : nat; about : nat; round : nat; mind : nat; minds : nat -> option nat; held : holding;
  done : origin -> bool
}.
Implicit Types s t u : statement.

Definition total s : nat -> W := base_of (about s) (held s).

(* The entries that the base takes: those of closed lives that were not in it before. *)
Definition named s (o : origin) (k : nat) : nat :=
  if closed (about s) o && negb (done s o) then held s o k else 0.

(* `Holding`: equal statements have the same base, made of the same entries. *)
Definition agree s t : Prop :=
  (forall k, total s k = total t k) /\ (forall o k, named s o k = named t o k).

Lemma agree_sym s t : agree s t -> agree t s.
Proof. by firstorder congruence. Qed.

Lemma agree_trans s t u : agree s t -> agree t u -> agree s u.
Proof. by firstorder congruence. Qed.

(* Statements of one memory about one extent. *)
Definition same_line s t : Prop := by_ s = by_ t /\ about s = about t /\ mind s = mind t.

(* `Ledger::is_open_after`, for one statement: it is of a later round, or differs. *)
Definition beyond u t : Prop :=
  round t < round u \/ (round u = round t /\ ~ agree u t).

(* `Ledger::complete`: all who have to sign state the same, and name their memories. *)
Definition complete (l : list statement) s : Prop :=
  In s l /\ In (by_ s) (signers (about s)) /\
  forall q, In q (signers (about s)) -> exists t,
    [/\ In t l, by_ t = q, about t = about s, round t = round s &
        [/\ minds s q = Some (mind t),
            (forall p, In p (signers (about s)) -> minds t p = minds s p) &
            agree t s]].

Record member := Member {
  memory : nat; at_ : nat; holds : holding; folded : origin -> bool;
  certificate : option statement
}.
(* `heard`: the statements that a member has received. *)
Record world := World {
  members : nat -> member; said : list statement; heard : nat -> list statement; free : nat
}.
Implicit Types (w : world) (l : list statement) (h : holding).

Definition settled (m : member) : Prop := exists2 s, certificate m = Some s & about s = at_ m.

(* The state of a key, and its base. *)
Definition value_of (m : member) (k : nat) : W := sum (map (effect_of (holds m) k) all).
Definition base (m : member) (k : nat) : W :=
  sum (map (fun o => if folded m o then effect_of (holds m) k o else 0%G) all).

Definition put A (f : nat -> A) (r : nat) (x : A) : nat -> A := fun q => if q =? r then x else f q.

(* What a member has stated in its present memory about its extent, and the last of it. *)
Definition own (m : member) r t : Prop := by_ t = r /\ about t = at_ m /\ mind t = memory m.
Definition last_own l m r t : Prop :=
  [/\ In t l, own m r t & forall u, In u l -> own m r u -> round u <= round t].

Definition is_open l (m : member) t : Prop :=
  exists u, [/\ In u l, about u = at_ m, In (by_ u) (signers (at_ m)) & beyond u t].

(* `Base::fold` and `Base::adopt`: the base is then the certified one. *)
Definition with_base (m : member) s : member :=
  Member (memory m) (at_ m) (fun o k => if closed (at_ m) o then held s o k else holds m o k)
    (closed (at_ m)) (Some s).

Definition hold h o k n : holding := fun p j => if same o p && (k =? j) then n else h p j.

Inductive step w : world -> Prop :=
(* A member takes an entry. Of closed lives it takes none once it has stated, unless statements
   differ. *)
| take r o k n :
    let m := members w r in
    folded m o = false -> holds m o k <= n <= length (changes o k) ->
    (closed (at_ m) o = true -> forall t, last_own (said w) m r t -> is_open (heard w r) m t) ->
    step w (World (put (members w) r
      (Member (memory m) (at_ m) (hold (holds m) o k n) (folded m) (certificate m)))
      (said w) (heard w) (free w))
| hear r s :
    In s (said w) ->
    step w (World (members w) (said w) (put (heard w) r (s :: heard w r)) (free w))
(* A newer roster, a retirement, or a conviction. *)
| learn r x :
    let m := members w r in
    at_ m < x -> (forall o, closed (at_ m) o = true -> closed x o = true) ->
    step w (World (put (members w) r
      (Member (memory m) x (holds m) (folded m) (certificate m))) (said w) (heard w) (free w))
(* `Ledger::state`: once in a memory, and again, in a later round, if statements differ or if other
   memories are to be named. *)
| state r n (ms : nat -> option nat) :
    let m := members w r in
    let s := Statement r (at_ m) n (memory m) ms (holds m) (folded m) in
    In r (signers (at_ m)) -> ~ settled m -> ms r = Some (memory m) ->
    (forall q p, ms q = Some p -> q <> r ->
       exists t, [/\ In t (heard w r), by_ t = q, about t = at_ m & mind t = p]) ->
    (forall t, In t (said w) -> own m r t -> round t < n) ->
    (forall t, last_own (said w) m r t -> is_open (heard w r) m t \/
       exists2 q, In q (signers (at_ m)) & ms q <> minds t q) ->
    step w (World (members w) (s :: said w) (heard w) (free w))
| fold r s :
    complete (said w) s -> about s = at_ (members w r) ->
    step w (World (put (members w) r (with_base (members w r) s)) (said w) (heard w) (free w))
(* A process that stops and starts again has forgotten what it heard. *)
| restart r :
    step w (World (members w) (said w) (put (heard w) r []) (free w))
(* A disk that is empty, as that of a member that joins. *)
| join r :
    let m := members w r in
    step w (World (put (members w) r
      (Member (free w) (at_ m) (fun _ _ => 0) (fun _ => false) None))
      (said w) (put (heard w) r []) (S (free w)))
(* A disk that is older than it was. *)
| restore r h :
    let m := members w r in
    (forall o k, h o k <= holds m o k /\ (folded m o = true -> h o k = holds m o k)) ->
    step w (World (put (members w) r
      (Member (free w) (at_ m) h (folded m) (certificate m)))
      (said w) (put (heard w) r []) (S (free w))).

Definition start : world :=
  World (fun _ => Member 0 0 (fun _ _ => 0) (fun _ => false) None) [] (fun _ => []) 1.

Inductive reachable : world -> Prop :=
| at_start : reachable start
| later w w' : reachable w -> step w w' -> reachable w'.

(* What holds of each statement and those before it. *)
Definition lawful s l : Prop :=
  [/\ In (by_ s) (signers (about s)),
      minds s (by_ s) = Some (mind s),
      (forall q p, minds s q = Some p -> q <> by_ s ->
         exists t, [/\ In t l, by_ t = q, about t = about s & mind t = p]),
      (forall t, In t l -> same_line s t ->
         round t < round s /\ forall o k, held t o k <= held s o k) &
      (forall t, In t l -> same_line s t ->
         (forall u, In u l -> same_line s u -> round u <= round t) ->
         (exists u, [/\ In u l, about u = about s, In (by_ u) (signers (about s)) & beyond u t]) \/
         exists2 q, In q (signers (about s)) & minds s q <> minds t q)].

Fixpoint orderly l : Prop := if l is s :: l then lawful s l /\ orderly l else True.

Lemma orderly_split l1 s l2 : orderly (l1 ++ s :: l2) -> lawful s l2 /\ orderly l2.
Proof. by elim: l1 => [//|t l1 IH] /= [_ /IH]. Qed.

Lemma same_line_sym s t : same_line s t -> same_line t s.
Proof. by case=> ? [? ?]. Qed.

(* A memory makes one statement a round, and what it holds grows. *)
Lemma one_a_round l s t : orderly l -> In s l -> In t l -> same_line s t ->
  round s = round t -> s = t.
Proof.
elim: l => [//|u l IH] /= [[_ _ _ up _] ord] hs ht line e.
case: hs ht => [es|hs] [et|ht]; first by rewrite -es -et.
- subst u; have [lt _] := up t ht line; lia.
- subst u; have [lt _] := up s hs (same_line_sym line); lia.
- exact: IH.
Qed.

Lemma holdings_grow l s t : orderly l -> In s l -> In t l -> same_line s t ->
  round t < round s -> forall o k, held t o k <= held s o k.
Proof.
elim: l => [//|u l IH] /= [[_ _ _ up _] ord] hs ht line lt.
case: hs ht => [es|hs] [et|ht].
- by subst u s; lia.
- by subst u; have [_ ?] := up t ht line.
- subst u; have [? _] := up s hs (same_line_sym line); lia.
- exact: IH.
Qed.

(* No member that states something about an extent loses its memory meanwhile, or forgets of whom it
   had heard. *)
Definition memories_kept l x : Prop := forall s t, In s l -> In t l ->
  about s = x -> about t = x -> by_ s = by_ t ->
  mind s = mind t /\ forall q, round t < round s -> minds t q <> None -> minds s q <> None.

(* Nobody gets beyond a round in which all agree. *)
Lemma no_later_round l s : orderly l -> memories_kept l (about s) -> complete l s ->
  forall l2 l1, l = l1 ++ l2 -> forall u, In u l2 -> about u = about s -> round u <= round s.
Proof.
move=> ord kept [_ [_ comp]]; elim=> [//|u l2 IH] l1 e v hv av.
have {}IH := IH (l1 ++ [u]) ltac:(by rewrite -app_assoc).
case: hv => [ev|hv]; last exact: IH.
subst v; have inl p : In p l2 -> In p l by rewrite e => h; apply/in_app_iff; right; right.
have inu : In u l by rewrite e; apply/in_app_iff; right; left.
have [[sgn self knows _ again] _] : lawful u l2 /\ orderly l2.
  by apply: (@orderly_split l1); rewrite -e.
rewrite av in sgn again.
have [c [hc cby cab cround [cmind cminds csame]]] := comp _ sgn.
have line : same_line u c.
  by split=> //; split; [rewrite av|case: (kept u c); rewrite ?cby].
move: (hc); rewrite e => /in_app_iff [hc1|[hc2|hc2]].
- have [l3 [l4 e3]] := in_split _ _ hc1.
  have [[_ _ _ up _] _] : lawful c (l4 ++ u :: l2) /\ orderly (l4 ++ u :: l2).
    by apply: (@orderly_split l3); move: ord; rewrite e e3 -app_assoc.
  have hu : In u (l4 ++ u :: l2) by apply/in_app_iff; right; left.
  have [lt _] := up u hu (same_line_sym line); lia.
- by subst c; lia.
- have last p : In p l2 -> same_line u p -> round p <= round c.
    by move=> hp [_ [ap _]]; rewrite cround; apply: IH => //; rewrite -ap.
  case: (again c hc2 line last) => [[v [hv1 hv2 hv3 hv4]]|[q hq nq]].
  + have le := IH v hv1 hv2; case: hv4 => [|[er ne]]; first by lia.
    have [d [hd dby dab dround [_ _ dsame]]] := comp _ hv3.
    case: ne; suff -> : v = d by exact: agree_trans dsame (agree_sym csame).
    apply: (@one_a_round l v d ord) => //; [exact: inl| |by lia].
    split=> //; split; first by rewrite hv2 dab.
    by case: (kept v d) => //; exact: inl.
  + case: (Nat.le_gt_cases (round u) (round s)) => // lt.
    have [d [hd dby dab dround [dmind _ _]]] := comp _ hq; case: nq; rewrite cminds // dmind.
    case mq: (minds u q) => [p|]; last first.
      have [_ named] := kept u c inu hc av cab ltac:(by rewrite cby).
      by case: (named q); rewrite ?cround // cminds // dmind.
    congr Some; case: (Nat.eq_dec q (by_ u)) => [eq|ne].
      by move: mq; rewrite eq self => -[<-]; case: (kept u d); rewrite ?dby.
    have [f [hf fby fab fmind]] := knows _ _ mq ne; rewrite -fmind.
    by case: (kept f d); rewrite ?fab ?dby ?fby //; exact: inl.
Qed.

Lemma one_base l s t : orderly l -> memories_kept l (about s) ->
  complete l s -> complete l t -> about t = about s -> forall k, total s k = total t k.
Proof.
move=> ord kept cs ct e k.
have le : round t <= round s.
  by apply: (@no_later_round l s ord kept cs l []) => //; have [] := ct.
have kept' : memories_kept l (about t) by rewrite e.
have ge : round s <= round t.
  by apply: (@no_later_round l t ord kept' ct l []) => //; have [] := cs.
have [hs [sgn _]] := cs; have [_ [_ comp]] := ct; rewrite e in comp.
have [d [hd dby dab dround [_ _ [dtotal _]]]] := comp _ sgn.
suff -> : s = d by rewrite dtotal.
apply: (@one_a_round l s d ord) => //; last by lia.
by split=> //; split=> //; case: (kept s d); rewrite ?dby.
Qed.

(* What holds in every reachable state. *)
Record invariant w : Prop := Invariant {
  in_order : orderly (said w);
  heard_said : forall r s, In s (heard w r) -> In s (said w);
  memory_known : forall r, memory (members w r) < free w;
  mind_known : forall s, In s (said w) -> mind s < free w;
  not_ahead : forall s, In s (said w) -> mind s = memory (members w (by_ s)) ->
    about s <= at_ (members w (by_ s));
  grown : forall r t, In t (said w) -> own (members w r) r t -> ~ settled (members w r) ->
    forall o k, held t o k <= holds (members w r) o k;
  stands : forall r t, last_own (said w) (members w r) r t -> ~ settled (members w r) ->
    (forall o k, closed (at_ (members w r)) o = true -> holds (members w r) o k = held t o k) \/
    is_open (said w) (members w r) t;
  folded_closed : forall r o, folded (members w r) o = true ->
    closed (at_ (members w r)) o = true;
  from_certificate : forall r s, certificate (members w r) = Some s ->
    [/\ complete (said w) s, about s <= at_ (members w r),
        (forall o, folded (members w r) o = closed (about s) o) &
        forall o k, closed (about s) o = true -> holds (members w r) o k = held s o k];
  without_certificate : forall r o, certificate (members w r) = None ->
    folded (members w r) o = false
}.

Arguments heard_said {w} _ {r s}.
Arguments mind_known {w} _ {s}.
Arguments not_ahead {w} _ {s}.
Arguments grown {w} _ {r t}.
Arguments stands {w} _ {r t}.
Arguments folded_closed {w} _ {r o}.
Arguments from_certificate {w} _ {r s}.
Arguments without_certificate {w} _ {r}.

Lemma start_invariant : invariant start.
Proof. by split=> //=; [move=> r; lia|move=> r t []]. Qed.

Lemma complete_more l s t : complete l s -> complete (t :: l) s.
Proof.
case=> hs [sgn comp]; split; first by right.
split=> // q hq; have [c [hc ? ? ? ?]] := comp q hq.
by exists c; split=> //; right.
Qed.

Lemma hold_grows h o k n p j : h o k <= n -> h p j <= hold h o k n p j.
Proof.
rewrite /hold; case: sameP => [->|_] //=; case: Nat.eqb_spec => [->|_] //.
Qed.

Lemma hold_there h o k n p j : p <> o -> hold h o k n p j = h p j.
Proof. by rewrite /hold; case: sameP => // ->. Qed.

Lemma is_open_more l l' m t : (forall s, In s l -> In s l') -> is_open l m t -> is_open l' m t.
Proof. by move=> h [u [hu ? ? ?]]; exists u; split=> //; apply: h. Qed.

(* A step of one member that says nothing. *)
Lemma member_moves w r m' hd fr : invariant w ->
  (forall q s, In s (hd q) -> In s (said w)) -> free w <= fr -> memory m' < fr ->
  (forall s, In s (said w) -> by_ s = r -> mind s = memory m' -> about s <= at_ m') ->
  (forall t, In t (said w) -> own m' r t -> ~ settled m' ->
     forall o k, held t o k <= holds m' o k) ->
  (forall t, last_own (said w) m' r t -> ~ settled m' ->
     (forall o k, closed (at_ m') o = true -> holds m' o k = held t o k) \/
     is_open (said w) m' t) ->
  (forall o, folded m' o = true -> closed (at_ m') o = true) ->
  (forall s, certificate m' = Some s ->
     [/\ complete (said w) s, about s <= at_ m', (forall o, folded m' o = closed (about s) o) &
         forall o k, closed (about s) o = true -> holds m' o k = held s o k]) ->
  (forall o, certificate m' = None -> folded m' o = false) ->
  invariant (World (put (members w) r m') (said w) hd fr).
Proof.
move=> ok h1 h2 h3 h4 h5 h6 h7 h8 h9; split=> /=.
- exact: in_order.
- exact: h1.
- move=> q; rewrite /put; case: Nat.eqb_spec => // _; have := memory_known ok q; lia.
- by move=> s hs; have := mind_known ok hs; lia.
- move=> s hs; rewrite /put; case: Nat.eqb_spec => [e|_]; [exact: h4|exact: (not_ahead ok)].
- move=> q t hs; rewrite /put; case: Nat.eqb_spec => [->|_]; [exact: h5|exact: (grown ok)].
- move=> q t; rewrite /put; case: Nat.eqb_spec => [->|_]; [exact: h6|exact: (stands ok)].
- move=> q o; rewrite /put; case: Nat.eqb_spec => [_|_]; [exact: h7|exact: (@folded_closed _ ok)].
- move=> q s; rewrite /put; case: Nat.eqb_spec => [_|_]; [exact: h8|exact: (from_certificate ok)].
- move=> q o; rewrite /put; case: Nat.eqb_spec => [_|_]; [exact: h9|].
  exact: (@without_certificate _ ok).
Qed.

(* In a new memory nothing was stated. *)
Lemma new_memory w s : invariant w -> In s (said w) -> mind s = free w -> False.
Proof. by move=> ok hs e; have := mind_known ok hs; lia. Qed.

Lemma forgets w r m' : invariant w -> memory m' = free w ->
  (forall o, folded m' o = true -> closed (at_ m') o = true) ->
  (forall s, certificate m' = Some s ->
     [/\ complete (said w) s, about s <= at_ m', (forall o, folded m' o = closed (about s) o) &
         forall o k, closed (about s) o = true -> holds m' o k = held s o k]) ->
  (forall o, certificate m' = None -> folded m' o = false) ->
  invariant (World (put (members w) r m') (said w) (put (heard w) r []) (S (free w))).
Proof.
move=> ok new h1 h2 h3; apply: member_moves => //; rewrite ?new; try lia.
- move=> q s; rewrite /put; case: Nat.eqb_spec => // _; exact: heard_said.
- by move=> s hs _ e; case: (new_memory ok hs e).
- by move=> t ht [_ [_ e]]; case: (new_memory ok ht); rewrite e.
- by move=> t [ht [_ [_ e]] _]; case: (new_memory ok ht); rewrite e.
Qed.

Lemma state_keeps w r n ms : invariant w ->
  let m := members w r in
  let s := Statement r (at_ m) n (memory m) ms (holds m) (folded m) in
  In r (signers (at_ m)) -> ~ settled m -> ms r = Some (memory m) ->
  (forall q p, ms q = Some p -> q <> r ->
     exists t, [/\ In t (heard w r), by_ t = q, about t = at_ m & mind t = p]) ->
  (forall t, In t (said w) -> own m r t -> round t < n) ->
  (forall t, last_own (said w) m r t -> is_open (heard w r) m t \/
     exists2 q, In q (signers (at_ m)) & ms q <> minds t q) ->
  invariant (World (members w) (s :: said w) (heard w) (free w)).
Proof.
move=> ok m s sgn ns self knows up again.
have mine t : same_line s t -> own m r t by rewrite /own; case=> [<- [<- <-]].
split=> /=.
- split; last exact: (in_order ok).
  split=> //=.
  + move=> q p hq ne; have [t [ht ? ? ?]] := knows q p hq ne.
    by exists t; split=> //; apply: (heard_said ok) ht.
  + move=> t ht line; split; first by apply: up => //; apply: mine.
    by apply: (grown ok) => //; apply: mine.
  + move=> t ht line last.
    have lo : last_own (said w) m r t.
      split=> //; first exact: mine.
      by move=> u hu [e1 [e2 e3]]; apply: last => //; rewrite /same_line /= e1 e2 e3.
    case: (again t lo) => [[u [hu ? ? ?]]|]; last by right.
    by left; exists u; split=> //; apply: (heard_said ok) hu.
- by move=> q t ht; right; apply: (heard_said ok) ht.
- exact: (memory_known ok).
- by move=> t [<-|/(mind_known ok)] //=; exact: (memory_known ok).
- by move=> t [<-|/(not_ahead ok)].
- move=> q t [<-|/(grown ok)]; last by apply.
  by case=> /= <- _ _ o k.
- move=> q t [[<-|ht] ow last] nsq.
    by left=> o k _; case: ow => /= <-.
  have last' : last_own (said w) (members w q) q t by split=> // u hu; apply: last; right.
  case: (stands ok last' nsq) => h; [by left|right].
  by apply: (is_open_more _ h) => u hu; right.
- exact: (@folded_closed _ ok).
- by move=> q t /(from_certificate ok) [h1 h2 h3 h4]; split=> //; apply: complete_more.
- exact: (@without_certificate _ ok).
Qed.

Lemma hearing w hd : invariant w -> (forall q s, In s (hd q) -> In s (said w)) ->
  invariant (World (members w) (said w) hd (free w)).
Proof.
move=> ok h; split=> /=.
- exact: (in_order ok).
- exact: h.
- exact: (memory_known ok).
- exact: (@mind_known _ ok).
- exact: (@not_ahead _ ok).
- exact: (@grown _ ok).
- exact: (@stands _ ok).
- exact: (@folded_closed _ ok).
- exact: (@from_certificate _ ok).
- exact: (@without_certificate _ ok).
Qed.

Lemma step_keeps w w' : invariant w -> step w w' -> invariant w'.
Proof.
move=> ok; case=> {w'}.
- move=> r o k n m nf range open; apply: member_moves => //=.
  + exact: (@heard_said _ ok).
  + exact: (memory_known ok).
  + by move=> s hs e; have := not_ahead ok hs; rewrite e.
  + move=> t ht ow ns p j; apply: (Nat.le_trans _ (holds m p j)).
      exact: (grown ok) ht ow ns p j.
    by apply: hold_grows; case: range.
  + move=> t lo ns; case c: (closed (at_ m) o).
      by right; apply: (is_open_more _ (open c t lo)) => s; apply: (heard_said ok).
    case: (stands ok lo ns) => h; [left=> p j cp|by right].
    by rewrite hold_there ?h //; move=> e; rewrite e c in cp.
  + exact: (@folded_closed _ ok).
  + move=> s hs; have [h1 h2 h3 h4] := from_certificate ok hs; split=> // p j cp.
    by rewrite hold_there ?h4 //; move=> e; rewrite e -h3 nf in cp.
  + exact: (@without_certificate _ ok).
- move=> r s hs; apply: hearing => // q t; rewrite /put; case: Nat.eqb_spec => _.
    by case=> [<-|] //; apply: (heard_said ok).
  exact: (heard_said ok).
- move=> r x m lt more; have early t : In t (said w) -> by_ t = r -> mind t = memory m ->
      about t <= at_ m by move=> ht e; have := not_ahead ok ht; rewrite e.
  apply: member_moves => //=.
  + exact: (@heard_said _ ok).
  + exact: (memory_known ok).
  + by move=> s hs e1 e2; have := early s hs e1 e2; lia.
  + by move=> t ht [e1 [/= e2 e3]]; have := early t ht e1 e3; lia.
  + by move=> t [ht [e1 [/= e2 e3]] _]; have := early t ht e1 e3; lia.
  + by move=> o f; apply: more; apply: (folded_closed ok) f.
  + move=> s hs; have [h1 h2 h3 h4] := from_certificate ok hs; split=> //.
    by rewrite -/m in h2; lia.
  + exact: (@without_certificate _ ok).
- by move=> r n ms m s *; apply: state_keeps.
- move=> r s cs e; apply: member_moves => //=.
  + exact: (@heard_said _ ok).
  + exact: (memory_known ok).
  + by move=> t ht et; have := not_ahead ok ht; rewrite et.
  + by move=> t _ _ []; exists s.
  + by move=> t _ []; exists s.
  + by move=> t [<-]; rewrite -e; split=> // o k ->.
- move=> r; apply: hearing => // q s; rewrite /put; case: Nat.eqb_spec => // _.
  exact: (heard_said ok).
- by move=> r m; apply: forgets.
- move=> r h m older; apply: forgets => //=.
  + exact: (@folded_closed _ ok).
  + move=> s hs; have [h1 h2 h3 h4] := from_certificate ok hs; split=> // o k c.
    by have [_ ->] := older o k; [rewrite h3|exact: h4].
  + exact: (@without_certificate _ ok).
Qed.

Lemma always w : reachable w -> invariant w.
Proof. by elim=> {w} [|w w' _ ok st]; [exact: start_invariant|exact: step_keeps st]. Qed.

(** As long as nobody who signs restarts or loses its memory, only one base is ever certified of an
    extent, whatever members take, state and hear, and in whatever order.
    Spec: docs/replication.md "An honest member that keeps its memory makes one statement a round,
      so two certificates of one extent cannot contradict each other unless a signer lied or lost
      its memory."
    Code: crates/atomik-replica/src/ledger.rs Ledger::state, Ledger::complete,
      Ledger::is_open_after *)
Theorem an_extent_has_one_base w s t k : reachable w -> memories_kept (said w) (about s) ->
  complete (said w) s -> complete (said w) t -> about t = about s -> total s k = total t k.
Proof. by move=> /always ok kept cs ct e; exact: (one_base (in_order ok) kept cs ct e). Qed.

(** Also if others lose theirs: what a member has stated in a memory is in every certificate of the
    same round or a later one that it signs in that memory, each change once.
    Spec: docs/replication.md "Then the one with the higher rank (roster and closings, round, hash)
      counts everywhere."
    Code: crates/atomik-replica/src/certificate.rs Certificate::rank
    Code: crates/atomik-replica/src/ledger.rs Ledger::state *)
Theorem what_was_stated_is_certified w s t : reachable w -> complete (said w) s ->
  In t (said w) -> about t = about s -> round t <= round s ->
  minds s (by_ t) = Some (mind t) ->
  exists h, (forall k, total s k = base_of (about s) h k) /\ forall o k, held t o k <= h o k.
Proof.
move=> /always ok [hs [_ comp]] ht at_s le named.
have sgn : In (by_ t) (signers (about s)).
  have [l1 [l2 e]] := in_split _ _ ht.
  by have := in_order ok; rewrite e -at_s => /orderly_split [[]].
have [c [hc cby cab cround [cmind _ [ctotal _]]]] := comp _ sgn.
exists (held c); split=> [k|o k]; first by rewrite -ctotal /total cab.
have line : same_line c t.
  by split=> //; split; [rewrite cab at_s|move: cmind; rewrite named => -[]].
case: (Nat.eq_dec (round t) (round c)) => [e|ne].
  by rewrite (one_a_round (in_order ok) hc ht line) //; lia.
by apply: (holdings_grow (in_order ok) hc ht line); lia.
Qed.

(** A certificate counts statements together only if each signer knew the memories of all others: of
    any two that sign, the one made its statement after the other had stated something in the memory
    in which it signs. So what was stated before a member lost its memory does not count together
    with what that one states afterwards.
    Spec: docs/replication.md "Memories are named because a member that stated, lost its disk and
      states again may agree with an old statement of another one that has since made a newer one."
    Code: crates/atomik-replica/src/statement.rs memories
    Code: crates/atomik-replica/src/ledger.rs Ledger::complete *)
Theorem signers_know_each_others_memories w s p q : reachable w -> complete (said w) s ->
  In p (signers (about s)) -> In q (signers (about s)) -> p <> q ->
  exists newer c older d, [/\ said w = newer ++ c :: older, by_ c = p, round c = round s,
    In d older & [/\ by_ d = q, about d = about s & minds s q = Some (mind d)]].
Proof.
move=> /always ok [_ [_ comp]] hp hq ne.
have [c [hc cby cab cround [_ cminds _]]] := comp _ hp.
have [d [_ dby _ _ [dmind _ _]]] := comp _ hq.
have [l1 [l2 e]] := in_split _ _ hc.
have := in_order ok; rewrite e => /orderly_split [[_ _ knows _ _] _].
have [f [hf fby fab fmind]] := knows q (mind d)
  ltac:(by rewrite cminds) ltac:(by rewrite cby; auto).
exists l1, c, l2, f; split=> //; split=> //; first by rewrite fab.
by rewrite dmind fmind.
Qed.

Lemma value_split (x : nat) h k : sum (map (effect_of h k) all) =
  (base_of x h k + sum (map (fun o => if closed x o then 0 else effect_of h k o) all))%G.
Proof.
rewrite /base_of -sum_map_add; apply: sum_map_ext => o _.
by case: (closed x o); rewrite ?add_zero ?zero_add.
Qed.

Lemma base_same x h h' k : (forall o k, closed x o = true -> h o k = h' o k) ->
  base_of x h k = base_of x h' k.
Proof.
move=> e; apply: sum_map_ext => o _; case c: (closed x o) => //.
by rewrite /effect_of e.
Qed.

(** Who has signed a certificate keeps every state when it folds: nothing that it took since is
    missing from the base, and nothing counts twice.
    Spec: docs/replication.md "A member that has stated takes no more entries of closed lives unless
      statements differ"
    Spec: docs/replication.md "also after crashes, duplicates and the folding of its origin"
    Code: crates/atomik-replica/src/base.rs Base::fold
    Code: crates/atomik-replica/src/ledger.rs Ledger::takes_closed, Ledger::fold *)
Theorem folding_keeps_the_state_of_who_signed w r s k : reachable w ->
  let m := members w r in
  complete (said w) s -> about s = at_ m -> ~ settled m -> memories_kept (said w) (at_ m) ->
  In r (signers (at_ m)) -> minds s r = Some (memory m) ->
  value_of (with_base m s) k = value_of m k.
Proof.
move=> /always ok m cs e ns kept sgn named; have [hs [_ comp]] := cs.
rewrite -e in kept; have ord := in_order ok.
have early u : In u (said w) -> about u = about s -> round u <= round s.
  by move=> hu; apply: (@no_later_round (said w) s ord kept cs (said w) []).
rewrite -e in sgn; have [c [hc cby cab cround [cmind _ csame]]] := comp _ sgn.
have lo : last_own (said w) m r c.
  split=> //; first by split=> //; split; [rewrite cab|move: cmind; rewrite named => -[]].
  by move=> u hu [_ [au _]]; rewrite cround; apply: early => //; rewrite e.
have same : forall o k, closed (about s) o = true -> holds m o k = held c o k.
  rewrite e; case: (stands ok lo ns) => // -[u [hu au su]]; rewrite -/m -e in au su.
  case=> [|[er ne]]; first by have := early u hu au; lia.
  have [d [hd dby dab dround [_ _ dsame]]] := comp _ su.
  case: ne; suff -> : u = d by exact: agree_trans dsame (agree_sym csame).
  apply: (@one_a_round (said w) u d ord) => //; last by lia.
  by split=> //; split; [rewrite au dab|case: (kept u d); rewrite ?dby].
rewrite /value_of !(value_split (about s)); congr add.
- rewrite (base_same (h := holds m) (h' := held c)) // -cab -/(total c k) (proj1 csame) cab.
  by apply: base_same => o j; rewrite /= -e => ->.
- by apply: sum_map_ext => o _; rewrite /effect_of /= -e; case: (closed _ o).
Qed.

Lemma base_certified w r s k : invariant w -> certificate (members w r) = Some s ->
  base (members w r) k = total s k.
Proof.
move=> ok /(from_certificate ok) [_ _ f h]; apply: sum_map_ext => o _; rewrite f.
by case c: (closed _ o) => //; rewrite /effect_of h.
Qed.

(** Members that have folded an extent have the same base, whichever certificate they had, whether
    they signed it or adopted it, and whenever they joined. With the same entries of the lives that
    go on they have the same states.
    Spec: docs/replication.md "So a change that a retired member sends to one other is in
      everybody's base or in nobody's."
    Spec: docs/replication.md "A joiner, or a member that lost its memory, checks roster, signatures
      and the hash of the base that it pulls, whoever serves it."
    Code: crates/atomik-replica/src/base.rs Base::fold, Base::adopt
    Code: crates/atomik-replica/src/ledger.rs Ledger::fold, Ledger::adopt *)
Theorem who_has_folded_has_the_same_base w r q s t k : reachable w ->
  certificate (members w r) = Some s -> certificate (members w q) = Some t ->
  about t = about s -> memories_kept (said w) (about s) ->
  base (members w r) k = base (members w q) k /\
  ((forall o, closed (about s) o = false ->
      holds (members w r) o k = holds (members w q) o k) ->
   value_of (members w r) k = value_of (members w q) k).
Proof.
move=> re hs ht e kept; have ok := always re.
have [cs _ fs es] := from_certificate ok hs; have [ct _ ft et] := from_certificate ok ht.
have eb : base (members w r) k = base (members w q) k.
  rewrite (base_certified k ok hs) (base_certified k ok ht).
  exact: (an_extent_has_one_base k re kept cs ct e).
split=> // living; rewrite /value_of !(value_split (about s)).
have of_base p u : certificate (members w p) = Some u -> about u = about s ->
    base_of (about s) (holds (members w p)) k = base (members w p) k.
  move=> hu eu; have [_ _ f _] := from_certificate ok hu.
  by apply: sum_map_ext => o _; rewrite f eu.
rewrite (of_base _ _ hs) // (of_base _ _ ht) // eb; congr add; apply: sum_map_ext => o _.
by case c: (closed _ o) => //; rewrite /effect_of living.
Qed.

(** Each change that anybody who signs holds of a life that it has not folded before is in the base,
    and counts once: also if another life has an equal change, and so another holding the same sum.
    Spec: docs/replication.md "Equal statements of all of them are a *certificate*: everybody folds,
      and it is kept with the base."
    Spec: docs/replication.md "Entries are named because equal bases may be made of different ones"
    Code: crates/atomik-replica/src/ledger.rs Ledger::complete
    Code: crates/atomik-replica/src/base.rs hash_after, hash_of_entries
    Code: crates/atomik-replica/src/statement.rs Holding *)
Theorem what_a_signer_holds_is_certified w s q k : reachable w -> complete (said w) s ->
  In q (signers (about s)) ->
  total s k = base_of (about s) (held s) k /\
  exists c, [/\ In c (said w), by_ c = q, about c = about s, round c = round s &
    forall o j, closed (about s) o = true -> done c o = false -> held c o j <= held s o j].
Proof.
move=> _ [_ [_ comp]] hq; split=> //.
have [c [hc cby cab cround [_ _ [_ same_entries]]]] := comp _ hq.
exists c; split=> // o j co not_done; have := same_entries o j.
by rewrite /named cab co not_done /=; case: (done s o) => /= ->; lia.
Qed.

(** What was certified stays what it is in every later base that a member states, and what is closed
    since is added once.
    Spec: docs/replication.md "is in the state of every converged replica exactly once"
    Code: crates/atomik-replica/src/base.rs hash_after
    Code: crates/atomik-replica/src/ledger.rs Ledger::state *)
Theorem what_was_certified_counts_once w r s x k : reachable w ->
  certificate (members w r) = Some s ->
  (forall o, closed (about s) o = true -> closed x o = true) ->
  base_of x (holds (members w r)) k =
  (total s k + sum (map (fun o => if closed x o && negb (closed (about s) o)
                                  then effect_of (holds (members w r)) k o else 0) all))%G.
Proof.
move=> /always ok /(from_certificate ok) [_ _ _ h] more.
rewrite /total /base_of -sum_map_add; apply: sum_map_ext => o _.
case c: (closed (about s) o); first by rewrite more //= add_zero /effect_of h.
by rewrite andb_true_r zero_add.
Qed.

(* What was in the base of who states something is what a certificate says of it. *)
Lemma stated_on_a_base w c : reachable w -> In c (said w) ->
  (forall o, done c o = false) \/
  exists s, [/\ complete (said w) s, (forall o, done c o = closed (about s) o),
    (forall o, done c o = true -> closed (about c) o = true) &
    forall o k, done c o = true -> held c o k = held s o k].
Proof.
move=> hr; elim: hr c => {w} [//|w w' hr IH st] c; have ok := always hr.
case: st IH ok => {w' hr} /=; try by move=> *; auto.
move=> r n ms _ _ _ _ _ _ IH ok [<-|hc]; last first.
  case: (IH c hc) => [h|[u [hu h1 h2 h3]]]; first by left.
  by right; exists u; split=> //; exact: complete_more.
case e: (certificate (members w r)) => [u|]; last first.
  by left=> o; exact: (without_certificate ok o e).
right; exists u; have [h1 h2 h3 h4] := from_certificate ok e.
split; [exact: complete_more|exact: h3|by move=> o; exact: (folded_closed ok)|].
by move=> o k f; apply: h4; rewrite -h3.
Qed.

(** A certificate keeps what was certified before: if one of its signers had folded, the base is the
    one of the certificate that this signer had folded, with what was closed since added once.
    Spec: docs/replication.md "is in the state of every converged replica exactly once"
    Spec: docs/replication.md "Equal statements of all of them are a *certificate*: everybody folds,
      and it is kept with the base."
    Code: crates/atomik-replica/src/base.rs hash_after
    Code: crates/atomik-replica/src/ledger.rs Ledger::state, Ledger::complete *)
Theorem a_certificate_keeps_what_was_certified w t q : reachable w -> complete (said w) t ->
  In q (signers (about t)) ->
  exists c, [/\ In c (said w), by_ c = q, round c = round t &
    (forall o, done c o = false) \/
    exists s, complete (said w) s /\ forall k, total t k =
      (total s k + sum (map (fun o => if closed (about t) o && negb (closed (about s) o)
                                      then effect_of (held c) k o else 0) all))%G].
Proof.
move=> hr [_ [_ comp]] hq; have [c [hc cby cab cround [_ _ [ctotal _]]]] := comp _ hq.
exists c; split=> //; case: (stated_on_a_base hr hc) => [h|[s [hs h1 h2 h3]]]; [by left|right].
exists s; split=> // k; rewrite -ctotal /total /base_of -sum_map_add cab.
apply: sum_map_ext => o _; rewrite -h1; case d: (done c o); last by rewrite andb_true_r zero_add.
by rewrite -cab (h2 o d) andb_false_r add_zero /effect_of h3.
Qed.
End Members.
