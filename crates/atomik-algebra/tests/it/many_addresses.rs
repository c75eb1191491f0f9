//! The operations on many addresses in one call: the same as one after the other, or nothing.

use crate::oracle::{Command, commands, depth, fields, width_of};
use atomik_algebra::{DynRegisterFile, Error, Layout};
use proptest::prelude::*;

/// A register file with something in it, and a list of entries for it.
fn cases() -> impl Strategy<Value = (DynRegisterFile, Vec<Command>)> {
    (fields(), depth()).prop_flat_map(|(fields, depth)| {
        let width = width_of(&fields);
        let runs = (commands(width, depth), commands(width, depth));
        runs.prop_map(move |(before, entries)| {
            let layout = Layout::from_fields(fields.iter().copied()).expect("1 to 512 bits");
            let mut file = DynRegisterFile::with_layout(layout, depth).expect("small");
            let mut out = vec![0; file.limbs()];
            for Command { op, addr, value } in &before {
                file.apply(*op, *addr, value, &mut out).expect("valid");
            }
            (file, entries)
        })
    })
}

type One = fn(&mut DynRegisterFile, usize, &[u64]) -> Result<(), Error>;

fn addr(entries: &[Command]) -> impl Fn(usize) -> usize + '_ {
    |at| entries[at].addr
}

fn limb(entries: &[Command], limbs: usize) -> impl Fn(usize) -> u64 + '_ {
    move |at| entries[at / limbs].value[at % limbs]
}

fn each(file: &mut DynRegisterFile, name: &str, entries: &[Command]) -> Result<(), Error> {
    let (len, limbs) = (entries.len(), file.limbs());
    match name {
        "load" => file.load_each(len, addr(entries), limb(entries, limbs)),
        "accum" => file.accum_each(len, addr(entries), limb(entries, limbs)),
        _ => file.rollback_each(len, addr(entries), limb(entries, limbs)),
    }
}

const CHANGES: [(&str, One); 3] = [
    ("load", DynRegisterFile::load),
    ("accum", DynRegisterFile::accum),
    ("rollback", DynRegisterFile::rollback),
];

proptest! {
    #[test]
    fn many_are_one_after_the_other((file, entries) in cases()) {
        for (name, one) in CHANGES {
            let (mut singly, mut together) = (file.clone(), file.clone());
            for Command { addr, value, .. } in &entries {
                one(&mut singly, *addr, value)?;
            }
            each(&mut together, name, &entries)?;
            prop_assert_eq!(&together, &singly);
        }
    }

    #[test]
    fn many_are_read_as_one_after_the_other((file, entries) in cases()) {
        let (len, limbs) = (entries.len(), file.limbs());
        let (mut states, mut deltas) = (vec![0; len * limbs], vec![0; len * limbs]);
        let mut references = states.clone();
        file.read_each(len, addr(&entries), |at, limb| states[at] = limb)?;
        file.delta_each(len, addr(&entries), |at, limb| deltas[at] = limb)?;
        file.reference_each(len, addr(&entries), |at, limb| references[at] = limb)?;
        let mut out = vec![0; limbs];
        for (index, entry) in entries.iter().enumerate() {
            let here = index * limbs..(index + 1) * limbs;
            file.read(entry.addr, &mut out)?;
            prop_assert_eq!(&states[here.clone()], &out[..]);
            file.layout().combine(&mut references[here.clone()], &deltas[here.clone()]);
            prop_assert_eq!(&references[here.clone()], &out[..]);
            file.delta(entry.addr, &mut out)?;
            prop_assert_eq!(&deltas[here], &out[..]);
        }
    }

    #[test]
    fn with_a_bad_entry_nothing_changes(
        (file, mut entries) in cases(),
        at in any::<prop::sample::Index>(),
        wide in any::<bool>(),
    ) {
        prop_assume!(!entries.is_empty());
        let (index, width) = (at.index(entries.len()), file.width());
        let is_wide = wide && !width.is_multiple_of(64);
        if is_wide {
            entries[index].value[file.limbs() - 1] |= 1 << 63;
        } else {
            entries[index].addr = file.depth();
        }
        for (name, _) in CHANGES {
            let mut changed = file.clone();
            let refused = each(&mut changed, name, &entries);
            let bits = width.next_multiple_of(64);
            let reason = match is_wide {
                true => Error::TooWide { bits, width },
                false => Error::Address { addr: file.depth(), depth: file.depth() },
            };
            let expected = Error::Entry { index, reason: Box::new(reason) };
            prop_assert_eq!(refused, Err(expected), "{}", name);
            prop_assert_eq!(&changed, &file, "{}", name);
        }
        if !is_wide {
            let mut touched = false;
            let reason = Error::Address { addr: file.depth(), depth: file.depth() };
            let expected = Err(Error::Entry { index, reason: Box::new(reason) });
            let len = entries.len();
            let mut put = |_, _| touched = true;
            prop_assert_eq!(file.read_each(len, addr(&entries), &mut put), expected.clone());
            prop_assert_eq!(file.delta_each(len, addr(&entries), &mut put), expected.clone());
            prop_assert_eq!(file.reference_each(len, addr(&entries), &mut put), expected);
            prop_assert!(!touched);
        }
    }
}
