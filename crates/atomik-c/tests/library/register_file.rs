//! Register files through the functions of the library.

use std::ffi::CStr;
use std::ptr::{null, null_mut};
use std::thread;

use atomik_c::register_file::*;
use atomik_c::status::{AtomikStatus, atomik_last_error};

/// A register file that is freed at the end.
struct File(*mut AtomikRegisterFile);

// Each thread has its own handle.
unsafe impl Send for File {}

impl Drop for File {
    fn drop(&mut self) {
        unsafe { atomik_register_file_free(self.0) }
    }
}

fn new(layout: &CStr, depth: usize) -> File {
    let mut file = null_mut();
    let status = unsafe { atomik_register_file_new(layout.as_ptr(), depth, &mut file) };
    assert_eq!(status, AtomikStatus::Ok, "{}", last());
    File(file)
}

fn refused(layout: &CStr, depth: usize) -> (AtomikStatus, String) {
    let mut file = null_mut();
    let status = unsafe { atomik_register_file_new(layout.as_ptr(), depth, &mut file) };
    assert!(file.is_null());
    (status, last())
}

fn last() -> String {
    let text = unsafe { CStr::from_ptr(atomik_last_error()) };
    text.to_str().unwrap().to_owned()
}

fn read(file: &File, addr: usize) -> (u64, bool) {
    let (mut state, mut clean) = (0, false);
    let status = unsafe { atomik_register_file_read(file.0, addr, &mut state, &mut clean) };
    assert_eq!(status, AtomikStatus::Ok, "{}", last());
    (state, clean)
}

fn accum(file: &File, addr: usize, delta: u64) -> AtomikStatus {
    unsafe { atomik_register_file_accum(file.0, addr, &delta) }
}

#[test]
fn operations_do_what_the_specification_says() {
    let file = new(c"xor:8,add:8", 4);
    let words = unsafe { atomik_register_file_words(file.0) };
    assert_eq!(words, 1);
    unsafe {
        assert_eq!(
            atomik_register_file_load(file.0, 3, &0x05f0),
            AtomikStatus::Ok
        );
        assert_eq!(read(&file, 3), (0x05f0, true));
        assert_eq!(accum(&file, 3, 0xff0f), AtomikStatus::Ok);
        assert_eq!(read(&file, 3), (0x04ff, false));
        assert_eq!(
            atomik_register_file_rollback(file.0, 3, &0xff0f),
            AtomikStatus::Ok
        );
        assert_eq!(read(&file, 3), (0x05f0, true));
        assert_eq!(accum(&file, 3, 0x0203), AtomikStatus::Ok);
        let mut out = 0;
        atomik_register_file_delta(file.0, 3, &mut out, null_mut());
        assert_eq!(out, 0x0203);
        atomik_register_file_drain(file.0, 3, &mut out, null_mut());
        assert_eq!(out, 0x0203);
        assert_eq!(read(&file, 3), (0x07f3, true));
        accum(&file, 3, 1);
        let mut clean = true;
        atomik_register_file_swap(file.0, 3, &mut out, &mut clean);
        assert_eq!((out, clean), (0x07f2, false));
        assert_eq!(read(&file, 3), (0x07f2, true));
    }
}

#[test]
fn a_refused_call_changes_nothing_and_says_why() {
    let file = new(c"xor:8", 4);
    accum(&file, 1, 0x12);
    assert_eq!(accum(&file, 4, 1), AtomikStatus::Address);
    assert!(last().contains("address 4 is outside"), "{}", last());
    assert_eq!(accum(&file, 1, 0x100), AtomikStatus::Value);
    assert!(last().contains("needs 9 bits"), "{}", last());
    unsafe {
        let status = atomik_register_file_accum_all(file.0, 2, [1, 9].as_ptr(), [3, 3].as_ptr());
        assert_eq!(status, AtomikStatus::Address);
        let status = atomik_register_file_accum(file.0, 1, null());
        assert_eq!(status, AtomikStatus::NullPointer);
        assert!(
            last().starts_with("delta is a null pointer; check"),
            "{}",
            last()
        );
        let status = atomik_register_file_read(file.0, 1, null_mut(), null_mut());
        assert_eq!(status, AtomikStatus::NullPointer);
        let mut state = 7;
        let status = atomik_register_file_read(null(), 1, &mut state, null_mut());
        assert_eq!((status, state), (AtomikStatus::NullPointer, 7));
        let status = atomik_register_file_new(c"xor:8".as_ptr(), 4, null_mut());
        assert_eq!(status, AtomikStatus::NullPointer);
    }
    assert_eq!(read(&file, 1), (0x12, false));
    assert_eq!(refused(c"xor:8", 0).0, AtomikStatus::Size);
    let (status, message) = refused(c"mul:8", 4);
    assert_eq!(status, AtomikStatus::Layout);
    assert!(message.contains("write xor:N or add:N"), "{message}");
    assert_eq!(refused(c"xor:\xff", 4).0, AtomikStatus::Layout);
}

#[test]
fn a_bank_accumulates_on_another_thread_and_is_merged() {
    let file = new(c"add:64", 2);
    accum(&file, 0, 5);
    let mut bank = null_mut();
    unsafe { atomik_register_file_bank(file.0, &mut bank) };
    let bank = thread::spawn({
        let bank = File(bank);
        move || {
            for _ in 0..1000 {
                assert_eq!(accum(&bank, 0, 3), AtomikStatus::Ok);
            }
            bank
        }
    });
    accum(&file, 0, 2);
    let bank = bank.join().unwrap();
    let merge = |other: &File| unsafe { atomik_register_file_merge(file.0, other.0) };
    assert_eq!(merge(&bank), AtomikStatus::Ok);
    assert_eq!(read(&file, 0), (3007, false));
    // With itself: D + D.
    assert_eq!(merge(&file), AtomikStatus::Ok);
    assert_eq!(read(&file, 0), (6014, false));
    assert_eq!(merge(&new(c"add:64", 4)), AtomikStatus::Mismatch);
    assert_eq!(merge(&new(c"xor:64", 2)), AtomikStatus::Mismatch);
    unsafe { atomik_register_file_load(bank.0, 1, &1) };
    assert_eq!(merge(&bank), AtomikStatus::References);
    assert_eq!(read(&file, 0), (6014, false));
}

#[test]
fn a_copy_is_a_snapshot_to_restore() {
    let file = new(c"xor:65", 2);
    unsafe {
        atomik_register_file_load(file.0, 1, [7, 1].as_ptr());
        let mut copy = null_mut();
        assert_eq!(
            atomik_register_file_copy(file.0, &mut copy),
            AtomikStatus::Ok
        );
        let copy = File(copy);
        atomik_register_file_accum(file.0, 1, [2, 1].as_ptr());
        let status = atomik_register_file_restore(file.0, copy.0);
        assert_eq!(status, AtomikStatus::Ok);
        let status = atomik_register_file_restore(file.0, file.0);
        assert_eq!(status, AtomikStatus::Ok);
        let mut state = [0; 2];
        atomik_register_file_read(file.0, 1, state.as_mut_ptr(), null_mut());
        assert_eq!(state, [7, 1]);
        let other = new(c"xor:64", 2);
        let status = atomik_register_file_restore(file.0, other.0);
        assert_eq!(status, AtomikStatus::Mismatch);
        assert_eq!(atomik_register_file_width(file.0), 65);
        assert_eq!(atomik_register_file_depth(file.0), 2);
        assert_eq!(atomik_register_file_words(null()), 0);
        atomik_register_file_free(null_mut());
    }
}
