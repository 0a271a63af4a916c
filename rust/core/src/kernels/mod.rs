//! The model's arithmetic, written once over [`crate::simd`].
//!
//! Slice lengths are multiples of eight, the lane count. The config guarantees this for D, F and
//! every size derived from them.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod block_scores;
pub(crate) mod conv;
pub(crate) mod element;
pub(crate) mod integer_linear;
pub(crate) mod integer_scores;
pub(crate) mod linear;
pub(crate) mod norm;
pub(crate) mod products;
pub(crate) mod rotary;
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use crate::simd::{LANES, Simd, Vector};

/// Past values that the convolution reads.
pub(crate) const CONV_HISTORY: usize = 3;

/// Below this, 2^-100, a vector counts as zero when it is quantized: the largest code divided by it
/// might overflow.
pub(crate) const SMALLEST: f32 = 1.0 / (1_u128 << 100) as f32;

/// 1.5 * 2^23: added to a small number, it leaves the nearest integer in the low bits; subtracted
/// again, that integer.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// The slice as chunks of eight lanes.
#[inline(always)]
pub(crate) fn lanes<T>(x: &[T]) -> &[[T; LANES]] {
    let (chunks, rest) = x.as_chunks();
    debug_assert!(rest.is_empty());
    chunks
}

#[inline(always)]
pub(crate) fn lanes_mut<T>(x: &mut [T]) -> &mut [[T; LANES]] {
    let (chunks, rest) = x.as_chunks_mut();
    debug_assert!(rest.is_empty());
    chunks
}

/// The largest magnitude among x; NaN is passed over.
#[inline(always)]
pub(crate) fn largest<S: Simd>(simd: S, x: &[f32]) -> f32 {
    let mut most = simd.splat(0.0);
    for x in lanes(x) {
        let size = magnitude(simd, simd.load(x));
        most = size.larger(most);
    }
    largest_lane(most)
}

#[inline(always)]
pub(crate) fn largest_lane<V: Vector>(most: V) -> f32 {
    let mut each = [0.0; LANES];
    most.store(&mut each);
    let [a, b, c, d, e, f, g, h] = each;
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    larger(larger(larger(a, e), larger(b, f)), larger(larger(c, g), larger(d, h)))
}

#[inline(always)]
pub(crate) fn magnitude<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let zero = simd.splat(0.0);
    x.select_greater(zero, x, zero - x)
}

#[inline(always)]
pub(crate) fn add_assign<S: Simd>(simd: S, x: &mut [f32], y: &[f32]) {
    for (x, y) in lanes_mut(x).iter_mut().zip(lanes(y)) {
        (simd.load(x) + simd.load(y)).store(x);
    }
}

#[inline(always)]
pub(crate) fn mul_assign<S: Simd>(simd: S, x: &mut [f32], y: &[f32]) {
    for (x, y) in lanes_mut(x).iter_mut().zip(lanes(y)) {
        (simd.load(x) * simd.load(y)).store(x);
    }
}
