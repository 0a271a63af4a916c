//! The depthwise causal convolution over the last four values.

use super::activation::{Activation, Silu};
use super::{CONV_HISTORY, lanes, lanes_mut};
use crate::aligned::AlignedBuf;
use crate::simd::{Simd, Vector};

/// The weights of one convolution.
#[derive(Debug)]
pub(crate) struct Conv {
    /// `[4, D]`; the last row multiplies the newest value.
    pub(crate) weight: AlignedBuf,
    pub(crate) bias: AlignedBuf,
}

impl Conv {
    /// out += SiLU(bias + sum over the last four values); then `history`, the last three values,
    /// oldest first, moves on by one.
    #[inline(always)]
    pub(crate) fn add<S: Simd>(
        &self,
        simd: S,
        history: &mut [f32],
        value: &[f32],
        out: &mut [f32],
    ) {
        let size = value.len();
        let taps = self.weight.chunks_exact(size);
        let width = lanes(value).len();
        for at in 0..width {
            let mut sum = simd.load(&lanes(&self.bias)[at]);
            let values = history.chunks_exact(size).chain([value]);
            for (tap, value) in taps.clone().zip(values) {
                sum = sum + simd.load(&lanes(tap)[at]) * simd.load(&lanes(value)[at]);
            }
            let out = &mut lanes_mut(out)[at];
            (simd.load(out) + Silu::apply(simd, sum)).store(out);
        }
        history.copy_within(size.., 0);
        history[(CONV_HISTORY - 1) * size..].copy_from_slice(value);
    }
}
