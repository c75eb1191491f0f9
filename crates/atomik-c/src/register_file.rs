//! Many addresses of words with a layout: the software model.

use std::ffi::c_char;
use std::ptr;
use std::slice;

use atomik_algebra::DynRegisterFile;

use crate::pointer::{self, exclusive, free, give, list, shared};
use crate::status::{AtomikStatus, Failure, guard};

/// A register file: `depth` addresses, each with a reference R and an accumulator D, and the state
/// S = R + D, where + is xor, or field by field what the layout says. With a depth of 1 it is a
/// single accumulator.
///
/// A value is an array of ceil(width / 64) words, lowest first. Bits above the width are 0 in what
/// the library writes; a value that sets one is refused.
pub struct AtomikRegisterFile(DynRegisterFile);

/// A new register file with all references and accumulators 0, in `*file`. Free it with
/// `atomik_register_file_free`.
///
/// `layout` lists the fields of a word from the lowest bits up, such as "xor:64" or
/// "xor:48,add:16"; their widths sum to 1 to 512.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_new(
    layout: *const c_char,
    depth: usize,
    file: *mut *mut AtomikRegisterFile,
) -> AtomikStatus {
    guard(|| unsafe {
        let layout = pointer::layout(layout)?;
        let new = DynRegisterFile::with_layout(layout, depth)?;
        give(file, "file", AtomikRegisterFile(new))
    })
}

/// Frees a register file. Nothing happens if it is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_free(file: *mut AtomikRegisterFile) {
    unsafe { free(file) }
}

/// A copy of a register file, in `*copy`: a snapshot to restore later, or to go on with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_copy(
    file: *const AtomikRegisterFile,
    copy: *mut *mut AtomikRegisterFile,
) -> AtomikStatus {
    guard(|| unsafe {
        let file = shared(file, "file")?.0.try_clone()?;
        give(copy, "copy", AtomikRegisterFile(file))
    })
}

/// A bank of a register file, in `*bank`: the same references, and all accumulators 0. It can
/// accumulate on another thread, and be merged into the register file later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_bank(
    file: *mut AtomikRegisterFile,
    bank: *mut *mut AtomikRegisterFile,
) -> AtomikStatus {
    guard(|| unsafe {
        let new = exclusive(file, "file")?.0.try_bank()?;
        give(bank, "bank", AtomikRegisterFile(new))
    })
}

/// The bits of a word; 0 if `file` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_width(file: *const AtomikRegisterFile) -> u32 {
    unsafe { file.as_ref() }.map_or(0, |file| file.0.width())
}

/// The number of addresses; 0 if `file` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_depth(file: *const AtomikRegisterFile) -> usize {
    unsafe { file.as_ref() }.map_or(0, |file| file.0.depth())
}

/// The 64-bit words of a value, ceil(width / 64); 0 if `file` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_words(file: *const AtomikRegisterFile) -> usize {
    unsafe { file.as_ref() }.map_or(0, |file| file.0.limbs())
}

/// LOAD: R := value, D := 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_load(
    file: *mut AtomikRegisterFile,
    addr: usize,
    value: *const u64,
) -> AtomikStatus {
    unsafe { change(file, value, "value", |file, value| file.load(addr, value)) }
}

/// ACCUM: D := D + delta.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_accum(
    file: *mut AtomikRegisterFile,
    addr: usize,
    delta: *const u64,
) -> AtomikStatus {
    unsafe { change(file, delta, "delta", |file, delta| file.accum(addr, delta)) }
}

/// Undoes an earlier accumulation of the same delta: D := D - delta.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_rollback(
    file: *mut AtomikRegisterFile,
    addr: usize,
    delta: *const u64,
) -> AtomikStatus {
    unsafe {
        change(file, delta, "delta", |file, delta| {
            file.rollback(addr, delta)
        })
    }
}

/// Accumulates `count` deltas: the value at `deltas + i * words` goes to `addrs[i]`, where `words`
/// is `atomik_register_file_words`. An address may occur more than once. If one of them is refused,
/// none takes effect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_accum_all(
    file: *mut AtomikRegisterFile,
    count: usize,
    addrs: *const usize,
    deltas: *const u64,
) -> AtomikStatus {
    guard(|| unsafe {
        let file = &mut exclusive(file, "file")?.0;
        let addrs = list(addrs, count, "addrs")?;
        let deltas = list(deltas, count.saturating_mul(file.limbs()), "deltas")?;
        Ok(file.accum_batch(addrs, deltas)?)
    })
}

/// READ: writes S to `state`. `*clean`, unless `clean` is null, is whether D was 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_read(
    file: *const AtomikRegisterFile,
    addr: usize,
    state: *mut u64,
    clean: *mut bool,
) -> AtomikStatus {
    guard(|| unsafe {
        let file = &shared(file, "file")?.0;
        respond(file.limbs(), state, "state", clean, |out| {
            file.read(addr, out)
        })
    })
}

/// SWAP: writes S to `state`, then sets R := S, D := 0. `*clean`, unless `clean` is null, is
/// whether D was 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_swap(
    file: *mut AtomikRegisterFile,
    addr: usize,
    state: *mut u64,
    clean: *mut bool,
) -> AtomikStatus {
    guard(|| unsafe {
        let file = &mut exclusive(file, "file")?.0;
        respond(file.limbs(), state, "state", clean, |out| {
            file.swap(addr, out)
        })
    })
}

/// DELTA: writes D to `delta`. `*clean`, unless `clean` is null, is whether D was 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_delta(
    file: *const AtomikRegisterFile,
    addr: usize,
    delta: *mut u64,
    clean: *mut bool,
) -> AtomikStatus {
    guard(|| unsafe {
        let file = &shared(file, "file")?.0;
        respond(file.limbs(), delta, "delta", clean, |out| {
            file.delta(addr, out)
        })
    })
}

/// DRAIN: writes D to `delta`, then sets R := S, D := 0. `*clean`, unless `clean` is null, is
/// whether D was 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_drain(
    file: *mut AtomikRegisterFile,
    addr: usize,
    delta: *mut u64,
    clean: *mut bool,
) -> AtomikStatus {
    guard(|| unsafe {
        let file = &mut exclusive(file, "file")?.0;
        respond(file.limbs(), delta, "delta", clean, |out| {
            file.drain(addr, out)
        })
    })
}

/// Adds the deltas of every address of `other`, which has the same layout, depth and references,
/// such as a bank of `file`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_merge(
    file: *mut AtomikRegisterFile,
    other: *const AtomikRegisterFile,
) -> AtomikStatus {
    guard(|| unsafe {
        // Merged with itself, it needs a copy: it cannot be read and changed at once.
        let own = match ptr::eq(file, other) {
            true => Some(shared(other, "other")?.0.try_clone()?),
            false => None,
        };
        match own {
            Some(own) => Ok(exclusive(file, "file")?.0.merge_from(&own)?),
            None => {
                let other = shared(other, "other")?;
                Ok(exclusive(file, "file")?.0.merge_from(&other.0)?)
            }
        }
    })
}

/// Gives `file` the references and accumulators of `snapshot`, a copy of a register file with the
/// same layout and depth.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn atomik_register_file_restore(
    file: *mut AtomikRegisterFile,
    snapshot: *const AtomikRegisterFile,
) -> AtomikStatus {
    guard(|| unsafe {
        if ptr::eq(file, snapshot) {
            return shared(snapshot, "snapshot").map(|_| ());
        }
        let snapshot = shared(snapshot, "snapshot")?;
        Ok(exclusive(file, "file")?.0.copy_from(&snapshot.0)?)
    })
}

/// Performs an operation that takes a value.
unsafe fn change(
    file: *mut AtomikRegisterFile,
    value: *const u64,
    what: &str,
    operation: impl FnOnce(&mut DynRegisterFile, &[u64]) -> Result<(), atomik_algebra::Error>,
) -> AtomikStatus {
    guard(|| unsafe {
        let file = &mut exclusive(file, "file")?.0;
        let value = list(value, file.limbs(), what)?;
        Ok(operation(file, value)?)
    })
}

/// Performs an operation that responds with a word.
unsafe fn respond(
    words: usize,
    out: *mut u64,
    what: &str,
    clean: *mut bool,
    operation: impl FnOnce(&mut [u64]) -> Result<bool, atomik_algebra::Error>,
) -> Result<(), Failure> {
    let first = unsafe { exclusive(out, what) }?;
    let out = unsafe { slice::from_raw_parts_mut(first, words) };
    let was_clean = operation(out)?;
    if let Some(clean) = unsafe { clean.as_mut() } {
        *clean = was_clean;
    }
    Ok(())
}
