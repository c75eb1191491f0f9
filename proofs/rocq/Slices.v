(* Words in segments: a circuit that has a slice for each segment is the circuit of whole words.

   The model follows crates/atomik-hdl/src/regfile/adder.rs and lane.rs. Segments of a field that
   adds work one after the other, each two cycles after the one below it; all slices have the same
   stages, counted from the cycle in which the slice takes the command. *)
From Coq Require Import List Bool Arith NArith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group.
From Atomik Require Segments.
Import ListNotations.
Set Implicit Arguments.
Open Scope nat_scope.

Section Adder.
Variable f : kind * N.

(* What a slice adds to get a difference: the complement, with one for a carry into it. *)
Definition operand_value (minus : bool) (y : field_group f) : N :=
  if minus then (2 ^ snd f - 1 - field_value f y)%N else field_value f y.

(* An adder of a slice, with what the segment below carries. Segments that xor ignore it. *)
Definition add_with (carry minus : bool) (x y : field_group f) : field_group f :=
  match fst f with
  | Xor => (if minus then x - y else x + y)%G
  | Add => field_wrap f (field_value f x + operand_value minus y + N.b2n carry)%N
  end.

(* What it carries to the segment above. *)
Definition carry_of (carry minus : bool) (x y : field_group f) : bool :=
  match fst f with
  | Xor => false
  | Add => (2 ^ snd f <=? field_value f x + operand_value minus y + N.b2n carry)%N
  end.
End Adder.

(* Words as segments. A segment is a field of some bits. It is `late` by some cycles, and may take
   the carry of the segment under it. `brings` is the carry into a segment when two words are added
   or subtracted. *)
Record segmentation (W : group) := Segmentation {
  index : Type;
  segments : list index;
  bits_of : index -> kind * N;
  late : index -> nat;
  under : index -> option index;
  part : forall p, W -> field_group (bits_of p);
  joined : (forall p, field_group (bits_of p)) -> W;
  brings : index -> bool -> W -> W -> bool;
  under_late : forall p q, In p segments -> under p = Some q ->
    In q segments /\ late p = late q + 2;
  part_zero : forall p, In p segments -> part p 0 = 0%G;
  part_joined : forall w p, In p segments -> part p (joined w) = w p;
  part_same : forall x y, (forall p, In p segments -> part p x = part p y) -> x = y;
  brings_is : forall p minus x y, In p segments -> brings p minus x y =
    match under p with
    | None => minus
    | Some q => carry_of (bits_of q) (brings q minus x y) minus (part q x) (part q y)
    end;
  part_add : forall p (minus : bool) x y, In p segments ->
    part p (if minus then x - y else x + y)%G =
    add_with (bits_of p) (brings p minus x y) minus (part p x) (part p y)
}.

(* A word is zero if all of its segments are. *)
Lemma zero_in_segments W (S : segmentation W) x :
  is_zero x = forallb (fun p => is_zero (part S p x)) (segments S).
Proof.
apply/Bool.eq_iff_eq_true; rewrite is_zeroP forallb_forall; split=> [-> p hp|h].
  by apply/is_zeroP; rewrite part_zero.
by apply: (part_same S) => p hp; rewrite (part_zero S) //; apply/is_zeroP; apply: h.
Qed.

(* Synchronous circuits of words: registers, and adders with two operands. In each cycle the control
   says what every register takes and what every adder adds; so it chooses between words, and a
   memory is a register for each address. `Any` is what a memory returns when it is read at the edge
   of a write. *)
Section Circuit.
Variables (W : group) (C R A J : Type).

Inductive operand := Zero | Given (x : W) | Any (j : J) | Held (r : R) | Made (a : A).

Record circuit := Circuit {
  takes : C -> R -> operand;
  subtracts : A -> bool;
  left_of : C -> A -> operand;
  right_of : C -> A -> operand;
  (* Which registers and adders there are, and an order in which the adders have their sums. *)
  has : R -> Prop;
  has_adder : A -> Prop;
  rank : A -> nat
}.
Variable K : circuit.

Definition refers (n : nat) (o : operand) : Prop :=
  match o with
  | Held r => has K r
  | Made a => has_adder K a /\ rank K a < n
  | _ => True
  end.

(* No sum needs itself. *)
Definition acyclic : Prop :=
  (forall c r, has K r -> exists n, refers n (takes K c r)) /\
  (forall c a, has_adder K a ->
     refers (rank K a) (left_of K c a) /\ refers (rank K a) (right_of K c a)).

Definition value_of (junk : J -> W) (held : R -> W) (made : A -> W) (o : operand) : W :=
  match o with
  | Zero => 0%G
  | Given x => x
  | Any j => junk j
  | Held r => held r
  | Made a => made a
  end.

Variable control : nat -> C.

(* What the registers hold and the adders give in each cycle, in the circuit of whole words. *)
Record whole (junk : nat -> J -> W) (held : nat -> R -> W) (made : nat -> A -> W) : Prop := Whole {
  whole_takes : forall t r, has K r ->
    held (S t) r = value_of (junk t) (held t) (made t) (takes K (control t) r);
  whole_adds : forall t a, has_adder K a ->
    let x := value_of (junk t) (held t) (made t) (left_of K (control t) a) in
    let y := value_of (junk t) (held t) (made t) (right_of K (control t) a) in
    made t a = (if subtracts K a then x - y else x + y)%G
}.

Variable S_ : segmentation W.
Notation V p := (field_group (bits_of S_ p)).

Definition segment_of p (junk : J -> V p) (held : R -> V p) (made : A -> V p) (o : operand) : V p :=
  match o with
  | Zero => 0%G
  | Given x => part S_ p x
  | Any j => junk j
  | Held r => held r
  | Made a => made a
  end.

(* A slice for each segment: registers, adders, and what the adders carry, first as it is and then
   in a second register for the way. *)
Record slices := Slices {
  slice_junk : forall p, nat -> J -> V p;
  slice_held : forall p, nat -> R -> V p;
  slice_made : forall p, nat -> A -> V p;
  carried : index S_ -> nat -> A -> bool;
  carried_on : index S_ -> nat -> A -> bool
}.

(* The carry into an adder: what has come from the segment under it, or one for a complement. *)
Definition carry_in (s : slices) (p : index S_) (t : nat) (a : A) : bool :=
  match under S_ p with None => subtracts K a | Some q => carried_on s q t a end.

(* A slice of a segment that is late does in cycle t + late what the control of cycle t says: that
   comes through as many registers. What a slice does before, and what its registers hold at
   power-up, is not said. *)
Record sliced (s : slices) : Prop := Sliced {
  sliced_takes : forall p t r, In p (segments S_) -> has K r ->
    let u := t + late S_ p in
    slice_held s p (S u) r =
    segment_of p (slice_junk s p u) (slice_held s p u) (slice_made s p u) (takes K (control t) r);
  sliced_adds : forall p t a, In p (segments S_) -> has_adder K a ->
    let u := t + late S_ p in
    let v := segment_of p (slice_junk s p u) (slice_held s p u) (slice_made s p u) in
    slice_made s p u a =
      add_with (bits_of S_ p) (carry_in s p u a) (subtracts K a)
        (v (left_of K (control t) a)) (v (right_of K (control t) a)) /\
    carried s p (S u) a =
      carry_of (bits_of S_ p) (carry_in s p u a) (subtracts K a)
        (v (left_of K (control t) a)) (v (right_of K (control t) a));
  sliced_carries : forall p t a, In p (segments S_) -> has_adder K a ->
    carried_on s p (S t) a = carried s p t a
}.

(** A circuit of registers, memories, choices and adders, which has a slice for each segment of its
    words, is the circuit of whole words, for any number of segments, from any content at power-up:
    each slice holds, as many cycles later as it is late, its segment of the word that the circuit
    of words holds. Adders pass their carries on to the slice above; nothing else goes from one
    slice to another.
    Spec: docs/spec.md "The layout of the words is part of the configuration."
    Spec: docs/spec.md "Nothing carries from one field to the next."
    Code: crates/atomik-hdl/src/regfile/adder.rs sum, connect, Carries, Adders
    Code: crates/atomik-hdl/src/config.rs Config::segments *)
Theorem a_circuit_of_segments_is_the_circuit_of_words s junk held made :
  acyclic -> sliced s -> whole junk held made ->
  (forall p t j, In p (segments S_) -> slice_junk s p (t + late S_ p) j = part S_ p (junk t j)) ->
  (forall p r, In p (segments S_) -> has K r ->
     slice_held s p (late S_ p) r = part S_ p (held 0 r)) ->
  forall t p, In p (segments S_) ->
  (forall r, has K r -> slice_held s p (t + late S_ p) r = part S_ p (held t r)) /\
  (forall a, has_adder K a -> slice_made s p (t + late S_ p) a = part S_ p (made t a)).
Proof.
move=> [order_r order_a] [takes_ adds_ carries_] [w_takes w_adds] same_junk first.
(* In a cycle in which all registers are right, all operands are. *)
have now t : (forall p r, In p (segments S_) -> has K r ->
      slice_held s p (t + late S_ p) r = part S_ p (held t r)) ->
    forall p a, In p (segments S_) -> has_adder K a ->
      slice_made s p (t + late S_ p) a = part S_ p (made t a).
  move=> right_ p a hp ha; move: (S (rank K a)) (Nat.lt_succ_diag_r (rank K a)) => n.
  elim: n p a hp ha => [|n IH] p a hp ha lt; first by lia.
  have operand_is q o : In q (segments S_) -> refers (rank K a) o ->
      segment_of q (slice_junk s q (t + late S_ q)) (slice_held s q (t + late S_ q))
        (slice_made s q (t + late S_ q)) o = part S_ q (value_of (junk t) (held t) (made t) o).
    move=> hq; case: o => [|x|j|r|b] /= ref; rewrite ?part_zero ?same_junk ?right_ //.
    by case: ref => hb lb; apply: IH => //; lia.
  have [hl hr] := order_a (control t) a ha.
  set x := value_of (junk t) (held t) (made t) (left_of K (control t) a).
  set y := value_of (junk t) (held t) (made t) (right_of K (control t) a).
  have carry_is : forall m q, late S_ q < m -> In q (segments S_) ->
      carry_in s q (t + late S_ q) a = brings S_ q (subtracts K a) x y.
    elim=> [|m IHm] q lq hq; first by lia.
    rewrite brings_is // /carry_in; case e: (under S_ q) => [o|] //.
    have [ho lo] := under_late S_ _ hq e.
    have -> : t + late S_ q = S (S (t + late S_ o)) by lia.
    rewrite carries_ //; have [_ ->] := adds_ o t a ho ha.
    by rewrite !operand_is // IHm //; lia.
  have [-> _] := adds_ p t a hp ha.
  rewrite !operand_is // (carry_is (S (late S_ p)) p (Nat.lt_succ_diag_r _) hp).
  by rewrite w_adds // part_add.
have right_ t : forall p r, In p (segments S_) -> has K r ->
    slice_held s p (t + late S_ p) r = part S_ p (held t r).
  elim: t => [|t IH] p r hp hr; first exact: first.
  rewrite Nat.add_succ_l takes_ // w_takes //.
  have [n ref] := order_r (control t) r hr.
  move: ref; case: takes => [|x|j|q|a] /= ref; rewrite ?part_zero ?same_junk ?IH //.
  by case: ref => ha _; apply: now.
by move=> t p hp; split=> [r hr|a ha]; [exact: right_|exact: (now t (right_ t))].
Qed.

(* Such slices exist, for whatever the circuit of words does. *)
Definition slices_of (junk : nat -> J -> W) (held : nat -> R -> W) (made : nat -> A -> W) :
    slices :=
  let carry q t a :=
    let v := value_of (junk t) (held t) (made t) in
    let x := v (left_of K (control t) a) in
    let y := v (right_of K (control t) a) in
    carry_of (bits_of S_ q) (brings S_ q (subtracts K a) x y) (subtracts K a)
      (part S_ q x) (part S_ q y) in
  {| slice_junk := fun p t j => part S_ p (junk (t - late S_ p) j);
     slice_held := fun p t r => part S_ p (held (t - late S_ p) r);
     slice_made := fun p t a => part S_ p (made (t - late S_ p) a);
     carried := fun q t a => carry q (t - 1 - late S_ q) a;
     carried_on := fun q t a => carry q (t - 2 - late S_ q) a |}.

Lemma slices_exist junk held made : acyclic ->
  whole junk held made -> sliced (slices_of junk held made).
Proof.
move=> [order_r order_a] [w_takes w_adds].
have operand_is p t o : In p (segments S_) ->
    segment_of p (fun j => part S_ p (junk t j)) (fun r => part S_ p (held t r))
      (fun a => part S_ p (made t a)) o = part S_ p (value_of (junk t) (held t) (made t) o).
  by move=> hp; case: o => [|x|j|r|a] //=; rewrite part_zero.
split.
- move=> p t r hp hr; cbv zeta; cbn [slice_junk slice_held slice_made slices_of].
  have -> : S (t + late S_ p) - late S_ p = S t by lia.
  by rewrite Nat.add_sub operand_is // w_takes.
- move=> p t a hp ha; cbv zeta; cbn [slice_junk slice_held slice_made carried slices_of].
  have -> : S (t + late S_ p) - 1 - late S_ p = t by lia.
  rewrite Nat.add_sub !operand_is //.
  set x := value_of _ _ _ (left_of _ _ _); set y := value_of _ _ _ (right_of _ _ _).
  have -> : carry_in (slices_of junk held made) p (t + late S_ p) a =
      brings S_ p (subtracts K a) x y.
    rewrite brings_is // /carry_in; case e: under => [q|] //; cbn [carried_on slices_of].
    have [hq ->] := under_late S_ _ hp e.
    by have -> : t + (late S_ q + 2) - 2 - late S_ q = t by lia.
  by rewrite -part_add // w_adds.
- move=> p t a hp ha; cbn [carried carried_on slices_of].
  by have -> : S t - 2 = t - 1 by lia.
Qed.
End Circuit.

(* The fields of a layout in segments of any sizes, from the lowest up. *)
Section Fields.
Variables (size : nat -> N) (m : nat).
Notation n := (Segments.below size m).
Notation seg := (Segments.segment size).
Open Scope N_scope.
#[local] Hint Resolve Segments.some : core.

Definition part_of j (x : bits n) : bits (size j) := wrap (size j) (seg j (value x)).
Definition side_by_side (w : forall j, bits (size j)) : bits n :=
  wrap n (Segments.join size m (fun j => value (w j))).

Lemma part_value j x : value (part_of j x) = seg j (value x).
Proof. apply: N.mod_small; exact: Segments.segment_small. Qed.

Lemma join_small w : (forall j, w j < 2 ^ size j) -> forall i,
  Segments.join size i w < 2 ^ Segments.below size i.
Proof.
move=> h; elim=> [|i IH] /=; first by lia.
by rewrite N.pow_add_r; have := h i; nia.
Qed.

Lemma segment_join w : (forall j, w j < 2 ^ size j) -> forall i j, (j < i)%nat ->
  seg j (Segments.join size i w) = w j.
Proof.
move=> h; elim=> [|i IH] j lt; first by lia.
have small := join_small w h i; have nz := Segments.some (Segments.below size i).
case: (Nat.eq_dec j i) => [->|ne].
  rewrite /Segments.segment /= N.add_comm N.mul_comm N.div_add_l // N.div_small // N.add_0_r.
  by apply: N.mod_small.
have lt' : (j < i)%nat by lia.
rewrite -(@Segments.segment_mod _ _ _ _ lt') /= N.mul_comm N.mod_add //.
by rewrite N.mod_small // IH.
Qed.

Lemma part_side_by_side w j : (j < m)%nat -> part_of j (side_by_side w) = w j.
Proof.
have h i : value (w i) < 2 ^ size i by exact: range.
move=> lt; apply: bits_eq; rewrite part_value /=.
by rewrite N.mod_small ?segment_join //; exact: join_small.
Qed.

Lemma parts_same x y : (forall j, (j < m)%nat -> part_of j x = part_of j y) -> x = y.
Proof.
move=> h; apply: bits_eq.
rewrite -(N.mod_small _ _ (range x)) -(N.mod_small _ _ (range y)) -!Segments.join_segments.
by apply: Segments.join_equal => j lt; rewrite -!part_value h.
Qed.

Lemma in_seq j : In j (seq 0 m) -> (j < m)%nat.
Proof. by rewrite in_seq; lia. Qed.

Lemma part_of_zero j : part_of j (bits_zero n) = bits_zero (size j).
Proof.
by apply: bits_eq; rewrite part_value /Segments.segment /= !(N.mod_0_l, N.div_0_l).
Qed.

(* The operand of a difference, as a number. *)
Definition operand_number (minus : bool) (y : bits n) : N :=
  if minus then 2 ^ n - 1 - value y else value y.

Definition brings_of j (minus : bool) (x y : bits n) : bool :=
  Segments.carry size minus j (value x) (operand_number minus y) =? 1.

Lemma brings_value j minus x y : N.b2n (brings_of j minus x y) =
  Segments.carry size minus j (value x) (operand_number minus y).
Proof.
rewrite /brings_of.
have := @Segments.carry_small size minus j (value x) (operand_number minus y).
by case: N.eqb_spec => /=; lia.
Qed.

Lemma operand_in_segment j (minus : bool) y : (j < m)%nat ->
  seg j (operand_number minus y) = operand_value (Add, size j) minus (part_of j y).
Proof.
move=> lt; rewrite /operand_number /operand_value [snd _]/=; case: minus.
  by rewrite (Segments.segment_complement _ lt (range y)) -part_value.
by rewrite -part_value.
Qed.

Definition adding_segments : segmentation (adding n).
Proof.
refine (@Segmentation (adding n) nat (seq 0 m) (fun j => (Add, size j)) (fun j => 2 * j)%nat
  (fun j => if j is S i then Some i else None) part_of side_by_side brings_of _ _ _ _ _ _).
- move=> [|p] q //; rewrite List.in_seq => h [<-]; rewrite List.in_seq; lia.
- by move=> p _; exact: part_of_zero.
- by move=> w p /in_seq; exact: part_side_by_side.
- move=> x y h; apply: parts_same => j lt; apply: h; rewrite List.in_seq; lia.
- move=> [|j] minus x y /in_seq lt.
    by rewrite /brings_of /Segments.carry /= !N.mod_1_r N.div_1_r; case: minus.
  have lt' : (j < m)%nat by lia.
  rewrite /carry_of -(operand_in_segment minus y lt') [fst _]/= [snd _]/=.
  rewrite -[field_value _ _]/(value (part_of j x)) part_value brings_value.
  rewrite /brings_of Segments.carry_next.
  have := @Segments.carry_small size minus j (value x) (operand_number minus y).
  have := @Segments.segment_small size j (value x).
  have := @Segments.segment_small size j (operand_number minus y).
  move: (seg j _) (seg j _) (Segments.carry _ _ _ _ _) => u v c hu hv hc.
  have pos := Segments.some (size j).
  rewrite -Segments.one_of_two; try lia.
  by case: N.leb.
- move=> j minus x y /in_seq lt; apply: bits_eq.
  rewrite /add_with -(operand_in_segment minus y lt) [fst _]/=.
  rewrite -[field_value _ _]/(value (part_of j x)) !part_value brings_value.
  rewrite -[RHS]/(_ mod 2 ^ size j) -Segments.segment_sum.
  rewrite -(@Segments.segment_mod _ _ _ _ lt) -[in RHS](@Segments.segment_mod _ _ _ _ lt).
  congr (seg _ _); rewrite /operand_number; case: minus => /=; last first.
    by rewrite N.add_0_r N.mod_mod //; exact: pow_pos.
  have := range y; have nz := pow_pos n; rewrite N.mod_mod // N.add_mod_idemp_r // => hy.
  by congr (_ mod _); lia.
Defined.

Lemma segment_xor j x y : seg j (N.lxor x y) = N.lxor (seg j x) (seg j y).
Proof.
rewrite /Segments.segment -!N.land_ones -!N.shiftr_div_pow2 N.shiftr_lxor.
apply: N.bits_inj => i; rewrite !(N.land_spec, N.lxor_spec).
by case: (N.testbit (N.ones _) _); rewrite ?andb_true_r ?andb_false_r.
Qed.

(* Segments that xor need nothing of each other, and are not late. *)
Definition xoring_segments : segmentation (xoring n).
Proof.
refine (@Segmentation (xoring n) nat (seq 0 m) (fun j => (Xor, size j)) (fun _ => 0)%nat
  (fun _ => None) part_of side_by_side (fun _ minus _ _ => minus) _ _ _ _ _ _).
- by [].
- by move=> p _; exact: part_of_zero.
- by move=> w p /in_seq; exact: part_side_by_side.
- by move=> x y h; apply: parts_same => j lt; apply: h; rewrite List.in_seq; lia.
- by [].
- move=> j minus x y /in_seq lt; apply: bits_eq; rewrite part_value.
  have h : seg j (value (bits_xor x y)) = value (bits_xor (part_of j x) (part_of j y)).
    by rewrite !value_xor segment_xor !part_value.
  by case: minus.
Defined.
End Fields.

Definition field_segments (f : kind) (size : nat -> N) (m : nat) :
    segmentation (field_group (f, Segments.below size m)) :=
  match f with Xor => xoring_segments size m | Add => adding_segments size m end.

Lemma late_in_field f size m p : In p (segments (field_segments f size m)) ->
  late (field_segments f size m) p <= if f is Add then 2 * (m - 1) else 0.
Proof. by case: f p => p // /in_seq h; rewrite /=; lia. Qed.

Definition no_segments : segmentation unit_group.
Proof.
by refine (@Segmentation unit_group Empty_set [] (fun _ => (Xor, 0%N)) (fun _ => 0) (fun _ => None)
  (fun p => match p with end) (fun _ => tt) (fun p => match p with end) _ _ _ _ _ _) => // [] [] [].
Defined.

(* Two fields side by side: nothing carries from one to the other. *)
Section Product.
Variables (G H : group) (s : segmentation G) (r : segmentation H).

Definition either (A : Type) (f : index s -> A) (g : index r -> A) (p : index s + index r) : A :=
  match p with inl p => f p | inr p => g p end.

Definition product_segments : segmentation (product G H).
Proof.
pose bits_ := either (bits_of s) (bits_of r).
refine (@Segmentation (product G H) (index s + index r)
  (map inl (segments s) ++ map inr (segments r)) bits_
  (either (late s) (late r))
  (either (fun p => option_map inl (under s p)) (fun p => option_map inr (under r p)))
  (fun p => match p return product G H -> field_group (bits_ p) with
            | inl p => fun x => part s p (fst x)
            | inr p => fun x => part r p (snd x) end)
  (fun w => (joined s (fun p => w (inl p)), joined r (fun p => w (inr p))))
  (fun p minus x y => either (fun p => brings s p minus (fst x) (fst y))
                             (fun p => brings r p minus (snd x) (snd y)) p) _ _ _ _ _ _).
all: have inr_ p : In (inr p) (map inl (segments s) ++ map inr (segments r)) -> In p (segments r)
  by rewrite in_app_iff !in_map_iff => -[[q []]|[q [[->]]]].
all: have inl_ p : In (inl p) (map inl (segments s) ++ map inr (segments r)) -> In p (segments s)
  by rewrite in_app_iff !in_map_iff => -[[q [[->]]]|[q []]].
- move=> [p|p] q /= h; [case e: under => [o|] // [<-]|case e: under => [o|] // [<-]].
    have [ho ->] := under_late s _ (inl_ p h) e.
    by rewrite in_app_iff !in_map_iff; split=> //; left; exists o.
  have [ho ->] := under_late r _ (inr_ p h) e.
  by rewrite in_app_iff !in_map_iff; split=> //; right; exists o.
- by move=> [p|p] h /=; apply: part_zero; [exact: inl_|exact: inr_].
- by move=> w [p|p] h /=; apply: part_joined; [exact: inl_|exact: inr_].
- move=> [x1 x2] [y1 y2] /= h; congr (_, _).
    apply: (part_same s) => p hp; apply: (h (inl p)).
    by rewrite in_app_iff !in_map_iff; left; exists p.
  apply: (part_same r) => p hp; apply: (h (inr p)).
  by rewrite in_app_iff !in_map_iff; right; exists p.
- move=> [p|p] minus x y h /=.
    by rewrite brings_is; [exact: inl_|case: under].
  by rewrite brings_is; [exact: inr_|case: under].
- move=> [p|p] minus x y h /=.
    by rewrite -part_add; [exact: inl_|case: minus].
  by rewrite -part_add; [exact: inr_|case: minus].
Defined.

Lemma late_in_product a b :
  (forall p, In p (segments s) -> late s p <= a) ->
  (forall p, In p (segments r) -> late r p <= b) ->
  forall p, In p (segments product_segments) -> late product_segments p <= Nat.max a b.
Proof.
move=> ha hb p /in_app_iff []; rewrite in_map_iff => -[q [<- hq]] {p}.
  exact: Nat.le_trans (ha q hq) (Nat.le_max_l _ _).
exact: Nat.le_trans (hb q hq) (Nat.le_max_r _ _).
Qed.
End Product.

(* A layout with the sizes of each field's segments. *)
Definition cut_layout := list (kind * list N).

Definition size_of (sizes : list N) (j : nat) : N := nth j sizes 0%N.
Definition whole_field (f : kind * list N) : kind * N :=
  (fst f, Segments.below (size_of (snd f)) (length (snd f))).

Fixpoint layout_segments (l : cut_layout) : segmentation (words (map whole_field l)) :=
  match l with
  | [] => no_segments
  | f :: l => product_segments (field_segments (fst f) (size_of (snd f)) (length (snd f)))
                               (layout_segments l)
  end.
