use atomik_algebra::{Layout, MAX_WIDTH};
use thiserror::Error;

/// The largest number of lanes.
pub const MAX_LANES: u32 = 32;

/// The size of a register file, against which addresses, data and lanes are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    layout: Layout,
    depth: usize,
    lanes: u32,
}

/// Why a [`Geometry`] is impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GeometryError {
    /// The width is 0 or above [`MAX_WIDTH`].
    #[error("a width of {0} bits is not possible; choose 1 to {MAX_WIDTH}")]
    Width(u32),
    /// The depth is not a power of two.
    #[error("a depth of {0} words is not possible; choose a power of two (1, 2, 4, ...)")]
    Depth(usize),
    /// The number of lanes is 0 or above [`MAX_LANES`].
    #[error("{0} lanes are not possible; choose 1 to {MAX_LANES}")]
    Lanes(u32),
}

impl Geometry {
    /// A register file of `depth` words of `width` bits that xor, with `lanes` lanes.
    ///
    /// # Errors
    /// When `width` is not in 1..=[`MAX_WIDTH`], and those of [`Geometry::with_layout`].
    pub fn new(width: u32, depth: usize, lanes: u32) -> Result<Self, GeometryError> {
        let layout = Layout::xor(width).map_err(|_| GeometryError::Width(width))?;
        Self::with_layout(layout, depth, lanes)
    }

    /// A register file of `depth` words of `layout` with `lanes` lanes.
    ///
    /// # Errors
    /// When `depth` is not a power of two, or `lanes` is not in 1..=[`MAX_LANES`].
    pub fn with_layout(layout: Layout, depth: usize, lanes: u32) -> Result<Self, GeometryError> {
        if !depth.is_power_of_two() {
            return Err(GeometryError::Depth(depth));
        }
        if !(1..=MAX_LANES).contains(&lanes) {
            return Err(GeometryError::Lanes(lanes));
        }
        Ok(Self {
            layout,
            depth,
            lanes,
        })
    }

    /// The fields of a word.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The width of a word in bits.
    pub fn width(&self) -> u32 {
        self.layout.width()
    }

    /// The number of words, a power of two.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The number of lanes. Lane 0 takes every op, the others only `accum`.
    pub fn lanes(&self) -> u32 {
        self.lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_exact() {
        assert!(Geometry::new(1, 1, 1).is_ok());
        assert!(Geometry::new(512, 1 << 14, 32).is_ok());
        assert_eq!(Geometry::new(0, 1, 1), Err(GeometryError::Width(0)));
        assert_eq!(Geometry::new(513, 1, 1), Err(GeometryError::Width(513)));
        assert_eq!(Geometry::new(8, 0, 1), Err(GeometryError::Depth(0)));
        assert_eq!(Geometry::new(8, 48, 1), Err(GeometryError::Depth(48)));
        assert_eq!(Geometry::new(8, 16, 0), Err(GeometryError::Lanes(0)));
        assert_eq!(Geometry::new(8, 16, 33), Err(GeometryError::Lanes(33)));
    }
}
