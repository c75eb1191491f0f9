//! The file of a store, as a damaged disk may return it.

use std::collections::BTreeMap;

use atomik_store::testing::FaultyFile;
use atomik_store::{Options, Store, StoreError, Write};

use crate::target::Target;

/// Edits of the file of a store: each is an offset (three bytes, little-endian) and a byte to put
/// there.
pub(crate) const FILE: Target = Target {
    name: "store",
    about: "the file of a store with damaged bytes",
    run,
    seeds,
};

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

fn seeds() -> Vec<Vec<u8>> {
    vec![Vec::new(), vec![0, 0, 0, 1], vec![0x40, 0x10, 0, 0xff]]
}

/// The file of a store that was closed, and its records.
fn image() -> Result<(Vec<u8>, Records), StoreError> {
    let file = FaultyFile::with_store()?;
    let mut store = file.open(&Options::default())?;
    let mut records = Records::new();
    for number in 0..30_u8 {
        let (key, value) = (vec![b'k', number], vec![number; usize::from(number)]);
        store.commit(&[Write::put(&key, &value)])?;
        records.insert(key, value);
    }
    Box::new(store).close()?;
    Ok((file.contents(), records))
}

/// A damaged file is refused, or its records are those of some commit: the first ones, all intact.
#[allow(clippy::expect_used, reason = "nothing fails in memory")]
fn run(input: &[u8]) {
    let (mut image, records) = image().expect("a store in memory");
    for edit in input.chunks_exact(4) {
        let at = usize::from(edit[0]) | usize::from(edit[1]) << 8 | usize::from(edit[2]) << 16;
        let length = image.len();
        image[at % length] = edit[3];
    }
    let Ok(store) = FaultyFile::holding(image).open(&Options::default()) else {
        return;
    };
    let mut found = Records::new();
    let loaded = store.load(&mut |key, value| {
        found.insert(key.to_vec(), value.to_vec());
    });
    if loaded.is_err() {
        return;
    }
    let expected: Records = records.into_iter().take(found.len()).collect();
    assert_eq!(found, expected, "records that no commit left");
}
