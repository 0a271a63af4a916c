//! LayerNorm.

use super::{lanes, lanes_mut};
use crate::aligned::AlignedBuf;
use crate::simd::{Kernel, Simd, Vector};

const EPSILON: f32 = 1e-12;

#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weight: AlignedBuf,
    pub(crate) bias: AlignedBuf,
}

impl Norm {
    #[inline(always)]
    pub(crate) fn size(&self) -> usize {
        self.weight.len()
    }

    /// out = (x - mean) / sqrt(variance + epsilon) * weight + bias
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]) {
        simd.run(Normalise { norm: self, x, out });
    }
}

struct Normalise<'a> {
    norm: &'a Norm,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { norm: Norm { weight, bias }, x, out } = self;
        let count = x.len() as f32;
        let mut sum = simd.splat(0.0);
        for x in lanes(x) {
            sum = sum + simd.load(x);
        }
        let mean = simd.splat(sum.sum() / count);
        let mut squares = simd.splat(0.0);
        for x in lanes(x) {
            let centred = simd.load(x) - mean;
            squares = squares + centred * centred;
        }
        let scale = simd.splat(1.0 / (squares.sum() / count + EPSILON).sqrt());
        let parameters = lanes(weight).iter().zip(lanes(bias));
        for ((x, out), (weight, bias)) in lanes(x).iter().zip(lanes_mut(out)).zip(parameters) {
            let normal = (simd.load(x) - mean) * scale;
            (normal * simd.load(weight) + simd.load(bias)).store(out);
        }
    }
}
