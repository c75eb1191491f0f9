(* Replicas on a network that loses, repeats and reorders messages, with disks that keep what they
   confirmed, crashes, and disks that come back older than they were.

   The model follows section 4 of docs/spec.md and crates/atomik-replica: `writer.rs` (a change),
   `publication.rs` (stored, then sent), `merge.rs` (the higher version) and `entry.rs` (overlaps).
   What it leaves out: previews, frames and sessions, digests and the choice of what to send.
   Whatever is sent may be received at any time, any number of times, or never. *)
From Coq Require Import List Bool Arith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

(* A replica's number and the number of its life. *)
Definition origin := (nat * nat)%type.
Definition same (o p : origin) : bool := (fst o =? fst p) && (snd o =? snd p).

Lemma sameP o p : reflect (o = p) (same o p).
Proof.
case: o p => [a b] [c d]; rewrite /same /=; case: Nat.eqb_spec => [->|h] /=.
  by case: Nat.eqb_spec => [->|h]; constructor => // -[].
by constructor => -[].
Qed.

Lemma same_refl o : same o o.
Proof. by rewrite /same !Nat.eqb_refl. Qed.

Section Replication.
Variable W : group.

(* What an origin had seen of another one: version and accumulator. *)
Definition knowledge := origin -> nat * W.

(* A change, as its writer makes it. Its number is a name that no other change has. `knew` is what
   its writer knew of the others, and `lists` what of that its entry lists. *)
Record change := Change {
  number : nat; amount : W; knew : knowledge; lists : knowledge; is_put : bool
}.

(* `Change` of entry.rs: what travels. *)
Record entry := Entry { version : nat; accumulator : W; seen : knowledge; last_put : nat }.

Definition none := Entry 0 0%G (fun _ => (0, 0%G)) 0.

(* `Writer::enter`. *)
Definition enter (e : entry) (c : change) : entry :=
  Entry (S (version e)) (accumulator e + amount c)%G (lists c)
        (if is_put c then S (version e) else last_put e).

Definition store := origin -> nat -> entry.

Definition set (s : store) (o : origin) (k : nat) (e : entry) : store :=
  fun p j => if same o p && (k =? j) then e else s p j.

(* `Merger::merge`: the higher version. *)
Definition merge (s : store) (o : origin) (k : nat) (e : entry) : store :=
  if version (s o k) <? version e then set s o k e else s.

(* `flight` was handed to the disk, which has confirmed `disk`. After a crash either may
   be there. *)
Record replica := Replica { life : nat; memory : store; flight : store; disk : store }.

(* A comparison for overlaps when an entry arrives: two groups of changes of one key, their net
   effects, and whether both contain a put. *)
Record comparison := Comparison {
  group_a : list change; group_b : list change; net_a : W; net_b : W; both_put : bool
}.

(* `history` is what the proofs talk about: the changes of each origin, as far as its owner has
   them. `names` is the next free number. *)
Record world := World {
  replicas : nat -> replica;
  sent : list (origin * nat * entry);
  history : origin -> nat -> list change;
  names : nat;
  compared : list comparison
}.

Definition me (w : world) (r : nat) : origin := (r, life (replicas w r)).

Definition put_replica (w : world) (r : nat) (x : replica) : nat -> replica :=
  fun q => if q =? r then x else replicas w q.

Definition empty_store : store := fun _ _ => none.
Definition start : world :=
  World (fun _ => Replica 0 empty_store empty_store empty_store) [] (fun _ _ => []) 0 [].

(* What a replica knows of the other origins of a key. *)
Definition view (s : store) (own : origin) (k : nat) : knowledge :=
  fun o => if same own o then (0, 0%G) else (version (s o k), accumulator (s o k)).

(* `writer::seen`: the list of it in an entry has at most `MAX_SEEN` items. *)
Definition max_seen := 64.
Definition listed (l : list origin) (v : knowledge) : knowledge :=
  fun o => if existsb (same o) l then v o else (0, 0%G).

Definition extend (h : origin -> nat -> list change) o k c : origin -> nat -> list change :=
  fun p j => if same o p && (k =? j) then h p j ++ [c] else h p j.

(* The own changes that are gone after a crash. *)
Definition cut (h : origin -> nat -> list change) (o : origin) (s : store) :=
  fun p k => if same o p then firstn (version (s p k)) (h p k) else h p k.

Definition compare (h : origin -> nat -> list change) (own o : origin) (k : nat)
    (a b : entry) : comparison :=
  let a_knew := seen a own in
  let b_knew := seen b o in
  {| group_a := skipn (fst b_knew) (firstn (version a) (h o k));
     group_b := skipn (fst a_knew) (firstn (version b) (h own k));
     net_a := (accumulator a - snd b_knew)%G;
     net_b := (accumulator b - snd a_knew)%G;
     both_put := (fst b_knew <? last_put a) && (fst a_knew <? last_put b) |}.

Inductive step : world -> world -> Prop :=
(* A change, in memory. Its entry lists all others that are known, or as many as a list may have. *)
| operate w r k d p l :
    let x := replicas w r in
    let v := view (memory x) (me w r) k in
    let c := Change (names w) d v (listed l v) p in
    length l = max_seen \/ (length l < max_seen /\ forall o, 0 < fst (v o) -> In o l) ->
    step w {| replicas := put_replica w r
                (Replica (life x) (set (memory x) (me w r) k (enter (memory x (me w r) k) c))
                   (flight x) (disk x));
              sent := sent w; history := extend (history w) (me w r) k c; names := S (names w);
              compared := compared w |}
(* All of the memory is handed to the disk, and confirmed later. *)
| launch w r :
    let x := replicas w r in
    step w {| replicas := put_replica w r (Replica (life x) (memory x) (memory x) (disk x));
              sent := sent w; history := history w; names := names w; compared := compared w |}
| confirm w r :
    let x := replicas w r in
    step w {| replicas := put_replica w r (Replica (life x) (memory x) (flight x) (flight x));
              sent := sent w; history := history w; names := names w; compared := compared w |}
(* Own entries are sent as the disk has confirmed them, those of others as they are. *)
| send w r o k :
    let x := replicas w r in
    let e := if same (me w r) o then disk x o k else memory x o k in
    step w {| replicas := replicas w; sent := (o, k, e) :: sent w;
              history := history w; names := names w; compared := compared w |}
| receive w r o k e :
    let x := replicas w r in
    In (o, k, e) (sent w) ->
    step w {| replicas := put_replica w r
                (Replica (life x) (merge (memory x) o k e) (flight x) (disk x));
              sent := sent w; history := history w; names := names w;
              compared := if version (memory x o k) <? version e
                          then compare (history w) (me w r) o k e (memory x (me w r) k)
                               :: compared w
                          else compared w |}
(* A crash: the disk has what it confirmed, or all that it was handed. *)
| crash w r (all : bool) :
    let x := replicas w r in
    let s := if all then flight x else disk x in
    step w {| replicas := put_replica w r (Replica (life x) s s s);
              sent := sent w; history := cut (history w) (me w r) s; names := names w;
              compared := compared w |}
(* A disk that is empty, or older than it was: a new life. *)
| restore w r (s : store) :
    let x := replicas w r in
    (forall o k, version (s o k) <= version (disk x o k) /\
       s o k = fold_left enter (firstn (version (s o k)) (history w o k)) none) ->
    step w {| replicas := put_replica w r (Replica (S (life x)) s s s);
              sent := sent w; history := history w; names := names w; compared := compared w |}.

(* A disk that is older than it was, with a life that goes on, because all others vouch for it: none
   of them holds more of it than the disk does. What was sent of it before and is more than that
   does not arrive any more, and no change lists more. *)
Inductive vouch (r : nat) (w : world) : world -> Prop :=
| go_on (s : store) (l : list (origin * nat * entry)) :
    let x := replicas w r in
    (forall o k, version (s o k) <= version (disk x o k) /\
       s o k = fold_left enter (firstn (version (s o k)) (history w o k)) none) ->
    (forall o k i c, nth_error (history w (me w r) k) i = Some c ->
       i < version (s (me w r) k) -> fst (lists c o) <= version (s o k)) ->
    (forall q k, q <> r ->
       version (memory (replicas w q) (me w r) k) <= version (s (me w r) k)) ->
    (forall o k c, In c (history w o k) ->
       fst (lists c (me w r)) <= version (s (me w r) k)) ->
    (forall m, In m l -> In m (sent w)) ->
    (forall k e, In (me w r, k, e) l -> version e <= version (s (me w r) k)) ->
    vouch r w {| replicas := put_replica w r (Replica (life x) s s s);
                 sent := l; history := cut (history w) (me w r) s; names := names w;
                 compared := compared w |}.

Inductive reachable : world -> Prop :=
| at_start : reachable start
| later w w' : reachable w -> step w w' -> reachable w'
| vouched r w w' : reachable w -> vouch r w w' -> reachable w'.

(* The value of a key, without a base: the sum of all accumulators. The origins that there are. *)
Definition origins (n : nat) (w : world) : list origin :=
  flat_map (fun r => map (pair r) (seq 0 (S (life (replicas w r))))) (seq 0 n).

Definition value (n : nat) (w : world) (r k : nat) : W :=
  sum (map (fun o => accumulator (memory (replicas w r) o k)) (origins n w)).

(* The changes that a replica has. *)
Definition has (n : nat) (w : world) (r k : nat) : list change :=
  flat_map (fun o => firstn (version (memory (replicas w r) o k)) (history w o k)) (origins n w).

Definition summary (l : list change) : entry := fold_left enter l none.
End Replication.
