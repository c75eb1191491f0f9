//! The operations on the two words of an address, shared by all containers.

use crate::{Response, Word};

/// The two words of one address.
pub(crate) struct Pair<'a, W> {
    pub reference: &'a mut W,
    pub accumulator: &'a mut W,
}

impl<W: Word> Pair<'_, W> {
    #[inline]
    pub fn load(self, value: W) {
        *self.reference = value;
        *self.accumulator = W::ZERO;
    }

    #[inline]
    pub fn swap(self) -> Response<W> {
        let response = read(*self.reference, *self.accumulator);
        self.load(response.data);
        response
    }

    #[inline]
    pub fn drain(self) -> Response<W> {
        let response = delta(*self.accumulator);
        self.swap();
        response
    }
}

#[inline]
pub(crate) fn read<W: Word>(reference: W, accumulator: W) -> Response<W> {
    Response {
        data: reference ^ accumulator,
        clean: accumulator.is_zero(),
    }
}

#[inline]
pub(crate) fn delta<W: Word>(accumulator: W) -> Response<W> {
    Response {
        data: accumulator,
        clean: accumulator.is_zero(),
    }
}
