//! The text of transcripts. `make proofs` checks transcripts with the provers.

use atomik_trace::{Error, Geometry, Layout, Prover, Response, Trace, Transcript, run_model};

const TRACE: &str = r#"{"op":"load","addr":1,"data":"0xf0"}
{"op":"accum","addr":1,"data":"0xff","cycle":3}
{"op":"accum","addr":1,"data":"0x31","lane":2,"cycle":3}
{"op":"read","addr":1}
{"op":"nop","cycle":9}
"#;

fn transcript(prover: Prover, change: impl Fn(&mut Vec<Response>)) -> String {
    let layout: Layout = "xor:5,add:3".parse().unwrap();
    let geometry = Geometry::with_layout(layout, 2, 3).unwrap();
    let mut trace = Trace::spool("t", TRACE.as_bytes(), geometry).unwrap();
    let mut responses = Vec::new();
    run_model::<Error>(&mut trace, |response| {
        responses.push(*response);
        Ok(())
    })
    .unwrap();
    change(&mut responses);
    let mut text = Vec::new();
    Transcript::new(&mut trace, responses)
        .unwrap()
        .write(prover, &mut text)
        .unwrap();
    String::from_utf8(text).unwrap()
}

fn section<'a>(text: &'a str, from: &str) -> &'a str {
    &text[text.find(from).unwrap()..]
}

#[test]
fn lean_gets_cycles_and_responses_line_by_line() {
    let text = transcript(Prover::Lean, |_| ());
    assert!(text.starts_with("prelude\nimport Atomik.Transcript\n"));
    assert!(text.contains("def n0 : Number := .zero\ndef n1 : Number := .succ n0\n"));
    assert!(text.contains("def n8 : Number := .succ n7\n") && !text.contains("n9"));
    assert_eq!(
        section(&text, "def layout"),
        "def layout : Layout := .cons (.xor n5) ( .cons (.add n3) (.nil))

def lines : List (Line layout) :=
  .cons (line (op n1 .load (x0 (xf o))) (.nil) .none) (
  .cons (line (op n1 .accum (xf (xf o))) (.cons (delta n1 (x1 (x3 o))) (.nil)) .none) (
  .cons (line (op n1 .read o) (.nil) (returns (xe (xf o)) .false)) (
  .cons (line (op n0 .nop o) (.nil) .none) (
  .nil))))

theorem holds : Holds layout n2 lines := Eq.refl _
"
    );
}

#[test]
fn rocq_gets_a_list_of_cycles_and_a_list_of_responses() {
    let text = transcript(Prover::Rocq, |_| ());
    assert_eq!(
        section(&text, "Definition fields"),
        "Definition fields : layout := [
  (Xor, 5%N); (Add, 3%N)].
Definition w (value : N) : words fields := unpack fields value.
Definition cycles : list (cycle (words fields)) := [
  Cycle (Some (1%nat, Load (w 0xf0%N))) [None; None];
  Cycle (Some (1%nat, Accum (w 0xff%N))) [None; Some (1%nat, w 0x31%N)];
  Cycle (Some (1%nat, Read)) [None; None];
  Cycle (Some (0%nat, Nop)) [None; None]].
Definition responses : list (option (N * bool)) := [
  None;
  None;
  Some (0xfe%N, false);
  None].
Theorem holds :
  map (option_map (fun r => (pack fields (fst r), snd r)))
    (run (@empty (words fields)) cycles) = responses.
Proof. vm_compute. reflexivity. Qed.
"
    );
}

#[test]
fn a_response_without_a_command_makes_the_theorem_false() {
    let text = transcript(Prover::Lean, |responses| {
        let mut late = responses[0];
        late.cycle = 11;
        responses.push(late);
    });
    assert!(text.contains("  .cons (line .none (.nil) (returns (xe (xf o)) .false)) (\n  .nil"));
}
