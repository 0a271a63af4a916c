//! Portable code: arrays and plain Rust, on any CPU.

use std::ops::{Add, Div, Mul, Sub};

use super::{
    CodeGroup, Four, GroupRow, IntegerQuery, Kernel, LANES, ROW_LANES, ROW_VECTORS, Simd, Vector,
    WeightRow,
};

/// Portable code needs no proof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

#[derive(Clone, Copy)]
pub(crate) struct Lanes([f32; LANES]);

impl Scalar {
    pub(crate) const fn detect() -> Option<Self> {
        Some(Self)
    }
}

impl Simd for Scalar {
    type Vector = Lanes;
    type Row = Four<Lanes>;

    const TILES: bool = false;

    #[inline(never)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Lanes {
        Lanes([x; LANES])
    }

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Lanes {
        Lanes(*x)
    }

    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> Lanes {
        Lanes(bits.map(half_to_single))
    }

    #[inline(always)]
    fn load_i8(self, x: &[i8; LANES]) -> Lanes {
        Lanes(x.map(f32::from))
    }

    #[inline(always)]
    fn integer_dots(self, block: &[GroupRow], query: IntegerQuery<'_>) -> Four<Lanes> {
        let mut sums = [0_i32; ROW_LANES];
        for (row, query) in block.iter().zip(query.codes) {
            for (sum, features) in sums.iter_mut().zip(row) {
                for (&feature, &query) in features.iter().zip(query) {
                    *sum += i32::from(feature) * i32::from(query);
                }
            }
        }
        floats(sums)
    }

    #[inline(always)]
    fn code_dots<const R: usize, const U: usize>(
        self,
        rows: [WeightRow<'_>; R],
        codes: [&[CodeGroup]; U],
    ) -> [[Four<Lanes>; R]; U] {
        let mut out = [[Four([Lanes([0.0; LANES]); ROW_VECTORS]); R]; U];
        for (out, codes) in out.iter_mut().zip(codes) {
            for (out, row) in out.iter_mut().zip(rows) {
                let mut sums = [0_i32; ROW_LANES];
                for (weights, codes) in row.groups.iter().zip(codes) {
                    let [a, b, c, d] = codes.map(i32::from);
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        let [e, f, g, h] = weights.map(i32::from);
                        *sum += a * e + b * f + c * g + d * h;
                    }
                }
                *out = floats(sums);
            }
        }
        out
    }
}

#[inline(always)]
fn floats(sums: [i32; ROW_LANES]) -> Four<Lanes> {
    let (vectors, _) = sums.as_chunks();
    Four(std::array::from_fn(|v| Lanes(vectors[v].map(|sum: i32| sum as f32))))
}

/// Converts a finite half-precision value. Without the cases for infinities and NaN, this compiles
/// to selections and vectorises. No f32 in it is subnormal, so flushing subnormals to zero does not
/// change the result.
#[inline(always)]
fn half_to_single(bits: u16) -> f32 {
    /// 2^-14, the smallest normal half-precision number.
    const SMALLEST: u32 = (127 - 14) << 23;
    let bits = u32::from(bits);
    let moved = (bits & 0x7fff) << 13;
    let normal = moved + ((127 - 15) << 23);
    // 2^-14 (1 + m) - 2^-14, which is exact.
    let subnormal = f32::from_bits(SMALLEST | moved) - f32::from_bits(SMALLEST);
    let size = if bits & 0x7c00 == 0 { subnormal.to_bits() } else { normal };
    f32::from_bits(size | (bits & 0x8000) << 16)
}

macro_rules! lanewise {
    ($($operation:ident, $method:ident, $symbol:tt;)*) => {$(
        impl $operation for Lanes {
            type Output = Self;

            #[inline(always)]
            fn $method(mut self, other: Self) -> Self {
                for l in 0..LANES {
                    self.0[l] $symbol other.0[l];
                }
                self
            }
        }
    )*};
}

lanewise! {
    Add, add, +=;
    Sub, sub, -=;
    Mul, mul, *=;
    Div, div, /=;
}

impl Vector for Lanes {
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        *to = self.0;
    }

    #[inline(always)]
    fn greater_mask(self, than: Self) -> u32 {
        let mut mask = 0;
        for l in 0..LANES {
            mask |= u32::from(self.0[l] > than.0[l]) << l;
        }
        mask
    }

    #[inline(always)]
    fn select_greater(self, than: Self, yes: Self, mut no: Self) -> Self {
        for l in 0..LANES {
            if self.0[l] > than.0[l] {
                no.0[l] = yes.0[l];
            }
        }
        no
    }

    #[inline(always)]
    fn replace(mut self, lanes: u8, with: Self) -> Self {
        for l in 0..LANES {
            if lanes >> l & 1 != 0 {
                self.0[l] = with.0[l];
            }
        }
        self
    }

    #[inline(always)]
    fn low_bits_to_exponent(self) -> Self {
        Self(self.0.map(|x| f32::from_bits(x.to_bits() << 23)))
    }

    #[inline(always)]
    fn store_low_halves(self, to: &mut [i16; LANES]) {
        *to = self.0.map(|x| x.to_bits() as i16);
    }

    #[inline(always)]
    fn swap_pairs(self) -> Self {
        let [a, b, c, d, e, f, g, h] = self.0;
        Self([b, a, d, c, f, e, h, g])
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}
