(* The register file with a slice for each segment of its words, and why it is the machine.

   Control, addresses and the clear are those of Pipeline.v; every lane and the reference side have
   one slice for each segment (lane.rs, reference.rs). What goes to a slice that is late goes
   through as many registers, and the response waits for the last segment (align.rs). *)
From Coq Require Import List Bool Arith NArith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group Machine Pipeline Lane Refinement Slices.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

Lemma map_nth_seq A B (f : A -> B) (l : list A) d :
  map f l = map (fun n => f (nth n l d)) (seq 0 (length l)).
Proof.
elim: l => [//|x l IH] /=; by rewrite -seq_shift map_map IH.
Qed.

Lemma nth_map_seq A (f : nat -> A) n l d : l < n -> nth l (map f (seq 0 n)) d = f l.
Proof.
by move=> lt; rewrite (nth_indep _ _ (f 0)) ?map_length ?seq_length // map_nth seq_nth.
Qed.

Lemma forallb_same A (f g : A -> bool) l :
  (forall x, In x l -> f x = g x) -> forallb f l = forallb g l.
Proof.
elim: l => [|x l IH] h //=; rewrite h; first by left.
by rewrite IH // => y hy; apply: h; right.
Qed.

Section Sliced.
Variables (W : group) (k : config).
Hypothesis ok : sound k.
Notation T := (write_stage k).
Notation D := (loop_distance k).
Notation Y := (lane_read_stage k).
Notation RR := (reference_stage k).
Notation E := (delta_stage k).

Definition lane_of (s : registers W) (l : nat) : lane W := nth l (lanes s) (default_lane W).

(* The data path as a circuit of words. Its registers are rows of registers, one after the other,
   and memories. *)
Inductive array_name := LoopMemory (l : nat) | CopyMemory (l : nat) | BaseMemory | OffsetMemory.
Inductive row_name :=
  | Sums (l : nat) | Words (l : nat) | ReadWords (m : array_name) | Deltas | States.
Inductive register_name := InRow (r : row_name) (n : nat) | InMemory (m : array_name) (a : nat).

(* Its adders. `Flight l n` sums what is in flight in a lane, from the command D - 1 - n before on;
   `Total o n` the words that lanes have read o cycles before, from lane `other_lanes - n` on. *)
Inductive adder_name :=
  | Flight (l n : nat) | Newer (l : nat) | NewSum (l : nat)
  | Total (o n : nat) | NewOffset (n : nat) | NewDelta | NewState.

Notation register_operand := (operand W register_name adder_name nat).
Notation zero_ := (@Slices.Zero W register_name adder_name nat).
Notation given := (@Given W register_name adder_name nat).
Notation any := (@Any W register_name adder_name nat).
Notation held := (@Held W register_name adder_name nat).
Notation made := (@Made W register_name adder_name nat).

Definition gate_operand (b : bool) (x : register_operand) : register_operand :=
  if b then x else zero_.

(* The sum of all lanes' words, o cycles after they were read. *)
Definition total_operand (o : nat) : register_operand := made (Total o (other_lanes k)).

Definition base_operand (c : registers W) (n : nat) : register_operand :=
  if zeroes (cstage n (controls c)) then zero_ else total_operand (n - Y).
Definition offset_operand (c : registers W) (n : nat) : register_operand :=
  if zeroes (cstage n (controls c)) then zero_ else made (NewOffset n).

(* The ports of a memory in a cycle: whether it is written, where, with what, and where it is
   read. *)
Definition ports (c : registers W) (m : array_name) : bool * nat * register_operand * nat :=
  let at_ n := cstage n (controls c) in
  match m with
  | LoopMemory l =>
      let z := stage T (line (lane_of c l)) in
      (valid z, address z, held (InRow (Sums l) 0),
       address (stage (read_stage k) (line (lane_of c l))))
  | CopyMemory l =>
      let z := stage T (line (lane_of c l)) in
      (valid z, address z, held (InRow (Sums l) 0), place (at_ (T - 1)))
  | BaseMemory =>
      (control_freezes (at_ (RR + 1)), place (at_ (RR + 1)), base_operand c (RR + 1),
       place (at_ RR))
  | OffsetMemory =>
      (control_loads (at_ (RR + 1)), place (at_ (RR + 1)), offset_operand c (RR + 1),
       place (at_ RR))
  end.

Definition junk_of (m : array_name) : nat :=
  match m with
  | BaseMemory => 0 | OffsetMemory => 1 | LoopMemory l => 2 * l + 2 | CopyMemory l => 2 * l + 3
  end.

(* What enters a row. *)
Definition newest (c : registers W) (r : row_name) : register_operand :=
  match r with
  | Sums l => made (NewSum l)
  | Words l =>
      let z := stage Y (line (lane_of c l)) in
      if valid z && (address z =? place (cstage (Y - 1) (controls c)))
      then held (InRow (Sums l) (Y - T)) else held (InRow (ReadWords (CopyMemory l)) (Y - 1 - T))
  | ReadWords m =>
      let '(write, at_, _, read) := ports c m in
      if write && (at_ =? read) then any (junk_of m) else held (InMemory m read)
  | Deltas => made NewDelta
  | States => made NewState
  end.

Definition taken (c : registers W) (r : register_name) : register_operand :=
  match r with
  | InRow r 0 => newest c r
  | InRow r (S n) => if S n <? longest k then held (InRow r n) else zero_
  | InMemory m a =>
      let '(write, at_, word, _) := ports c m in
      if write && (a =? at_) then word else held (InMemory m a)
  end.

Definition left_operand (c : registers W) (a : adder_name) : register_operand :=
  match a with
  | Flight l n =>
      let x := stage (T - 1) (line (lane_of c l)) in
      let i := D - S n in
      let y := stage (T - 1 + i) (line (lane_of c l)) in
      gate_operand (hit k (lane_of c l) x i && negb (clear y)) (given (delta y))
  | Newer l =>
      let x := stage (T - 1) (line (lane_of c l)) in
      if clear x then zero_
      else if hit k (lane_of c l) x D then held (InRow (Sums l) (D - 1))
      else held (InRow (ReadWords (LoopMemory l)) (D - 2))
  | NewSum l => made (Newer l)
  | Total o n => held (InRow (Words (other_lanes k - n)) o)
  | NewOffset n => if does (cstage n (controls c)) is Load v then given v else zero_
  | NewDelta | NewState => total_operand (E - 1 - Y)
  end.

Definition right_operand (c : registers W) (a : adder_name) : register_operand :=
  match a with
  | Flight l n => if n is S n then made (Flight l n) else zero_
  | Newer l =>
      let x := stage (T - 1) (line (lane_of c l)) in
      gate_operand (negb (clear x)) (given (delta x))
  | NewSum l => made (Flight l (D - 2))
  | Total o n => if n is S n then made (Total o n) else zero_
  | NewOffset n => total_operand (n - Y)
  | NewDelta =>
      if same_place k c && control_freezes (cstage E (controls c)) then base_operand c E
      else held (InRow (ReadWords BaseMemory) (E - RR - 2))
  | NewState =>
      if same_place k c && control_loads (cstage E (controls c)) then offset_operand c E
      else held (InRow (ReadWords OffsetMemory) (E - RR - 2))
  end.

Definition memory_there (m : array_name) : Prop :=
  match m with LoopMemory l | CopyMemory l => l <= other_lanes k | _ => True end.
Definition row_there (r : row_name) : Prop :=
  match r with
  | Sums l | Words l => l <= other_lanes k
  | ReadWords m => memory_there m
  | _ => True
  end.

Definition data_path : circuit W (registers W) register_name adder_name nat := {|
  takes := taken;
  subtracts := fun a => match a with NewOffset _ | NewDelta => true | _ => false end;
  left_of := left_operand;
  right_of := right_operand;
  has := fun r =>
    match r with
    | InRow r n => row_there r /\ n < longest k
    | InMemory m _ => memory_there m
    end;
  has_adder := fun a =>
    match a with
    | Flight l n => l <= other_lanes k /\ n < D
    | Newer l | NewSum l => l <= other_lanes k
    | Total o n => n <= other_lanes k /\ o < longest k
    | NewOffset n => n < longest k
    | _ => True
    end;
  rank := fun a =>
    match a with
    | Flight _ n | Total _ n => n
    | Newer _ => 0
    | NewSum _ => S D
    | NewOffset _ => S (other_lanes k)
    | NewDelta | NewState => S (S (other_lanes k))
    end
|}.

Lemma data_path_acyclic : acyclic data_path.
Proof.
have [h0 [lt [ly [h1 [h2 [h3 [h4 h5]]]]]]] : 3 <= D /\ RR + 1 < longest k /\ Y < longest k /\
    E < longest k /\ D < longest k /\ T < longest k /\ Y <= RR /\ T < Y.
  by case: ok => *; rewrite /longest; lia.
split.
- move=> c r hr; exists (S (S (S (S (D + other_lanes k))))).
  case: r hr => [r [|n]|m a] /= hr.
  + case: r hr => [l|l|m||] /= [hr _]; rewrite /refers /=; try by split; lia.
      by case: (_ && _) => /=; split=> //; lia.
    by case: m hr => [l|l||] /= hr; case: (_ && _).
  + by case: Nat.ltb_spec => //= lt'; split; [case: hr|lia].
  + case: m hr => [l|l||] /= hr; case: (_ && _) => //=;
      rewrite /base_operand /offset_operand; try (by split; lia); case: zeroes => //=; split; lia.
- move=> c [l n|l|l|o n|n||] /= h; split; rewrite /gate_operand /base_operand /offset_operand /=;
    try by [split; lia|split; [split|]; lia].
  + by case: (_ && _).
  + by case: n h => [|n] //= h; split; lia.
  + by case: clear => //; case: hit => /=; split=> //; lia.
  + by case: clear.
  + by case: n h => [|n] //= h; split; lia.
  + by case: does.
  + case: (_ && _) => /=; last by split=> //; lia.
    by case: zeroes => //=; split; lia.
  + case: (_ && _) => /=; last by split=> //; lia.
    by case: zeroes => //=; split; lia.
Qed.

(* The registers of the pipeline, by these names. *)
Definition memory_of (s : registers W) (m : array_name) : memory W :=
  match m with
  | LoopMemory l => loop (lane_of s l)
  | CopyMemory l => copy (lane_of s l)
  | BaseMemory => base s
  | OffsetMemory => offset s
  end.
Definition row_of (s : registers W) (r : row_name) : list W :=
  match r with
  | Sums l => sums (lane_of s l)
  | Words l => words (lane_of s l)
  | ReadWords m => read_words (memory_of s m)
  | Deltas => deltas s
  | States => states s
  end.
Definition holds (s : registers W) (r : register_name) : W :=
  match r with
  | InRow r n => nth n (row_of s r) 0%G
  | InMemory m a => array (memory_of s m) a
  end.

Definition gives (s : registers W) (a : adder_name) : W :=
  match a with
  | Flight l n =>
      let x := stage (T - 1) (line (lane_of s l)) in
      sum (map (in_flight k (lane_of s l) x) (seq (D - S n) (S n)))
  | Newer l =>
      let x := stage (T - 1) (line (lane_of s l)) in
      ((if clear x then 0
        else if hit k (lane_of s l) x D then nth (D - 1) (sums (lane_of s l)) 0
        else nth (D - 2) (read_words (loop (lane_of s l))) 0) +
       gate (negb (clear x)) (delta x))%G
  | NewSum l => next_sum k (lane_of s l)
  | Total o n =>
      sum (map (fun l => nth o (words (lane_of s l)) 0%G) (seq (other_lanes k - n) (S n)))
  | NewOffset n =>
      ((if does (cstage n (controls s)) is Load v then v else 0) - total s (n - Y))%G
  | NewDelta => next_delta k s
  | NewState => next_state k s
  end.

(* The same circuit without the words that it holds: what remains is the control. *)
Definition no_memory : memory W := @Memory W (fun _ => 0%G) [].
Definition blank (s : registers W) : registers W := {|
  rst_q := rst_q s; age := age s; clearing := clearing s; clear_address := clear_address s;
  holding := holding s; ready := ready s;
  lanes := map (fun l => Lane (line (lane_of s l)) [] no_memory no_memory [])
             (seq 0 (S (other_lanes k)));
  controls := controls s;
  base := no_memory; offset := no_memory; deltas := []; states := [];
  responding := responding s; live := live s; rsp_valid := rsp_valid s
|}.

Lemma line_blank s l : l <= other_lanes k -> line (lane_of (blank s) l) = line (lane_of s l).
Proof. by move=> h; rewrite {1}/lane_of /blank; cbn [lanes]; rewrite nth_map_seq; [lia|done]. Qed.

Lemma lane_step_at i s l : l <= other_lanes k -> lane_of (step k i s) l =
  lane_step k (lane_of s l) (lane_input s i l)
    (place (cstage (T - 1) (controls s))) (place (cstage (Y - 1) (controls s)))
    (junk i (2 * l + 2)) (junk i (2 * l + 3)).
Proof.
move=> h; rewrite {1}/lane_of /step; cbn [lanes]; rewrite nth_map_seq; [lia|done].
Qed.

(* Control depends on nothing else. *)
Lemma blank_step i i' s : rst i = rst i' -> offer i = offer i' -> offers i = offers i' ->
  blank (step k i s) = blank (step k i' (blank s)).
Proof.
move=> e1 e2 e3; rewrite /blank; congr Registers; try by rewrite /= ?e1 ?e2.
- apply: map_ext_in => l /in_seq h.
  rewrite !lane_step_at; try lia; rewrite [line _]/= [line (lane_step _ _ _ _ _ _ _)]/=.
  by rewrite -/(blank s) line_blank /lane_input ?e2 ?e3 //; lia.
- by rewrite /= /control_input e2.
Qed.

Lemma blank_blank s : blank (blank s) = blank s.
Proof.
rewrite {1}/blank; congr Registers; apply: map_ext_in => l /in_seq h.
by rewrite line_blank //; lia.
Qed.

Lemma hit_blank s l x i : l <= other_lanes k ->
  hit k (lane_of (blank s) l) x i = hit k (lane_of s l) x i.
Proof. by move=> h; rewrite /hit line_blank. Qed.

Lemma taken_blank s r : has data_path r -> taken (blank s) r = taken s r.
Proof.
have ports_blank m : memory_there m -> ports (blank s) m = ports s m.
  by case: m => [l|l||] //= h; rewrite -/(blank s) line_blank.
case: r => [r [|n]|m a] //= h; last by rewrite ports_blank.
by case: r h => [l|l|m||] //= [h _]; rewrite -?/(blank s) ?line_blank ?ports_blank.
Qed.

Lemma left_blank s a : has_adder data_path a -> left_operand (blank s) a = left_operand s a.
Proof.
by case: a => [l n|l|l|o n|n||] //= h; rewrite -/(blank s) !hit_blank ?line_blank //; case: h.
Qed.

Lemma right_blank s a : has_adder data_path a -> right_operand (blank s) a = right_operand s a.
Proof. by case: a => [l n|l|l|o n|n||] //= h; rewrite -/(blank s) ?line_blank. Qed.

(* The pipeline is this circuit of words. *)
Section Word.
Variables (s : registers W) (i : input W).
Hypothesis lane_number : length (lanes s) = S (other_lanes k).
Notation values := (value_of (junk i) (holds s) (gives s)).

Lemma total_is o : total s o = gives s (Total o (other_lanes k)).
Proof. by rewrite /total (map_nth_seq _ _ (default_lane W)) lane_number /gives Nat.sub_diag. Qed.

Lemma base_operand_is n : values (base_operand s n) = base_word k s n.
Proof. by rewrite /base_operand /base_word; case: zeroes => //; rewrite total_is. Qed.

Lemma offset_operand_is n : values (offset_operand s n) = offset_word k s n.
Proof. by rewrite /offset_operand /offset_word; case: zeroes. Qed.

Lemma gives_is a : has_adder data_path a ->
  let x := values (left_operand s a) in
  let y := values (right_operand s a) in
  gives s a = (if subtracts data_path a then x - y else x + y)%G.
Proof.
case: a => [l n|l|l|o n|n||] h x y; rewrite {}/x {}/y.
- rewrite [subtracts _ _]/= /left_operand /right_operand /gate_operand [gives _ _]/=.
  congr (_ + _)%G; first by rewrite /in_flight /gate; case: (_ && _).
  case: n h => [|n] [_ h] //; rewrite [values _]/= -/(seq _ _).
  by have -> : S (D - S (S n)) = D - S n by lia.
- rewrite /= /gate_operand /gate; congr (_ + _)%G; last by case: clear.
  by case: clear => //; case: hit.
- cbn [left_operand right_operand value_of gives subtracts data_path]; rewrite /next_sum.
  have -> : D - S (D - 2) = 1 by case: ok => *; lia.
  have -> : S (D - 2) = D - 1 by case: ok => *; lia.
  by [].
- case: h => h _; rewrite [subtracts _ _]/= /left_operand /right_operand [gives _ _]/=.
  congr (_ + _)%G; case: n h => [|n] h //; rewrite [values _]/=.
  by have -> : S (other_lanes k - S n) = other_lanes k - n by lia.
- by rewrite -[values (right_operand s _)]total_is /=; case: does.
- rewrite -[values (left_operand s _)]total_is /= /next_delta.
  by case: (_ && _); rewrite ?base_operand_is.
- rewrite -[values (left_operand s _)]total_is /= /next_state.
  by case: (_ && _); rewrite ?offset_operand_is.
Qed.

Lemma memory_step m : memory_there m ->
  (forall a, array (memory_of (step k i s) m) a = values (taken s (InMemory m a))) /\
  read_words (memory_of (step k i s) m) =
    push k (values (newest s (ReadWords m))) (read_words (memory_of s m)).
Proof.
case: m => [l|l||] h; rewrite /memory_of ?lane_step_at //; split=> [a|].
all: cbn [taken newest ports step lane_step loop copy base offset access array read_words].
all: rewrite /update -?base_operand_is -?offset_operand_is.
1-4: by case: valid => //=; case: Nat.eqb.
- by case: control_freezes => //=; case: Nat.eqb.
- by case: control_freezes => //=; case: Nat.eqb.
- by case: control_loads => //=; case: Nat.eqb.
- by case: control_loads => //=; case: Nat.eqb.
Qed.

Lemma row_step r : row_there r ->
  row_of (step k i s) r = push k (values (newest s r)) (row_of s r).
Proof.
case: r => [l|l|m||] h; rewrite /row_of ?lane_step_at //.
- cbn [lane_step words newest]; congr push; rewrite /next_word.
  by case: (_ && _).
- by have [] := memory_step m h.
Qed.

Lemma step_takes r : has data_path r -> holds (step k i s) r = values (taken s r).
Proof.
case: r => [r n|m a] h; last by have [e _] := memory_step m h; exact: e.
case: h => h lt; rewrite [LHS]/= row_step //; case: n lt => [|n] lt; first by rewrite push_head.
by rewrite /push nth_firstn //= (proj2 (Nat.ltb_lt _ _) lt).
Qed.
End Word.

(* The register file of slices: its control, and what the slices hold. *)
Section Run.
Variable S_ : segmentation W.
Notation row_slices := (slices register_name adder_name nat S_).
Variables (i : nat -> input W) (f : nat -> registers W) (w : row_slices).

(* The ports of the response: the segments side by side, once all are there, and clean if all of
   them are zero. *)
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

(* The circuit runs: control as in the pipeline, whose words it never looks at, and a slice for each
   segment, which works as late as the segment is. *)
Record runs : Prop := Runs {
  control_runs : forall t, f (S t) = blank (step k (i t) (f t));
  slices_run : sliced data_path f w;
  in_time : forall p, In p (segments S_) -> late S_ p <= latency k - E
}.
Hypothesis run : runs.

Definition fill (c : registers W) (v : register_name -> W) : registers W :=
  let row r := map (fun n => v (InRow r n)) (seq 0 (longest k)) in
  let mem m := @Memory W (fun a => v (InMemory m a)) (row (ReadWords m)) in
  {| rst_q := rst_q c; age := age c; clearing := clearing c; clear_address := clear_address c;
     holding := holding c; ready := ready c;
     lanes := map (fun l => Lane (line (lane_of c l)) (row (Sums l)) (mem (LoopMemory l))
                              (mem (CopyMemory l)) (row (Words l))) (seq 0 (S (other_lanes k)));
     controls := controls c; base := mem BaseMemory; offset := mem OffsetMemory;
     deltas := row Deltas; states := row States;
     responding := responding c; live := live c; rsp_valid := rsp_valid c |}.

Lemma lane_of_fill c v l : l <= other_lanes k -> lane_of (fill c v) l =
  let row r := map (fun n => v (InRow r n)) (seq 0 (longest k)) in
  let mem m := @Memory W (fun a => v (InMemory m a)) (row (ReadWords m)) in
  Lane (line (lane_of c l)) (row (Sums l)) (mem (LoopMemory l)) (mem (CopyMemory l))
    (row (Words l)).
Proof.
by move=> h; rewrite {1}/lane_of /fill; cbn [lanes]; rewrite nth_map_seq; [lia|].
Qed.

Lemma fill_holds c v r : has data_path r -> holds (fill c v) r = v r.
Proof.
case: r => [r n|m a] h.
  case: h => h lt; rewrite [LHS]/=.
  case: r h => [l|l|[l|l||]||] h; rewrite /row_of /memory_of ?lane_of_fill //.
  1-8: by cbn [sums words read_words loop copy base offset deltas states fill]; rewrite nth_map_seq.
by case: m h => [l|l||] h; rewrite [LHS]/= ?lane_of_fill.
Qed.

Lemma fill_blank c v : blank (fill c v) = blank c.
Proof.
rewrite /blank; congr Registers; apply: map_ext_in => l /in_seq h.
by rewrite -/(fill c v) lane_of_fill //; lia.
Qed.

(* The same run of the circuit of words. *)
Definition word_input (t : nat) : input W :=
  Input (rst (i t)) (offer (i t)) (offers (i t))
    (fun j => joined S_ (fun p => slice_junk w p (t + late S_ p) j)).
Definition word_start : registers W :=
  fill (f 0) (fun r => joined S_ (fun p => slice_held w p (late S_ p) r)).
Notation s t := (registers_at k word_start word_input t).

Lemma control_is t : blank (s t) = blank (f t).
Proof.
elim: t => [|t IH]; first exact: fill_blank.
rewrite (control_runs run) blank_blank -[s (S t)]/(step k (word_input t) (s t)).
by rewrite (@blank_step _ (i t)) // IH -(@blank_step (i t)).
Qed.

Lemma lanes_there t : length (lanes (s t)) = S (other_lanes k).
Proof. by case: t => [|t]; rewrite /= map_length seq_length. Qed.

Lemma whole_runs :
  whole data_path f (fun t => junk (word_input t)) (fun t => holds (s t)) (fun t => gives (s t)).
Proof.
split.
- move=> t r h; have -> : takes data_path (f t) r = taken (s t) r.
    by rewrite -[LHS](taken_blank (f t)) // -control_is taken_blank.
  by rewrite -step_takes //; exact: lanes_there.
- move=> t a h x y; rewrite {}/x {}/y.
  have -> : left_of data_path (f t) a = left_operand (s t) a.
    by rewrite -[LHS](left_blank (f t)) // -control_is left_blank.
  have -> : right_of data_path (f t) a = right_operand (s t) a.
    by rewrite -[LHS](right_blank (f t)) // -control_is right_blank.
  by apply: gives_is => //; exact: lanes_there.
Qed.

Lemma slices_hold t p r : In p (segments S_) -> has data_path r ->
  slice_held w p (t + late S_ p) r = part S_ p (holds (s t) r).
Proof.
move=> hp hr.
have junks q u j : In q (segments S_) ->
    slice_junk w q (u + late S_ q) j = part S_ q (junk (word_input u) j).
  by move=> hq; rewrite part_joined.
have starts q r' : In q (segments S_) -> has data_path r' ->
    slice_held w q (late S_ q) r' = part S_ q (holds (s 0) r').
  by move=> hq hr'; rewrite [s 0]/= fill_holds // part_joined.
have h := a_circuit_of_segments_is_the_circuit_of_words data_path_acyclic (slices_run run)
  whole_runs junks starts t p hp.
by case: h => h _; exact: h.
Qed.

Lemma row_later r n m t : row_there r -> n + m < longest k ->
  holds (s (t + m)) (InRow r (n + m)) = holds (s t) (InRow r n).
Proof.
move=> h; elim: m => [|m IH] lt; first by rewrite !Nat.add_0_r.
rewrite !Nat.add_succ_r -IH; first by lia.
have := @whole_takes _ _ _ _ _ _ _ _ _ _ whole_runs (t + m) (InRow r (S (n + m))).
move=> -> /=; first by split=> //; lia.
by have /Nat.ltb_lt -> : S (n + m) < longest k by lia.
Qed.

(* Once the words of power-up are gone, the response is that of the circuit of words. *)
Lemma output_is t : latency k - E <= t -> output_of_slices t = output k (s t).
Proof.
move=> ht; have control_ := control_is t.
have same : rsp_valid (f t) = rsp_valid (s t) /\ controls (f t) = controls (s t).
  by move: control_ => /= [].
rewrite /output_of_slices /output; case: same => -> ->; case: rsp_valid => //.
have row r p : row_there r -> In p (segments S_) ->
    slice_held w p t (InRow r (latency k - E - late S_ p)) =
    part S_ p (nth (latency k - E) (row_of (s t) r) 0%G).
  move=> hr hp; have le := in_time run p hp.
  have lt : latency k - E < longest k by rewrite /longest; lia.
  have -> : slice_held w p t = slice_held w p (t - late S_ p + late S_ p) by congr slice_held; lia.
  rewrite slices_hold //; first by split=> //; lia.
  have e := @row_later r (latency k - E - late S_ p) (late S_ p) (t - late S_ p) hr ltac:(lia).
  congr part; rewrite -e [LHS]/= /holds.
  have -> : t - late S_ p + late S_ p = t by lia.
  by have -> : latency k - E - late S_ p + late S_ p = latency k - E by lia.
have words_ r : row_there r -> word_of_row r t = nth (latency k - E) (row_of (s t) r) 0%G.
  by move=> hr; apply: (part_same S_) => p hp; rewrite part_joined // row.
rewrite !words_ // (zero_in_segments S_); congr (Some (_, _)).
by apply: forallb_same => p hp; rewrite row.
Qed.

Lemma slices_respond n t : (forall t, fits k (i t)) ->
  rst (i 0) = true -> (forall t, 0 < t < n -> rst (i t) = false) -> 1 <= t <= n ->
  ready (f t) = (clear_cycles k <=? t) /\ output_of_slices t = expected k i t.
Proof.
move=> fit reset quiet ht.
have [r o] := @the_pipeline_is_the_machine W k word_start word_input n ok fit reset quiet t ht.
have same : ready (f t) = ready (s t) /\ rsp_valid (f t) = rsp_valid (s t).
  by have := control_is t; move=> /= [].
have e : expected k word_input t = expected k i t by [].
case: same => -> v; split=> //; rewrite -e.
case: (Nat.le_gt_cases (latency k - E) t) => h; first by rewrite output_is.
have none : expected k word_input t = None.
  rewrite /expected; have /Nat.leb_gt -> // : t < latency k.
  by case: ok => *; lia.
rewrite none; rewrite none in o; rewrite /output_of_slices v.
by move: o; rewrite /output; case: rsp_valid.
Qed.
End Run.

(* Such circuits exist: the model asks for nothing impossible. *)
Lemma runs_exist (S_ : segmentation W) (i : nat -> input W) (c : registers W)
    (v : register_name -> W) :
  (forall p, In p (segments S_) -> late S_ p <= latency k - E) ->
  exists f (w : slices register_name adder_name nat S_), runs i f w /\
    forall p r, In p (segments S_) -> has data_path r ->
      slice_held w p (late S_ p) r = part S_ p (v r).
Proof.
move=> in_time_; pose s t := registers_at k (fill c v) i t; pose f t := blank (s t).
have lanes_ t : length (lanes (s t)) = S (other_lanes k).
  by case: t => [|t]; rewrite /s /= map_length seq_length.
have W_ : whole data_path f (fun t => junk (i t)) (fun t => holds (s t)) (fun t => gives (s t)).
  split.
    move=> t r h; rewrite -[takes data_path _ _]/(taken (blank (s t)) r) taken_blank //.
    by rewrite -step_takes.
  move=> t a h x y; rewrite /x /y -[left_of data_path _ _]/(left_operand (blank (s t)) a).
  rewrite -[right_of data_path _ _]/(right_operand (blank (s t)) a).
  by rewrite left_blank // right_blank //; apply: gives_is.
exists f, (slices_of data_path f S_ (fun t => junk (i t)) (fun t => holds (s t))
  (fun t => gives (s t))).
split; last by move=> p r hp hr; rewrite /= Nat.sub_diag [s 0]/= fill_holds.
split=> //; first by move=> t; rewrite /f -[s (S t)]/(step k (i t) (s t)); exact: blank_step.
exact: slices_exist data_path_acyclic W_.
Qed.
End Sliced.
