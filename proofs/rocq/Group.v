(* Abelian groups, the words of a layout, and a tactic for equations in a group.

   The machine, the pipeline and replication work in any Abelian group, as section 1 of docs/spec.md
   and the trait `Group` of crates/atomik-algebra/src/group.rs say. The groups in use are here as
   well: fields of n bits that xor or add, and the words of a layout of such fields. *)
From Coq Require Import List Bool Arith NArith Lia Permutation Eqdep_dec.
From Coq Require Import ssreflect ssrbool.
Import ListNotations.
Set Implicit Arguments.

Record group := Group {
  carrier :> Type;
  zero : carrier;
  add : carrier -> carrier -> carrier;
  opp : carrier -> carrier;
  is_zero : carrier -> bool;
  add_assoc : forall x y z, add x (add y z) = add (add x y) z;
  add_comm : forall x y, add x y = add y x;
  add_zero : forall x, add x zero = x;
  add_opp : forall x, add x (opp x) = zero;
  is_zeroP : forall x, is_zero x = true <-> x = zero
}.
Arguments zero {g}.
Arguments is_zero {g}.

Declare Scope group_scope.
Delimit Scope group_scope with G.
Bind Scope group_scope with carrier.
Open Scope group_scope.
Notation "0" := (@zero _) : group_scope.
Notation "x + y" := (add _ x y) : group_scope.
Notation "- x" := (opp _ x) : group_scope.
Notation "x - y" := (add _ x (opp _ y)) : group_scope.

(* Equations in a group. Both sides become terms; of each variable the number of its occurrences
   with either sign is counted. *)
Section Equations.
Variable G : group.
Implicit Types x y : G.

Lemma zero_add x : 0 + x = x.
Proof. by rewrite add_comm add_zero. Qed.

Lemma add_cancel x y z : x + y = x + z -> y = z.
Proof.
move=> h.
rewrite -(zero_add y) -(zero_add z) -(add_opp _ x) (add_comm _ x) -!add_assoc.
by rewrite h.
Qed.

Lemma opp_unique x y : x + y = 0 -> y = - x.
Proof. by rewrite -(add_opp _ x); apply: add_cancel. Qed.

Lemma opp_zero : - 0 = (0 : G).
Proof. by rewrite -{2}(add_opp _ (0 : G)) zero_add. Qed.

Lemma opp_opp x : - - x = x.
Proof. symmetry; apply: opp_unique; by rewrite add_comm add_opp. Qed.

Lemma add4 (a b c d : G) : (a + b) + (c + d) = (a + c) + (b + d).
Proof. by rewrite -!add_assoc (add_assoc _ b) (add_comm _ b c) !add_assoc. Qed.

Lemma opp_add x y : - (x + y) = - x - y.
Proof. symmetry; apply: opp_unique; by rewrite add4 !add_opp zero_add. Qed.

Fixpoint times (n : nat) (x : G) : G := if n is S n then x + times n x else 0.

Lemma times_add n m x : times (n + m) x = times n x + times m x.
Proof. by elim: n => [|n IH] /=; rewrite ?zero_add // IH add_assoc. Qed.

Inductive term := TZero | TVar (i : nat) | TAdd (a b : term) | TOpp (a : term).

Fixpoint eval (env : list G) (t : term) : G :=
  match t with
  | TZero => 0
  | TVar i => nth i env 0
  | TAdd a b => eval env a + eval env b
  | TOpp a => - eval env a
  end.

Fixpoint count (t : term) (i : nat) : nat * nat :=
  match t with
  | TZero => (0, 0)
  | TVar j => (if i =? j then 1 else 0, 0)
  | TAdd a b => (fst (count a i) + fst (count b i), snd (count a i) + snd (count b i))
  | TOpp a => (snd (count a i), fst (count a i))
  end%nat.

Fixpoint combine (c : nat -> nat * nat) (i : nat) (env : list G) : G :=
  match env with
  | [] => 0
  | x :: env => (times (fst (c i)) x - times (snd (c i)) x) + combine c (S i) env
  end.

Lemma combine_zero c : (forall i, c i = (0, 0)%nat) -> forall env i, combine c i env = 0.
Proof. move=> h; elim=> [|x env IH] i //=; by rewrite h IH /= add_opp zero_add. Qed.

Lemma combine_var j env : forall i, (i <= j)%nat ->
  combine (count (TVar j)) i env = nth (j - i) env 0.
Proof.
elim: env => [|x env IH] i h /=; first by case: (j - i)%nat.
case: (Nat.eqb_spec i j) => [<-|n].
- rewrite Nat.sub_diag /= opp_zero !add_zero.
  suff -> : combine (count (TVar i)) (S i) env = 0 by rewrite add_zero.
  have: (i < S i)%nat by lia.
  move: (S i); elim: env {IH} => [|y env IH] k hk //=.
  have -> : (k =? i) = false by apply/Nat.eqb_neq; lia.
  by rewrite /= opp_zero zero_add zero_add; apply: IH; lia.
- rewrite /= opp_zero !zero_add IH; first by lia.
  by have -> : (j - i = S (j - S i))%nat by lia.
Qed.

Lemma combine_eval env t : eval env t = combine (count t) 0 env.
Proof.
elim: t => [|j|a IHa b IHb|a IHa].
- by rewrite combine_zero.
- by rewrite combine_var ?Nat.sub_0_r //; lia.
- rewrite /= IHa IHb; move: (0%nat); elim: env {IHa IHb} => [|x env IH] i /=.
    by rewrite add_zero.
  by rewrite -IH !times_add opp_add (add4 _ (combine _ _ _)) (add4 _ (- _)).
- rewrite /= IHa; move: (0%nat); elim: env {IHa} => [|x env IH] i /=; first by rewrite opp_zero.
  by rewrite opp_add IH opp_add opp_opp (add_comm _ (times _ _)).
Qed.

Definition balanced (n : nat) (t : term) : bool :=
  forallb (fun i => fst (count t i) =? snd (count t i)) (seq 0 n).

Lemma balanced_zero env t : balanced (length env) t = true -> eval env t = 0.
Proof.
rewrite combine_eval /balanced; move: (0%nat).
elim: env => [|x env IH] i //=; rewrite andb_true_iff Nat.eqb_eq => -[-> hs].
rewrite add_opp zero_add; exact: IH.
Qed.

Lemma balanced_equal env a b :
  balanced (length env) (TAdd a (TOpp b)) = true -> eval env a = eval env b.
Proof.
move/balanced_zero => /= h.
by rewrite -(add_zero _ (eval env a)) -(add_opp _ (eval env b)) (add_comm _ (eval env b))
           add_assoc h zero_add.
Qed.
End Equations.
Arguments zero_add {G}.
Arguments add_cancel {G}.
Arguments opp_unique {G}.
Arguments opp_zero {G}.
Arguments opp_opp {G}.
Arguments opp_add {G}.

Ltac position x env :=
  match env with
  | x :: _ => constr:(0%nat)
  | _ :: ?env => let i := position x env in constr:(S i)
  end.
Ltac variables t env :=
  match t with
  | @zero _ => env
  | add _ ?a ?b => let env := variables a env in variables b env
  | opp _ ?a => variables a env
  | ?x => match env with
          | context [x] => let i := position x env in env
          | _ => constr:(x :: env)
          end
  end.
Ltac reify t env :=
  match t with
  | @zero _ => constr:(TZero)
  | add _ ?a ?b => let a := reify a env in let b := reify b env in constr:(TAdd a b)
  | opp _ ?a => let a := reify a env in constr:(TOpp a)
  | ?x => let i := position x env in constr:(TVar i)
  end.

(* Proves an equation that holds in every Abelian group. *)
Ltac group_eq :=
  match goal with
  | |- @eq ?T ?a ?b =>
      let env := variables a (@nil T) in
      let env := variables b env in
      let ta := reify a env in
      let tb := reify b env in
      apply: (@balanced_equal _ env ta tb); vm_compute; reflexivity
  end.

Lemma sub_zero_eq (G : group) (x y : G) : x - y = 0 -> x = y.
Proof. move=> h; have -> : x = (x - y) + y by group_eq. by rewrite h; group_eq. Qed.

(* Sums of lists. *)
Section Sums.
Variable G : group.

Fixpoint sum (l : list G) : G := if l is x :: l then x + sum l else 0.

Lemma sum_app l m : sum (l ++ m) = sum l + sum m.
Proof. by elim: l => [|x l IH] /=; rewrite ?zero_add // IH add_assoc. Qed.

(** The sum of a list of deltas is the same for every permutation of the list.
    Spec: docs/spec.md "the sum of a list of deltas is the same for every permutation of the list"
    Code: crates/atomik-algebra/src/bulk.rs fold *)
Theorem sum_permutation l m : Permutation l m -> sum l = sum m.
Proof.
elim=> {l m} [//|x l m _ IH|x y l|l m k _ IH1 _ IH2] /=; rewrite ?IH //; last by rewrite IH1 IH2.
group_eq.
Qed.

(** Deltas that are dealt to any number of banks, in any way, sum to what one bank has.
    Spec: docs/spec.md "a bank split (any partition of the deltas over any number of accumulators,
      then merged) equals one accumulator"
    Code: crates/atomik-algebra/src/accumulator.rs Accumulator::merge *)
Theorem sum_of_banks (banks : list (list G)) l :
  Permutation l (concat banks) -> sum (map sum banks) = sum l.
Proof.
move/sum_permutation => ->; by elim: banks => [|b banks IH] //=; rewrite sum_app IH.
Qed.

Lemma sum_map_add A (f g : A -> G) l :
  sum (map (fun x => f x + g x) l) = sum (map f l) + sum (map g l).
Proof. elim: l => [|x l IH] /=; first by rewrite add_zero. by rewrite IH; group_eq. Qed.

Lemma sum_map_zero A (f : A -> G) l : (forall x, In x l -> f x = 0) -> sum (map f l) = 0.
Proof.
elim: l => [//|x l IH] h /=; rewrite h; first by left.
by rewrite IH ?add_zero // => y hy; apply: h; right.
Qed.

Lemma sum_map_ext A (f g : A -> G) l :
  (forall x, In x l -> f x = g x) -> sum (map f l) = sum (map g l).
Proof.
move=> h; congr sum; exact: map_ext_in.
Qed.
End Sums.
Arguments sum {G}.
Arguments sum_app {G}.
Arguments sum_permutation {G l m}.
Arguments sum_of_banks {G}.
Arguments sum_map_add {G A}.
Arguments sum_map_zero {G A}.
Arguments sum_map_ext {G A}.

(* A field of n bits. *)
Section Field.
Variable n : N.

Record bits := Bits { value : N; in_range : (value <? 2 ^ n)%N = true }.

Lemma bits_eq (x y : bits) : value x = value y -> x = y.
Proof.
case: x => x hx; case: y => y hy /= e; subst y.
by rewrite (UIP_dec bool_dec hx hy).
Qed.

Lemma pow_pos : (2 ^ n <> 0)%N.
Proof. by apply: N.pow_nonzero. Qed.
Hint Resolve pow_pos : core.

Lemma mod_range x : (x mod 2 ^ n <? 2 ^ n)%N = true.
Proof. by apply/N.ltb_lt; apply: N.mod_lt. Qed.
Definition wrap (x : N) : bits := Bits (x mod 2 ^ n) (mod_range x).

Lemma wrap_value x : wrap (value x) = x.
Proof.
apply: bits_eq => /=; apply: N.mod_small; apply/N.ltb_lt; exact: in_range.
Qed.

Definition bits_zero := wrap 0.
Definition bits_is_zero x := (value x =? 0)%N.
Lemma bits_is_zeroP x : bits_is_zero x = true <-> x = bits_zero.
Proof.
have z : value bits_zero = 0%N by apply: N.mod_0_l.
rewrite /bits_is_zero N.eqb_eq; split=> [h|->]; last exact: z.
by apply: bits_eq; rewrite z.
Qed.

Definition bits_add x y := wrap (value x + value y).
Definition bits_opp x := wrap (2 ^ n - value x).
Definition bits_xor x y := wrap (N.lxor (value x) (value y)).

Lemma range x : (value x < 2 ^ n)%N.
Proof. apply/N.ltb_lt; exact: in_range. Qed.

Definition adding : group.
Proof.
refine (@Group bits bits_zero bits_add bits_opp bits_is_zero _ _ _ _ bits_is_zeroP).
- move=> x y z; apply: bits_eq => /=.
  by rewrite N.add_mod_idemp_r ?N.add_mod_idemp_l ?N.add_assoc //.
- by move=> x y; apply: bits_eq; rewrite /= N.add_comm.
- move=> x; rewrite -[RHS]wrap_value; apply: bits_eq => /=.
  by rewrite (N.mod_0_l _ pow_pos) N.add_0_r.
- move=> x; apply: bits_eq => /=; rewrite N.add_mod_idemp_r //.
  have -> : (value x + (2 ^ n - value x) = 2 ^ n)%N by have := range x; lia.
  by rewrite N.mod_same ?N.mod_0_l //.
Defined.

Lemma xor_range x y : (N.lxor (value x) (value y) < 2 ^ n)%N.
Proof.
case: (N.eq_dec (N.lxor (value x) (value y)) 0) => [->|nz]; first by have := pow_pos; lia.
apply/N.log2_lt_pow2; first lia.
apply: N.le_lt_trans; first exact: N.log2_lxor.
have h z : value z <> 0%N -> (N.log2 (value z) < n)%N
  by have := range z => ? ?; apply/N.log2_lt_pow2; lia.
case: (N.eq_dec (value x) 0) (N.eq_dec (value y) 0) => [ex|ex] [ey|ey].
- by move: nz; rewrite ex ey.
- by rewrite ex N.max_0_l; apply: h.
- by rewrite ey N.max_0_r; apply: h.
- by apply: N.max_lub_lt; apply: h.
Qed.

Lemma value_xor x y : value (bits_xor x y) = N.lxor (value x) (value y).
Proof. apply: N.mod_small; exact: xor_range. Qed.

Definition xoring : group.
Proof.
refine (@Group bits bits_zero bits_xor (fun x => x) bits_is_zero _ _ _ _ bits_is_zeroP).
- by move=> x y z; apply: bits_eq; rewrite !value_xor N.lxor_assoc.
- by move=> x y; apply: bits_eq; rewrite !value_xor N.lxor_comm.
- move=> x; apply: bits_eq; rewrite value_xor /= (N.mod_0_l _ pow_pos); by rewrite N.lxor_0_r.
- by move=> x; apply: bits_eq; rewrite value_xor N.lxor_nilpotent /= N.mod_0_l //.
Defined.
End Field.

(* Words of a layout: one value per field, combined field by field, so that nothing carries from one
   field to the next. *)
Inductive kind := Xor | Add.
Definition layout := list (kind * N).

Definition field_group (f : kind * N) : group :=
  match f with (Xor, n) => xoring n | (Add, n) => adding n end.

Definition unit_group : group.
Proof.
by refine (@Group unit tt (fun _ _ => tt) (fun _ => tt) (fun _ => true) _ _ _ _ _) => [] [].
Defined.

Definition product (G H : group) : group.
Proof.
refine (@Group (G * H) (0, 0) (fun x y => (fst x + fst y, snd x + snd y))
  (fun x => (- fst x, - snd x)) (fun x => is_zero (fst x) && is_zero (snd x)) _ _ _ _ _).
- by move=> x y z /=; rewrite !add_assoc.
- by move=> x y; rewrite (add_comm _ (fst x)) (add_comm _ (snd x)).
- by case=> x y /=; rewrite !add_zero.
- by move=> x; rewrite !add_opp.
- case=> x y /=; rewrite andb_true_iff !is_zeroP; by split=> [[-> ->]|[-> ->]].
Defined.

Fixpoint words (l : layout) : group :=
  if l is f :: l then product (field_group f) (words l) else unit_group.

Fixpoint width (l : layout) : N := (if l is (_, n) :: l then n + width l else 0)%N.

Definition field_value (f : kind * N) : field_group f -> N :=
  match f with (Xor, n) => @value n | (Add, n) => @value n end.
Definition field_wrap (f : kind * N) : N -> field_group f :=
  match f with (Xor, n) => @wrap n | (Add, n) => @wrap n end.

(* A word as a number, the first field in the lowest bits, and back. *)
Fixpoint pack (l : layout) : words l -> N :=
  match l with
  | [] => fun _ => 0%N
  | f :: l => fun x => (field_value f (fst x) + 2 ^ snd f * pack l (snd x))%N
  end.
Fixpoint unpack (l : layout) (x : N) : words l :=
  match l with
  | [] => tt
  | f :: l => (field_wrap f x, unpack l (x / 2 ^ snd f)%N)
  end.

Lemma field_range f (x : field_group f) : (field_value f x < 2 ^ snd f)%N.
Proof. by case: f x => [[] n] x; exact: range. Qed.
#[local] Hint Resolve field_range pow_pos : core.

Lemma field_wrapK f x k : field_wrap f (field_value f x + 2 ^ snd f * k)%N = x.
Proof.
by case: f x => [[] n] x /=; rewrite -[RHS]wrap_value; apply: bits_eq => /=;
  rewrite N.mul_comm N.mod_add.
Qed.

Lemma pack_unpack l (x : words l) : unpack l (pack l x) = x.
Proof.
elim: l x => [|f l IH] /= => [[]|[x y]] //=.
by rewrite field_wrapK N.mul_comm N.div_add // N.div_small // N.add_0_l IH.
Qed.

Lemma unpack_pack l x : (x < 2 ^ width l)%N -> pack l (unpack l x) = x.
Proof.
elim: l x => [|[k n] l IH] x /=; first by rewrite N.lt_1_r.
rewrite N.pow_add_r => h; rewrite IH; first by apply: N.div_lt_upper_bound.
by rewrite N.add_comm; case: k => /=; rewrite -N.div_mod.
Qed.

Lemma pack_range l (x : words l) : (pack l x < 2 ^ width l)%N.
Proof.
elim: l x => [|[k n] l IH] /= => [[]|[x y]] //=.
rewrite N.pow_add_r; have := IH y; have := @field_range (k, n) x; rewrite /=; nia.
Qed.

(** The words of a layout are the numbers below 2^W, each field at its place, and they are an
    Abelian group. The first field has the lowest bits, and fields combine one by one.
    Spec: docs/spec.md "`(Words, +)` is an Abelian group for every layout."
    Spec: docs/spec.md "`+` combines two words field by field"
    Code: crates/atomik-algebra/src/group.rs Group
    Code: crates/atomik-algebra/src/layout.rs Layout *)
Theorem words_are_an_abelian_group l :
  [/\ forall x y z : words l, x + (y + z) = (x + y) + z,
      forall x y : words l, x + y = y + x,
      forall x : words l, x + 0 = x /\ x - x = 0 &
      forall x : words l, (pack l x < 2 ^ width l)%N /\ unpack l (pack l x) = x] /\
  (forall x, (x < 2 ^ width l)%N -> pack l (unpack l x) = x).
Proof.
split; last exact: unpack_pack.
split; [exact: add_assoc|exact: add_comm|by move=> x; rewrite add_zero add_opp|].
by move=> x; rewrite pack_unpack; split; first exact: pack_range.
Qed.
