//! Element types of stored weights.

use bytemuck::Pod;
use half::f16;

use crate::simd::{LANES, ROW_VECTORS, Row, Simd};

/// An element of a matrix or of the catalogue table. Arithmetic is in f32.
pub(crate) trait Element: Pod + Sync {
    fn load<S: Simd>(simd: S, from: &[Self; LANES]) -> S::Vector;
    fn load_row<S: Simd>(simd: S, from: &[[Self; LANES]; ROW_VECTORS]) -> S::Row;

    /// Converts one element to f32, by the same conversion.
    fn to_f32(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self; LANES]) -> S::Vector {
        simd.load(from)
    }

    #[inline(always)]
    fn load_row<S: Simd>(simd: S, from: &[[Self; LANES]; ROW_VECTORS]) -> S::Row {
        S::Row::load(simd, from)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

/// Half precision, as bits.
impl Element for u16 {
    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self; LANES]) -> S::Vector {
        simd.load_f16(from)
    }

    #[inline(always)]
    fn load_row<S: Simd>(simd: S, from: &[[Self; LANES]; ROW_VECTORS]) -> S::Row {
        S::Row::load_f16(simd, from)
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f16::from_bits(self).to_f32_const()
    }
}
