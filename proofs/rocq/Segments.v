(* Adders in segments: why a field that adds may be split into parts that work one after the other.

   The model follows crates/atomik-hdl/src/regfile/adder.rs and align.rs. Each segment of a field
   has an adder of its own and works two cycles after the segment below it. Its sum and the carry
   above it are in one register; the carry has one more on its way to the next segment. A difference
   is a sum with the complement, and with one for a carry into the lowest segment. *)
From Coq Require Import List Bool Arith NArith Lia.
From Coq Require Import ssreflect ssrfun ssrbool.
From Atomik Require Import Group.
Set Implicit Arguments.
Open Scope N_scope.

Section Segments.
(* How many bits the segments have, from the lowest up. *)
Variable size : nat -> N.

(* The bits below a segment. A field of m segments has `below m` bits. *)
Fixpoint below (j : nat) : N := if j is S j then below j + size j else 0.

Definition segment (j : nat) (x : N) : N := (x / 2 ^ below j) mod 2 ^ size j.

(* `Sum`: sum and carry in a register, and the carry in the next one. *)
Record adder := Adder { sums : nat -> N; carries : nat -> bool }.

(* What comes into the lowest bit of a segment: the carry of the one below, or `one`. *)
Definition low (one : bool) (r : adder) (j : nat) : N :=
  N.b2n (if j is S j then carries r j else one).

Definition add_step (one : bool) (a b : nat -> N) (r : adder) : adder :=
  {| sums := fun j => a j + b j + low one r j;
     carries := fun j => 2 ^ size j <=? sums r j |}.

Definition word (r : adder) (j : nat) : N := sums r j mod 2 ^ size j.

(* `align`: the segments side by side, once all are there. *)
Fixpoint join (m : nat) (w : nat -> N) : N :=
  if m is S m then join m w + 2 ^ below m * w m else 0.

(* Words of a field of m segments, each of them two cycles after the one below it. *)
Definition arrives (m : nat) (w : nat -> nat -> N) (x : nat -> N) : Prop :=
  forall t j, (j < m)%nat -> w (t + 2 * j)%nat j = segment j (x t).

(* The same for the complement. *)
Definition arrives_inverted (m : nat) (w : nat -> nat -> N) (x : nat -> N) : Prop :=
  forall t j, (j < m)%nat -> w (t + 2 * j)%nat j = 2 ^ size j - 1 - segment j (x t).

Lemma some n : 2 ^ n <> 0.
Proof. by apply: N.pow_nonzero. Qed.
Hint Resolve some : core.

Lemma segment_small j x : segment j x < 2 ^ size j.
Proof. exact: N.mod_lt. Qed.

Lemma split_field j m : (j < m)%nat -> exists k, 2 ^ below m = 2 ^ below j * (2 ^ size j * 2 ^ k).
Proof.
move=> lt; have [k ->] : exists k, below m = below j + (size j + k); last first.
  by exists k; rewrite !N.pow_add_r.
elim: m lt => [|m IH] lt; first by lia.
case: (Nat.eq_dec j m) => [<-|ne] /=; first by exists 0; lia.
by have [k ->] := IH ltac:(lia); exists (k + size m); lia.
Qed.

(* A field does not see what is above it. *)
Lemma segment_mod j m x : (j < m)%nat -> segment j (x mod 2 ^ below m) = segment j x.
Proof.
move=> /split_field [k ->]; rewrite /segment N.mod_mul_r //.
  by rewrite -N.pow_add_r.
rewrite (N.mul_comm (2 ^ below j)) N.div_add // N.div_small; first by apply: N.mod_lt.
rewrite N.add_0_l N.mod_mul_r // N.add_mod // N.mul_comm N.mod_mul // N.add_0_r.
by rewrite !N.mod_mod.
Qed.

Lemma join_segments m x : join m (fun j => segment j x) = x mod 2 ^ below m.
Proof.
elim: m => [|m IH] /=; first by rewrite N.mod_1_r.
by rewrite IH N.pow_add_r N.mod_mul_r.
Qed.

Lemma join_equal m v w : (forall j, (j < m)%nat -> v j = w j) -> join m v = join m w.
Proof. by elim: m => [//|m IH] h /=; rewrite h ?IH //; try lia; move=> j lt; apply: h; lia. Qed.

(* The carry into segment j. *)
Definition carry (one : bool) (j : nat) (x y : N) : N :=
  (x mod 2 ^ below j + y mod 2 ^ below j + N.b2n one) / 2 ^ below j.

Lemma carry_small one j x y : carry one j x y <= 1.
Proof.
have h : carry one j x y < 2; last by lia.
apply: N.div_lt_upper_bound => //.
have := N.mod_lt x (2 ^ below j) (some _); have := N.mod_lt y (2 ^ below j) (some _).
by case: one => /=; lia.
Qed.

Lemma carry_next one j x y :
  carry one (S j) x y = (segment j x + segment j y + carry one j x y) / 2 ^ size j.
Proof.
rewrite /carry [below (S j)]/= N.pow_add_r !N.mod_mul_r // -N.div_div //.
congr (_ / _); rewrite -/(segment j x) -/(segment j y).
move: (segment j x) (segment j y) => u v.
have -> : x mod 2 ^ below j + 2 ^ below j * u + (y mod 2 ^ below j + 2 ^ below j * v) + N.b2n one =
    x mod 2 ^ below j + y mod 2 ^ below j + N.b2n one + (u + v) * 2 ^ below j by lia.
by rewrite N.div_add //; lia.
Qed.

Lemma segment_sum one j x y : segment j (x + y + N.b2n one) =
  (segment j x + segment j y + carry one j x y) mod 2 ^ size j.
Proof.
rewrite {1}/segment; have -> : (x + y + N.b2n one) / 2 ^ below j =
    x / 2 ^ below j + y / 2 ^ below j + carry one j x y.
  rewrite {1}(N.div_mod x (2 ^ below j)) // {1}(N.div_mod y (2 ^ below j)) //.
  rewrite /carry; move: (x / _) (y / _) (x mod _) (y mod _) => u v p q.
  have -> : 2 ^ below j * u + p + (2 ^ below j * v + q) + N.b2n one =
      p + q + N.b2n one + (u + v) * 2 ^ below j by lia.
  by rewrite N.div_add //; lia.
rewrite -N.add_mod_idemp_l // (N.add_mod (x / _)) //.
by rewrite -/(segment j x) -/(segment j y) N.add_mod_idemp_l.
Qed.

Lemma one_of_two x m : 0 < m -> x < 2 * m -> N.b2n (m <=? x) = x / m.
Proof.
move=> hm hx; case: N.leb_spec => h /=; last by rewrite N.div_small.
by apply: (@N.div_unique x m 1 (x - m)); lia.
Qed.

Section Adder.
Variables (one : bool) (m : nat) (x y : nat -> N) (a b : nat -> nat -> N) (r : nat -> adder).
Hypothesis steps : forall t, r (S t) = add_step one (a t) (b t) (r t).
Hypothesis arrives_a : arrives m a x.
Hypothesis arrives_b : arrives m b y.

Lemma sums_are t j : (j < m)%nat -> sums (r (S (t + 2 * j))) j =
  segment j (x t) + segment j (y t) + carry one j (x t) (y t).
Proof.
elim: j => [|j IH] lt; have ha := @arrives_a t _ lt; have hb := @arrives_b t _ lt;
  rewrite steps /add_step; cbn [sums]; rewrite ha hb; congr (_ + _).
  by rewrite /carry /= !N.mod_1_r N.div_1_r.
have -> : (t + 2 * S j = S (S (t + 2 * j)))%nat by lia.
rewrite carry_next steps.
rewrite -[low _ _ _]/(N.b2n (2 ^ size j <=? sums (r (S (t + 2 * j))) j)) IH; first by lia.
apply: one_of_two; first by have := some (size j); lia.
have := segment_small j (x t); have := segment_small j (y t).
have := carry_small one j (x t) (y t); lia.
Qed.

Lemma words_are t j : (j < m)%nat ->
  word (r (S (t + 2 * j))) j = segment j (x t + y t + N.b2n one).
Proof. by move=> lt; rewrite /word sums_are // segment_sum. Qed.
End Adder.

Lemma complement l q x : 0 < l -> x < l * q ->
  (l * q - 1 - x) / l = q - 1 - x / l /\ (l * q - 1 - x) mod l = l - 1 - x mod l.
Proof.
move=> hl hx; have nz : l <> 0 by lia.
have lt : x / l < q by apply: N.div_lt_upper_bound.
have hr := N.mod_lt x l nz; have ex := N.div_mod x l nz.
move: (x / l) (x mod l) ex lt hr => u p ex lt hr.
have e : l * q - 1 - x = l * (q - 1 - u) + (l - 1 - p).
  have : l * (u + 1) <= l * q by apply: N.mul_le_mono_l; lia.
  rewrite !N.mul_sub_distr_l N.mul_add_distr_l !N.mul_1_r; lia.
split; symmetry; [apply: (N.div_unique _ _ _ _ _ e)|apply: (N.mod_unique _ _ _ _ _ e)]; lia.
Qed.

Lemma segment_complement j m x : (j < m)%nat -> x < 2 ^ below m ->
  segment j (2 ^ below m - 1 - x) = 2 ^ size j - 1 - segment j x.
Proof.
move=> /split_field [k ->] hx; rewrite /segment.
have pos n : 0 < 2 ^ n by have := some n; lia.
have [-> _] := @complement _ _ _ (pos _) hx.
have lt : x / 2 ^ below j < 2 ^ size j * 2 ^ k by apply: N.div_lt_upper_bound.
by have [_ ->] := @complement _ _ _ (pos _) lt.
Qed.

(** The segments of a field that adds, each two cycles after the one below it, with the carry of
    that one in registers, sum whole words, for any number and width of segments and from any
    content at power-up. With the complement and one, they give the difference. Side by side they
    are the word.
    Spec: docs/spec.md "`add:n` by addition modulo `2^n`"
    Spec: docs/spec.md "Nothing carries from one field to the next."
    Code: crates/atomik-hdl/src/regfile/adder.rs sum, registered_sum, Carries, Adders
    Code: crates/atomik-hdl/src/regfile/align.rs align
    Code: crates/atomik-hdl/src/config.rs Config::segments *)
Theorem segments_are_one_adder m (x y : nat -> adding (below m)) (a b : nat -> nat -> N)
    (r : nat -> adder) (minus : bool) :
  (forall t, r (S t) = add_step minus (a t) (b t) (r t)) ->
  arrives m a (fun t => value (x t)) ->
  (if minus then arrives_inverted m b (fun t => value (y t))
   else arrives m b (fun t => value (y t))) ->
  let z t := (if minus then x t - y t else x t + y t)%G in
  arrives m (fun t j => word (r (S t)) j) (fun t => value (z t)) /\
  forall t, join m (fun j => word (r (S (t + 2 * j))) j) = value (z t).
Proof.
move=> steps ha hb z; pose n := below m.
pose y' t := if minus then 2 ^ n - 1 - value (y t) else value (y t).
have hb' : arrives m b y'.
  rewrite /y'; case: (minus) hb => // hb t j lt.
  by rewrite (@segment_complement _ m) ?hb //; exact: range.
have h : arrives m (fun t j => word (r (S t)) j) (fun t => value (z t)).
  move=> t j lt; rewrite (@words_are minus m _ _ a b r steps ha hb') //.
  rewrite -(@segment_mod _ m) // -[RHS](@segment_mod _ m) //; congr (segment _ _).
  rewrite /z /y'; case: (minus) => /=; last by rewrite N.add_0_r N.mod_mod.
  rewrite N.mod_mod // N.add_mod_idemp_r //; congr (_ mod _).
  by have := range (y t); rewrite /n; lia.
split=> // t; rewrite -(N.mod_small (value (z t)) (2 ^ below m)); first exact: range.
by rewrite -join_segments; apply: join_equal => j lt; rewrite h.
Qed.
End Segments.
