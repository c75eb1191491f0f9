//! The operations on the two words of an address, shared by all containers.

use crate::arithmetic::Arithmetic;
use crate::{Group, Response};

/// The two words of one address.
pub(crate) struct Pair<'a, W> {
    pub reference: &'a mut W,
    pub accumulator: &'a mut W,
}

impl<W: Group> Pair<'_, W> {
    #[inline]
    pub fn load(self, value: W) {
        *self.reference = value;
        *self.accumulator = W::IDENTITY;
    }

    #[inline]
    pub fn swap(self, arithmetic: impl Arithmetic<W>) -> Response<W> {
        let response = read(arithmetic, *self.reference, *self.accumulator);
        self.load(response.data);
        response
    }

    #[inline]
    pub fn drain(self, arithmetic: impl Arithmetic<W>) -> Response<W> {
        let response = delta(*self.accumulator);
        self.swap(arithmetic);
        response
    }
}

#[inline]
pub(crate) fn read<W: Group>(
    arithmetic: impl Arithmetic<W>,
    reference: W,
    accumulator: W,
) -> Response<W> {
    Response {
        data: arithmetic.combine(reference, accumulator),
        clean: accumulator.is_identity(),
    }
}

#[inline]
pub(crate) fn delta<W: Group>(accumulator: W) -> Response<W> {
    Response {
        data: accumulator,
        clean: accumulator.is_identity(),
    }
}
