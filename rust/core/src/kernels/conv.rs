//! The depthwise causal convolution over the last four values.

use super::activation::{self, Silu};
use super::{CONV_HISTORY, add_assign, lanes, lanes_mut};
use crate::aligned::AlignedBuf;
use crate::simd::{Kernel, Simd, Vector};

#[derive(Debug)]
pub(crate) struct Conv {
    /// `[4, D]`; the last row multiplies the newest value.
    pub(crate) weight: AlignedBuf,
    pub(crate) bias: AlignedBuf,
}

impl Conv {
    /// out += SiLU(bias + weighted sum of the last four values). Then shifts `value` into
    /// `history`, the last three values, oldest first. Leaves `value` unspecified.
    #[inline(always)]
    pub(crate) fn add<S: Simd>(
        &self,
        simd: S,
        history: &mut [f32],
        value: &mut [f32],
        out: &mut [f32],
    ) {
        simd.run(Add { conv: self, history, value, out });
    }
}

struct Add<'a> {
    conv: &'a Conv,
    history: &'a mut [f32],
    value: &'a mut [f32],
    out: &'a mut [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { conv: Conv { weight, bias }, history, value, out } = self;
        let width = lanes(value).len();
        let (weight, history) = (lanes(weight), lanes_mut(history));
        for (index, value) in lanes_mut(value).iter_mut().enumerate() {
            let newest = simd.load(value);
            let mut sum = simd.load(&lanes(bias)[index]);
            for tap in 0..CONV_HISTORY {
                sum = sum
                    + simd.load(&weight[tap * width + index])
                        * simd.load(&history[tap * width + index]);
                if tap > 0 {
                    history[(tap - 1) * width + index] = history[tap * width + index];
                }
            }
            newest.store(&mut history[(CONV_HISTORY - 1) * width + index]);
            (sum + simd.load(&weight[CONV_HISTORY * width + index]) * newest).store(value);
        }
        activation::apply::<S, Silu>(simd, value);
        add_assign(simd, out, value);
    }
}
