(* The pipeline of the generated register file for DEPTH > 1, and why it is the machine of
   Machine.v.

   The model is a synchronous circuit: a state of registers and memories, and a step for the clock
   edge. It follows crates/atomik-hdl/src/regfile: lane.rs and lane_slice.rs (the loop that forwards
   and adds up what is in flight, the late readout), reference.rs and reference_slice.rs (base and
   offset), clear.rs, control.rs and respond.rs. Stages are counted as there: a command is offered
   in stage 0, and a register of stage k holds, in cycle t + k, what belongs to the command of cycle
   t. Before the first step all registers and memories hold anything, and a memory that is read at
   the edge that writes the same address returns anything.

   What the model leaves out: an adder or comparator that the generator spreads over several stages
   is here in the last of them; the segments of a word, with their slices and carries, are one word,
   see Sliced.v; the counter of the clear is a number, see Clear.v. *)
From Coq Require Import List Bool Arith Lia.
From Coq Require Import ssreflect ssrbool.
From Atomik Require Import Group Machine.
Import ListNotations.
Set Implicit Arguments.

(* The numbers on which a circuit depends, as crates/atomik-hdl/src/config.rs computes them. *)
Record config := Config {
  other_lanes : nat;      (* lanes beside lane 0 *)
  depth : nat;
  read_stage : nat;       (* ends with the read of a lane's memory *)
  loop_distance : nat;    (* how many cycles before that read the commands are in flight *)
  lane_read_stage : nat;  (* a lane's word for lane 0's command *)
  reference_stage : nat;  (* ends with the read of base and offset *)
  delta_stage : nat;      (* delta and state *)
  latency : nat;
  clears : nat;           (* cycles of the clear *)
  holds : nat             (* cycles after it in which nothing is accepted *)
}.

Definition write_stage k := (read_stage k + loop_distance k)%nat.

(* What the generator has to respect. *)
Record sound (k : config) : Prop := Sound {
  has_addresses : (1 <= depth k)%nat;
  reads_after_input : (1 <= read_stage k)%nat;
  word_arrives : (3 <= loop_distance k)%nat;
  copy_arrives : (write_stage k + 2 <= lane_read_stage k)%nat;
  total_arrives : (lane_read_stage k <= reference_stage k)%nat;
  base_arrives : (reference_stage k + 3 <= delta_stage k)%nat;
  delta_arrives : (delta_stage k + 2 <= latency k)%nat;
  clears_all : (depth k <= clears k)%nat;
  clears_longer : (latency k <= clears k)%nat;
  holds_loop : (loop_distance k <= holds k)%nat
}.

(* The registers of a synchronous circuit after t cycles. *)
Fixpoint after_cycles A R (step : A -> R -> R) (s : R) (i : nat -> A) (t : nat) : R :=
  if t is S t then step (i t) (after_cycles step s i t) else s.

Section Pipeline.
Variable W : group.
Variable k : config.
Notation T := (write_stage k).
Notation D := (loop_distance k).
Notation Y := (lane_read_stage k).
Notation RR := (reference_stage k).
Notation E := (delta_stage k).

(* Registers in a row: as many as the longest way needs. *)
Definition longest := (latency k + D + 2)%nat.
Definition push A (x : A) (l : list A) : list A := firstn longest (x :: l).

(* A memory: an array, and the words read that are on their way. *)
Record memory := Memory { array : nat -> W; read_words : list W }.

Definition access (m : memory) (write : bool) (at_ : nat) (word : W) (read : nat) (junk : W) :=
  Memory (if write then update (array m) at_ word else array m)
         (push (if write && (at_ =? read) then junk else array m read) (read_words m)).

(* A lane's command: a delta, or a clear in its place. *)
Record command := Command { valid : bool; clear : bool; address : nat; delta : W }.

Definition nothing := Command false false 0 0.
Definition stage (n : nat) (l : list command) : command := nth (n - 1) l nothing.

(* `sums`: from stage T on, what the loop writes. `words`: from stage Y on, what lane 0 reads. *)
Record lane := Lane {
  line : list command; sums : list W; loop : memory; copy : memory; words : list W
}.

Definition gate (b : bool) (x : W) : W := if b then x else 0.

(* Whether command x, when it is added to its memory, finds the same address in the command i cycles
   before. A clear looks at none. *)
Definition hit (l : lane) (x : command) (i : nat) : bool :=
  let y := stage (T - 1 + i) (line l) in
  valid y && (address y =? address x) && negb (clear x).

Definition in_flight (l : lane) (x : command) (i : nat) : W :=
  let y := stage (T - 1 + i) (line l) in gate (hit l x i && negb (clear y)) (delta y).

(* The word that the loop writes: deltas in flight are added, and a word written at the edge of the
   read replaces the word read. *)
Definition next_sum (l : lane) : W :=
  let x := stage (T - 1) (line l) in
  let old := if clear x then 0
             else if hit l x D then nth (D - 1) (sums l) 0
             else nth (D - 2) (read_words (loop l)) 0 in
  old + gate (negb (clear x)) (delta x) + sum (map (in_flight l x) (seq 1 (D - 1))).

(* The word that lane 0 reads: if the command before its own was written at the edge of the read,
   what was written. *)
Definition next_word (l : lane) (read : nat) : W :=
  let z := stage Y (line l) in
  if valid z && (address z =? read) then nth (Y - T) (sums l) 0
  else nth (Y - 1 - T) (read_words (copy l)) 0.

(* `early` and `late` are lane 0's address in stages T - 1 and Y - 1. *)
Definition lane_step (l : lane) (c : command) (early late : nat) (junk junk' : W) : lane :=
  let z := stage T (line l) in
  let write m read := access m (valid z) (address z) (nth 0 (sums l) 0) read in
  Lane (push c (line l)) (push (next_sum l) (sums l))
       (write (loop l) (address (stage (read_stage k) (line l))) junk)
       (write (copy l) early junk')
       (push (next_word l late) (words l)).

(* Lane 0's command beside the lanes. *)
Record control := Control { zeroes : bool; place : nat; does : op W }.
Definition no_control := Control false 0 (Nop).
Definition cstage (n : nat) (l : list control) : control := nth (n - 1) l no_control.

Definition control_freezes (c : control) : bool := zeroes c || freezes (does c).
Definition control_loads (c : control) : bool :=
  zeroes c || match does c with Load _ => true | _ => false end.

Record registers := Registers {
  rst_q : bool; age : nat; clearing : bool; clear_address : nat; holding : bool; ready : bool;
  lanes : list lane;
  controls : list control;
  base : memory; offset : memory;
  deltas : list W; states : list W;
  responding : list bool; live : bool; rsp_valid : bool
}.

Record input := Input {
  rst : bool;
  offer : option (nat * op W);
  offers : list (option (nat * W));
  junk : nat -> W
}.

Definition active s := age s <? clears k.
Definition hold s := age s <? clears k + holds k.

Definition responds (o : op W) : bool :=
  match o with Read | Swap | Delta | Drain => true | _ => false end.

(* Stage 0: what enters the lanes and the control line. *)
Definition lane_input (s : registers) (i : input) (n : nat) : command :=
  let c := lane_command (Cycle (offer i) (offers i)) n in
  let d := if c is Some (_, d) then d else 0 in
  if clearing s then Command true true (clear_address s) d
  else if c is Some (a, _) then Command (negb (holding s)) false a d else nothing.

Definition control_input (s : registers) (i : input) : control :=
  let o := if offer i is Some (_, o) then o else Nop in
  let a := if offer i is Some (a, _) then a else 0%nat in
  Control (clearing s) (if clearing s then clear_address s else a)
          (if ready s then o else Nop).

(* The sum of all lanes' words, n stages after they were read. *)
Definition total (s : registers) (n : nat) : W :=
  sum (map (fun l => nth n (words l) 0) (lanes s)).

(* What base and offset are written with, by the command of a stage. *)
Definition base_word (s : registers) (n : nat) : W :=
  if zeroes (cstage n (controls s)) then 0 else total s (n - Y).
Definition offset_word (s : registers) (n : nat) : W :=
  let c := cstage n (controls s) in
  if zeroes c then 0 else (if does c is Load v then v else 0) - total s (n - Y).

Definition same_place (s : registers) : bool :=
  place (cstage E (controls s)) =? place (cstage (E - 1) (controls s)).

Definition next_delta (s : registers) : W :=
  total s (E - 1 - Y) -
  (if same_place s && control_freezes (cstage E (controls s)) then base_word s E
   else nth (E - RR - 2) (read_words (base s)) 0).
Definition next_state (s : registers) : W :=
  total s (E - 1 - Y) +
  (if same_place s && control_loads (cstage E (controls s)) then offset_word s E
   else nth (E - RR - 2) (read_words (offset s)) 0).

Definition default_lane := Lane [] [] (Memory (fun _ => 0) []) (Memory (fun _ => 0) []) [].

Definition step (i : input) (s : registers) : registers :=
  let c n := cstage n (controls s) in
  let write m enable word junk :=
    access m (enable (c (RR + 1)%nat)) (place (c (RR + 1)%nat)) word (place (c RR)) junk in
  let next n :=
    lane_step (nth n (lanes s) default_lane) (lane_input s i n)
      (place (c (T - 1)%nat)) (place (c (Y - 1)%nat))
      (junk i (2 * n + 2)%nat) (junk i (2 * n + 3)%nat) in
  {| rst_q := rst i;
     age := if rst_q s then 0%nat else if hold s then S (age s) else age s;
     clearing := active s;
     clear_address := age s mod depth k;
     holding := hold s;
     ready := negb (rst i || rst_q s || hold s);
     lanes := map next (seq 0 (S (other_lanes k)));
     controls := push (control_input s i) (controls s);
     base := write (base s) control_freezes (base_word s (RR + 1)) (junk i 0%nat);
     offset := write (offset s) control_loads (offset_word s (RR + 1)) (junk i 1%nat);
     deltas := push (next_delta s) (deltas s);
     states := push (next_state s) (states s);
     responding :=
       push (ready s && if offer i is Some (_, o) then responds o else false) (responding s);
     live := nth (latency k - 3) (responding s) false && negb (rst i || rst_q s || active s);
     rsp_valid := negb (rst i) && live s |}.

(* The ports `rsp_valid`, `rsp_data` and `rsp_clean`. *)
Definition output (s : registers) : option (W * bool) :=
  if rsp_valid s then
    let d := nth (latency k - E) (deltas s) 0 in
    let c := does (cstage (latency k) (controls s)) in
    Some (match c with Read | Swap => nth (latency k - E) (states s) 0 | _ => d end,
          is_zero d)
  else None.

Definition registers_at (s : registers) (i : nat -> input) (t : nat) : registers :=
  after_cycles step s i t.

(* The first cycle with `ready` high, counted from the last one with `rst` high: CLEAR. *)
Definition clear_cycles := (clears k + holds k + 3)%nat.

(* What is accepted in a cycle after a reset. *)
Definition accepted (i : nat -> input) (t : nat) : cycle W :=
  if clear_cycles <=? t then Cycle (offer (i t)) (offers (i t))
  else Cycle None (repeat None (other_lanes k)).
End Pipeline.
Arguments gate {W}.
