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
pub(crate) mod rotary;
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use crate::simd::{LANES, Simd, Vector};

/// Past values that the convolution reads.
pub(crate) const CONV_HISTORY: usize = 3;

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
