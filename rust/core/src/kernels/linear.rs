//! Matrix times vector, for one user or several.
//!
//! A matrix `[in, out]` is stored in panels of up to 64 output columns, each contiguous over the
//! inputs. The product reads memory once, in order, and keeps several independent sums in flight.
//! An output is its bias plus the products in input order, whatever the panel width.
//!
//! With several users, each panel is applied to all of them before the next is read. Each loaded
//! weight is multiplied for a tile of users, 64 inputs at a time, between which the sums are stored
//! with the outputs. The sums are independent, so an output has the same bits as for a single user.

use super::element::Element;
use super::products::add_products;
use super::{lanes, lanes_mut};
use crate::aligned::AlignedBuf;
use crate::simd::{Kernel, LANES, ROW_VECTORS, Row, Simd, TILE, Vector};

/// WebAssembly engines hoist loads, and on x86-64 have 16 registers of half a vector.
const NARROW: bool = cfg!(target_arch = "wasm32");

/// Panel widths in vectors, widest first. Columns that do not fill a panel go to the next narrower
/// width.
const WIDTHS: &[usize] = if NARROW { &[2, 1] } else { &[8, 4, 1] };

/// Inputs whose weights of a panel, 16 KiB in f32, stay in the L1 cache for all tiles of users.
const AT_ONCE: usize = 64;

#[derive(Debug)]
pub(crate) struct Linear<E> {
    panels: AlignedBuf<E>,
    bias: AlignedBuf,
    inputs: usize,
}

/// The first column and the width in vectors of each panel.
fn panels(outputs: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let left = (outputs - first) / LANES;
        let width = *WIDTHS.iter().find(|&&width| width <= left)?;
        let panel = (first, width);
        first += width * LANES;
        Some(panel)
    })
}

impl<E: Element> Linear<E> {
    /// Concatenates layers that share their input, each a weight `[in, out]` and a bias `[out]`.
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
        Self { panels: packed, bias: bias.into(), inputs }
    }

    #[inline(always)]
    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// out[j] = bias[j] + x[0] W[0, j] + x[1] W[1, j] + ... for each of `users`. Inputs of
    /// consecutive users start `stride` elements apart in `x`; outputs are contiguous.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(
        &self,
        simd: S,
        users: usize,
        x: &[f32],
        stride: usize,
        out: &mut [f32],
    ) {
        let x = Inputs { x, stride, size: self.inputs };
        simd.run(Product { layer: self, users, x, out });
    }
}

struct Product<'a, E> {
    layer: &'a Linear<E>,
    users: usize,
    x: Inputs<'a>,
    out: &'a mut [f32],
}

impl<E: Element> Kernel for Product<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { layer: Linear { panels: packed, bias, inputs }, users, x, out } = self;
        let (out, mut rest) = (lanes_mut(out), lanes(packed));
        for (first, width) in panels(bias.len()) {
            let (weights, after) = rest.split_at(inputs * width);
            let outputs = bias.len() / LANES;
            let bias = &lanes(bias)[first / LANES..][..width];
            let panel = Panel { weights, bias, first: first / LANES, outputs };
            match width {
                8 if !NARROW => panel.rows::<S, 2>(simd, users, x, out),
                4 if !NARROW => panel.rows::<S, 1>(simd, users, x, out),
                2 if NARROW => panel.vectors::<S, 2>(simd, users, x, out),
                _ => panel.vectors::<S, 1>(simd, users, x, out),
            }
            rest = after;
        }
    }
}

#[derive(Clone, Copy)]
struct Inputs<'a> {
    x: &'a [f32],
    stride: usize,
    size: usize,
}

impl<'a> Inputs<'a> {
    #[inline(always)]
    fn user(self, user: usize) -> &'a [f32] {
        &self.x[user * self.stride..][..self.size]
    }
}

/// Some columns of a layer. Column counts are in vectors.
struct Panel<'a, E> {
    weights: &'a [[E; LANES]],
    bias: &'a [[f32; LANES]],
    first: usize,
    outputs: usize,
}

impl<E: Element> Panel<'_, E> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(
        &self,
        simd: S,
        users: usize,
        x: Inputs<'_>,
        out: &mut [[f32; LANES]],
    ) {
        let tiled = if S::TILES { self.tiles::<S, R>(simd, users, x, out) } else { 0 };
        for user in tiled..users {
            let out = &mut self.out(user, out)[..R * ROW_VECTORS];
            multiply_rows::<S, E, R>(simd, self.weights, x.user(user), self.bias, out);
        }
    }

    /// Like `rows`, for a tile of users at a time. Returns the number of users processed.
    #[inline(always)]
    fn tiles<S: Simd, const R: usize>(
        &self,
        simd: S,
        users: usize,
        x: Inputs<'_>,
        out: &mut [[f32; LANES]],
    ) -> usize {
        let (weights, _) = self.weights.as_chunks::<ROW_VECTORS>();
        let (weights, _) = weights.as_chunks::<R>();
        let tiled = users - users % TILE;
        for user in 0..tiled {
            self.out(user, out)[..R * ROW_VECTORS].copy_from_slice(self.bias);
        }
        for (part, weights) in weights.chunks(AT_ONCE).enumerate() {
            for first in (0..tiled).step_by(TILE) {
                let mut inputs: [&[f32]; TILE] = [&[]; TILE];
                for (u, inputs) in inputs.iter_mut().enumerate() {
                    *inputs = &x.user(first + u)[part * AT_ONCE..][..weights.len()];
                }
                for r in 0..R {
                    let sums = &mut self.out(first, out)[r * ROW_VECTORS..];
                    add_products(simd, weights, r, inputs, sums, self.outputs);
                }
            }
        }
        tiled
    }

    #[inline(always)]
    fn vectors<S: Simd, const W: usize>(
        &self,
        simd: S,
        users: usize,
        x: Inputs<'_>,
        out: &mut [[f32; LANES]],
    ) {
        for user in 0..users {
            let out = &mut self.out(user, out)[..W];
            multiply::<S, E, W>(simd, self.weights, x.user(user), self.bias, out);
        }
    }

    /// The outputs of a user, from this panel's first column on.
    #[inline(always)]
    fn out<'a>(&self, user: usize, out: &'a mut [[f32; LANES]]) -> &'a mut [[f32; LANES]] {
        &mut out[user * self.outputs + self.first..]
    }
}

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
    let mut sums = [S::Row::splat(simd, 0.0); R];
    for r in 0..R {
        sums[r] = S::Row::load(simd, &bias[r]);
    }
    for (weights, &x) in panel.iter().zip(x) {
        let x = S::Row::splat(simd, x);
        for r in 0..R {
            sums[r] = sums[r] + x * E::load_row(simd, &weights[r]);
        }
    }
    for r in 0..R {
        sums[r].store(&mut out[r]);
    }
}

/// Multiplies one panel of W vectors, two inputs at a time.
#[inline(always)]
fn multiply<S: Simd, E: Element, const W: usize>(
    simd: S,
    panel: &[[E; LANES]],
    x: &[f32],
    bias: &[[f32; LANES]],
    out: &mut [[f32; LANES]],
) {
    let (panel, _) = panel.as_chunks::<W>();
    let ((panel, _), (x, _)) = (panel.as_chunks::<2>(), x.as_chunks::<2>());
    let mut sums = [simd.splat(0.0); W];
    for w in 0..W {
        sums[w] = simd.load(&bias[w]);
    }
    for (weights, x) in panel.iter().zip(x) {
        for i in 0..2 {
            let x = simd.splat(x[i]);
            for w in 0..W {
                sums[w] = sums[w] + x * E::load(simd, &weights[i][w]);
            }
        }
    }
    for w in 0..W {
        sums[w].store(&mut out[w]);
    }
}
