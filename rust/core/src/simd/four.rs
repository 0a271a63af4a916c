//! A row of 32 lanes as four vectors, for instruction sets without wider registers.
//!
//! The four are written out: the compiler may not inline `array::from_fn`, and a call in a kernel's
//! inner loop costs several times the work itself.

use std::ops::{Add, Div, Mul, Sub};

use super::{LANES, ROW_VECTORS, Row, Simd, Vector};

/// Lane l of the row is lane l % 8 of vector l / 8.
#[derive(Clone, Copy)]
pub(crate) struct Four<V>(pub(crate) [V; ROW_VECTORS]);

macro_rules! lanewise {
    ($($operation:ident, $method:ident;)*) => {$(
        impl<V: Vector> $operation for Four<V> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
                Self([a.$method(e), b.$method(f), c.$method(g), d.$method(h)])
            }
        }
    )*};
}

lanewise! {
    Add, add;
    Sub, sub;
    Mul, mul;
    Div, div;
}

impl<S: Simd<Vector = V>, V: Vector> Row<S> for Four<V> {
    #[inline(always)]
    fn splat(simd: S, x: f32) -> Self {
        Self([simd.splat(x); ROW_VECTORS])
    }

    #[inline(always)]
    fn load(simd: S, x: &[[f32; LANES]; ROW_VECTORS]) -> Self {
        let [a, b, c, d] = x;
        Self([simd.load(a), simd.load(b), simd.load(c), simd.load(d)])
    }

    #[inline(always)]
    fn load_f16(simd: S, bits: &[[u16; LANES]; ROW_VECTORS]) -> Self {
        let [a, b, c, d] = bits;
        Self([simd.load_f16(a), simd.load_f16(b), simd.load_f16(c), simd.load_f16(d)])
    }

    #[inline(always)]
    fn store(self, to: &mut [[f32; LANES]; ROW_VECTORS]) {
        for (vector, to) in self.0.into_iter().zip(to) {
            vector.store(to);
        }
    }

    #[inline(always)]
    fn greater_mask(self, than: Self) -> u32 {
        (0..ROW_VECTORS).fold(0, |mask, v| mask | self.0[v].greater_mask(than.0[v]) << (v * LANES))
    }

    #[inline(always)]
    fn select_greater(self, than: Self, yes: Self, no: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, than.0);
        let ([i, j, k, l], [m, n, o, p]) = (yes.0, no.0);
        Self([
            a.select_greater(e, i, m),
            b.select_greater(f, j, n),
            c.select_greater(g, k, o),
            d.select_greater(h, l, p),
        ])
    }

    #[inline(always)]
    fn larger(self, than: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, than.0);
        Self([a.larger(e), b.larger(f), c.larger(g), d.larger(h)])
    }

    #[inline(always)]
    fn replace(self, lanes: u32, with: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, with.0);
        let [i, j, k, l] = lanes.to_le_bytes();
        Self([a.replace(i, e), b.replace(j, f), c.replace(k, g), d.replace(l, h)])
    }

    #[inline(always)]
    fn low_bits_to_exponent(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([
            a.low_bits_to_exponent(),
            b.low_bits_to_exponent(),
            c.low_bits_to_exponent(),
            d.low_bits_to_exponent(),
        ])
    }
}
