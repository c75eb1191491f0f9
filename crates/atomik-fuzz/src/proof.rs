//! Proofs of misconduct, as anybody may hand them in.

use atomik_replica::Proof;

use crate::target::Target;

/// An encoded proof.
pub(crate) const PROOF: Target = Target {
    name: "proof",
    about: "proofs of misconduct",
    run,
    seeds,
};

/// A proof of the right shape with excerpts that nobody signed.
fn seeds() -> Vec<Vec<u8>> {
    let mut seed = vec![1, 0, 4];
    seed.extend_from_slice(b"fuzz");
    seed.push(1);
    seed.extend_from_slice(&[7; 32]);
    for _ in 0..2 {
        let mut excerpt = vec![3; 32 + 16];
        excerpt.push(1);
        excerpt.extend_from_slice(&[0; 16]);
        excerpt.push(2);
        excerpt.extend_from_slice(&[5; 64]);
        excerpt.extend_from_slice(&[1, 1, b'k', 1, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
        seed.push(excerpt.len() as u8);
        seed.extend_from_slice(&excerpt);
    }
    vec![seed]
}

/// What decodes is encoded as the same bytes, and nobody is accused: the fuzzer cannot sign.
fn run(input: &[u8]) {
    if let Ok(proof) = Proof::decode(input) {
        assert_eq!(proof.encode(), input, "not canonical");
        assert!(proof.verify().is_err(), "accused without a signature");
    }
}
