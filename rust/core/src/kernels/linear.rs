//! Matrix times vector.
//!
//! A matrix `[in, out]` is kept in panels of up to 64 output columns, each contiguous over the
//! inputs: the product streams through memory once and has several independent sums in flight. An
//! output is its bias plus the products in the order of the inputs, however wide its panel is.

use super::element::Element;
use super::{lanes, lanes_mut};
use crate::aligned::AlignedBuf;
use crate::simd::{LANES, ROW_VECTORS, Row, Simd, Vector};

/// Panel widths in vectors, from the widest; what a wider one leaves over, the next takes.
const WIDTHS: [usize; 4] = [8, 4, 2, 1];

/// A Linear layer.
#[derive(Debug)]
pub(crate) struct Linear<E> {
    panels: AlignedBuf<E>,
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

impl<E: Element> Linear<E> {
    /// Layers that share their input, as one: their outputs follow each other. Each part is its
    /// weight `[in, out]` and its bias `[out]`.
    pub(crate) fn new(parts: &[(Vec<E>, Vec<f32>)]) -> Self {
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
                8 if !E::CONVERTED => multiply_rows::<S, E, 2>(simd, panel, x, bias, out),
                4 if !E::CONVERTED => multiply_rows::<S, E, 1>(simd, panel, x, bias, out),
                8 => multiply::<S, E, 8>(simd, panel, x, bias, out),
                4 => multiply::<S, E, 4>(simd, panel, x, bias, out),
                2 => multiply::<S, E, 2>(simd, panel, x, bias, out),
                _ => multiply::<S, E, 1>(simd, panel, x, bias, out),
            }
            rest = after;
        }
    }
}

/// One panel of R rows of 32 columns.
#[inline(always)]
fn multiply_rows<S: Simd, E: Element, const R: usize>(
    simd: S,
    panel: &[[E; LANES]],
    x: &[f32],
    bias: &[[f32; LANES]],
    out: &mut [[f32; LANES]],
) {
    let (bias, _) = bias.as_chunks::<ROW_VECTORS>();
    let (out, _) = out.as_chunks_mut::<ROW_VECTORS>();
    let (panel, _) = panel.as_chunks::<ROW_VECTORS>();
    let (panel, _) = panel.as_chunks::<R>();
    let mut sums: [S::Row; R] = std::array::from_fn(|r| S::Row::load(simd, &bias[r]));
    for (weights, &x) in panel.iter().zip(x) {
        let x = S::Row::splat(simd, x);
        for r in 0..R {
            sums[r] = sums[r] + x * E::load_row(simd, &weights[r]);
        }
    }
    for (sum, out) in sums.into_iter().zip(out) {
        sum.store(out);
    }
}

/// One panel of W vectors.
#[inline(always)]
fn multiply<S: Simd, E: Element, const W: usize>(
    simd: S,
    panel: &[[E; LANES]],
    x: &[f32],
    bias: &[[f32; LANES]],
    out: &mut [[f32; LANES]],
) {
    let (panel, _) = panel.as_chunks::<W>();
    let mut sums: [S::Vector; W] = std::array::from_fn(|w| simd.load(&bias[w]));
    for (weights, &x) in panel.iter().zip(x) {
        let x = simd.splat(x);
        for w in 0..W {
            sums[w] = sums[w] + x * E::load(simd, &weights[w]);
        }
    }
    for (sum, out) in sums.into_iter().zip(out) {
        sum.store(out);
    }
}
