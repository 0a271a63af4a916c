//! Matrix times vector.
//!
//! A matrix `[in, out]` is kept in panels of up to 64 output columns, each contiguous over the
//! inputs: the product streams through memory once and has eight independent sums in flight. An
//! output is its bias plus the products in the order of the inputs, however wide its panel is.

use super::{lanes, lanes_mut};
use crate::aligned::AlignedBuf;
use crate::simd::{LANES, Simd, Vector};

/// Panel widths in vectors, from the widest; what a wider one leaves over, the next takes.
const WIDTHS: [usize; 4] = [8, 4, 2, 1];

/// A Linear layer.
#[derive(Debug)]
pub(crate) struct Linear {
    panels: AlignedBuf,
    bias: AlignedBuf,
}

/// The first column and the width in vectors of each panel.
fn panels(outputs: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let left = (outputs - first) / LANES;
        let width = WIDTHS.into_iter().find(|&width| width <= left)?;
        let panel = (first, width);
        first += width * LANES;
        Some(panel)
    })
}

impl Linear {
    /// Layers that share their input, as one: their outputs follow each other. Each part is its
    /// weight `[in, out]` and its bias `[out]`.
    pub(crate) fn new(parts: &[(Vec<f32>, Vec<f32>)]) -> Self {
        let bias: Vec<f32> = parts.iter().flat_map(|(_, bias)| bias).copied().collect();
        let mut packed = AlignedBuf::zeros(parts.iter().map(|(weight, _)| weight.len()).sum());
        let inputs = packed.len() / bias.len();
        let mut row = Vec::with_capacity(bias.len());
        for input in 0..inputs {
            row.clear();
            for (weight, bias) in parts {
                row.extend_from_slice(&weight[input * bias.len()..][..bias.len()]);
            }
            for (first, width) in panels(row.len()) {
                let columns = width * LANES;
                let to = first * inputs + input * columns;
                packed[to..to + columns].copy_from_slice(&row[first..first + columns]);
            }
        }
        Self { panels: packed, bias: bias.into() }
    }

    /// out[j] = bias[j] + x[0] W[0, j] + x[1] W[1, j] + ...
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(&self, simd: S, x: &[f32], out: &mut [f32]) {
        let bias = lanes(&self.bias);
        let out = lanes_mut(out);
        let mut rest = lanes(&self.panels);
        for (first, width) in panels(self.bias.len()) {
            let (panel, after) = rest.split_at(x.len() * width);
            let first = first / LANES;
            let bias = &bias[first..first + width];
            let out = &mut out[first..first + width];
            match width {
                8 => multiply::<S, 8>(simd, panel, x, bias, out),
                4 => multiply::<S, 4>(simd, panel, x, bias, out),
                2 => multiply::<S, 2>(simd, panel, x, bias, out),
                _ => multiply::<S, 1>(simd, panel, x, bias, out),
            }
            rest = after;
        }
    }
}

/// One panel of W vectors.
#[inline(always)]
fn multiply<S: Simd, const W: usize>(
    simd: S,
    panel: &[[f32; LANES]],
    x: &[f32],
    bias: &[[f32; LANES]],
    out: &mut [[f32; LANES]],
) {
    let mut sums = [simd.splat(0.0); W];
    for (sum, bias) in sums.iter_mut().zip(bias) {
        *sum = simd.load(bias);
    }
    let (rows, _) = panel.as_chunks::<W>();
    for (row, &x) in rows.iter().zip(x) {
        let x = simd.splat(x);
        for w in 0..W {
            sums[w] = sums[w] + x * simd.load(&row[w]);
        }
    }
    for (sum, out) in sums.into_iter().zip(out) {
        sum.store(out);
    }
}
