//! What is claimed of the code: that it does what section 1 of the specification says.

use atomik_algebra::{Accumulator, Error, Op, RegisterFile, Response, fold};

use crate::run::explore;
use crate::word::Specified;

/// An address as the specification describes it.
#[derive(Clone, Copy)]
struct Address<G> {
    r: G,
    d: G,
}

impl<G: Specified> Address<G> {
    /// Any reference and any accumulator.
    fn any() -> Self {
        Self {
            r: G::any(),
            d: G::any(),
        }
    }

    fn state(self) -> G {
        G::sum(self.r, self.d)
    }

    /// The address after an op, and the word of the response.
    fn after(self, op: Op, argument: G) -> (Self, Option<G>) {
        let (none, state) = (G::IDENTITY, self.state());
        match op {
            Op::Nop => (self, None),
            Op::Load => (
                Self {
                    r: argument,
                    d: none,
                },
                None,
            ),
            Op::Accum => (
                Self {
                    r: self.r,
                    d: G::sum(self.d, argument),
                },
                None,
            ),
            Op::Read => (self, Some(state)),
            Op::Swap => (Self { r: state, d: none }, Some(state)),
            Op::Delta => (self, Some(self.d)),
            Op::Drain => (Self { r: state, d: none }, Some(self.d)),
        }
    }

    /// That these two words are the address.
    fn is(self, r: G, d: G) -> Vec<String> {
        vec![G::equal(self.r, r), G::equal(self.d, d)]
    }

    /// That this is the response of an op on the address that returns `word`.
    fn responds(self, word: Option<G>, response: Option<Response<G>>) -> Vec<String> {
        match (word, response) {
            (None, None) => Vec::new(),
            (Some(word), Some(Response { data, clean })) => {
                let dirty = format!("(not {})", G::equal(self.d, G::IDENTITY));
                let clean = match clean {
                    true => G::equal(self.d, G::IDENTITY),
                    false => dirty,
                };
                vec![G::equal(word, data), clean]
            }
            _ => vec!["false".into()],
        }
    }
}

/// All claims about words of a group.
pub fn all<G: Specified>(words: &str) {
    for op in Op::ALL {
        explore(&format!("{words}: {op} on an accumulator"), || one::<G>(op));
        for addr in 0..2 {
            explore(&format!("{words}: {op} in a register file"), || {
                table::<G>(op, addr)
            });
        }
    }
    for here in Op::ALL {
        for there in Op::ALL {
            for (again, name) in [(false, "merge"), (true, "merge of an older bank")] {
                explore(&format!("{words}: {name} after {here} and {there}"), || {
                    merge::<G>(here, there, again)
                });
            }
        }
    }
    explore(&format!("{words}: fold"), folding::<G>);
    explore(&format!("{words}: rollback"), rollback::<G>);
}

/// A claim that is false: that `SWAP` is always clean.
pub fn wrong<G: Specified>(words: &str) {
    explore(&format!("{words}: swap is always clean"), || {
        let address = Address::<G>::any();
        let clean = accumulator(address).swap().clean;
        vec![clean.to_string()]
    });
}

fn accumulator<G: Specified>(address: Address<G>) -> Accumulator<G> {
    let mut accumulator = Accumulator::with_reference(address.r);
    accumulator.accum(address.d);
    accumulator
}

fn one<G: Specified>(op: Op) -> Vec<String> {
    let (before, argument) = (Address::<G>::any(), G::any());
    let mut accumulator = accumulator(before);
    let response = accumulator.apply(op, argument);
    let (after, word) = before.after(op, argument);
    let mut claims = before.responds(word, response);
    claims.extend(after.is(accumulator.reference(), accumulator.accumulator()));
    claims
}

/// A register file with two addresses like these.
fn filled<G: Specified>(addresses: [Address<G>; 2]) -> Result<RegisterFile<G>, Error> {
    let mut file = RegisterFile::new(2)?;
    for (addr, address) in addresses.into_iter().enumerate() {
        file.load(addr, address.r)?;
        file.accum(addr, address.d)?;
    }
    Ok(file)
}

/// That these are the addresses of a register file.
fn holds<G: Specified>(file: &RegisterFile<G>, addresses: [Address<G>; 2]) -> Vec<String> {
    let words = file.references().iter().zip(file.accumulators());
    let pairs = addresses.into_iter().zip(words);
    pairs
        .flat_map(|(address, (r, d))| address.is(*r, *d))
        .collect()
}

/// An op at one address does what it should there, and nothing at the other.
fn table<G: Specified>(op: Op, addr: usize) -> Vec<String> {
    let (start, argument) = ([Address::<G>::any(), Address::any()], G::any());
    let run = || -> Result<Vec<String>, Error> {
        let mut file = filled(start)?;
        let response = file.apply(op, addr, argument)?;
        let before = start[addr];
        let (after, word) = before.after(op, argument);
        let mut addresses = start;
        addresses[addr] = after;
        let mut claims = before.responds(word, response);
        claims.extend(holds(&file, addresses));
        Ok(claims)
    };
    run().unwrap_or_else(|error| panic!("{error}"))
}

/// A bank is merged exactly if its references equal those of the table, whatever both did since the
/// bank was made, and whether or not another bank was made since; a refused merge names the first
/// address that differs, and changes nothing.
fn merge<G: Specified>(here: Op, there: Op, again: bool) -> Vec<String> {
    let (start, arguments) = ([Address::<G>::any(), Address::any()], (G::any(), G::any()));
    let run = || -> Result<Vec<String>, Error> {
        let mut file = filled(start)?;
        let mut bank = file.bank();
        file.apply(here, 0, arguments.0)?;
        if again {
            let _ = file.bank();
        }
        bank.apply(there, 1, arguments.1)?;
        let fresh = start.map(|Address { r, .. }| Address { r, d: G::IDENTITY });
        let of_file = [start[0].after(here, arguments.0).0, start[1]];
        let of_bank = [fresh[0], fresh[1].after(there, arguments.1).0];
        let pairs = || of_file.into_iter().zip(of_bank);
        let equal: Vec<_> = pairs().map(|(a, b)| G::equal(a.r, b.r)).collect();
        Ok(match file.merge_from(&bank) {
            Ok(()) => {
                let mut claims = equal;
                for ((a, b), at) in pairs().zip(0..) {
                    let d = G::sum(a.d, b.d);
                    let merged = Address { r: a.r, d };
                    claims.extend(merged.is(file.references()[at], file.accumulators()[at]));
                }
                claims
            }
            Err(Error::ReferencesAt { addr }) => {
                let mut claims = equal[..addr].to_vec();
                claims.push(format!("(not {})", equal[addr]));
                claims.extend(holds(&file, of_file));
                claims
            }
            Err(error) => return Err(error),
        })
    };
    run().unwrap_or_else(|error| panic!("{error}"))
}

/// A fold is the sum, in any order: here from the last to the first.
fn folding<G: Specified>() -> Vec<String> {
    let words = [G::any(), G::any(), G::any(), G::any(), G::any()];
    let sum = words.into_iter().rev().fold(G::IDENTITY, G::sum);
    vec![G::equal(fold(&words), sum)]
}

/// What is rolled back was never there, with another delta in between.
fn rollback<G: Specified>() -> Vec<String> {
    let (before, undone, kept) = (Address::<G>::any(), G::any(), G::any());
    let mut accumulator = accumulator(before);
    accumulator.accum(undone);
    accumulator.accum(kept);
    accumulator.rollback(undone);
    let after = before.after(Op::Accum, kept).0;
    after.is(accumulator.reference(), accumulator.accumulator())
}
