//! Matrix times vector, with 8-bit weights and 16-bit inputs.
//!
//! A vector x is quantized to q = x (32767 / max |x|), rounded to the nearest integer, and an output
//! is `bias[j] + (sum of q[i] w[i, j]) (max |x| / 32767) scale[j]`. Integer sums have no order, so
//! each instruction set may add the products as it likes. Inputs beyond 512 have sums of their own,
//! which are added in f32, in order.

use super::{ROUND, SMALLEST, lanes, largest};
use crate::aligned::AlignedBuf;
use crate::simd::{
    CodeGroup, GROUP, GROUPS_AT_ONCE, GroupRow, Kernel, LANES, ROW_LANES, ROW_VECTORS, Row, Simd,
    TILE, WeightRow,
};

const LARGEST_CODE: f32 = 32767.0;

/// Inputs whose products fit one 32-bit sum.
const AT_ONCE: usize = GROUPS_AT_ONCE * GROUP;

#[derive(Debug)]
pub(crate) struct IntegerLinear {
    /// Row by row of 32 outputs, each with its groups of four inputs:
    /// `[ceil(out / 32), in / 4, 32, 4]`.
    weights: AlignedBuf<i8>,
    /// Per [`GROUPS_AT_ONCE`] groups of inputs the sums of each output's weights:
    /// `[ceil(in / 512), ceil(out / 32), 32]`.
    sums: AlignedBuf<i32>,
    /// Per output, padded to whole rows.
    scale: AlignedBuf,
    bias: AlignedBuf,
    inputs: usize,
    outputs: usize,
}

/// A layer as stored: weight `[in, out]`, scale and bias `[out]`.
pub(crate) struct IntegerLayer {
    pub(crate) weight: Vec<i8>,
    pub(crate) scale: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// A reusable buffer for quantized inputs, in the form of an instruction set.
#[derive(Clone, Debug)]
pub(crate) struct Codes {
    codes: AlignedBuf<CodeGroup>,
    scales: AlignedBuf,
}

impl Codes {
    /// Room for vectors of `size` numbers.
    pub(crate) fn new(users: usize, size: usize) -> Self {
        Self { codes: AlignedBuf::zeros(users * size / GROUP), scales: AlignedBuf::zeros(users) }
    }
}

impl IntegerLinear {
    /// Concatenates layers that share their input.
    pub(crate) fn new(parts: &[IntegerLayer]) -> Self {
        let outputs: usize = parts.iter().map(|part| part.bias.len()).sum();
        let inputs = parts.iter().map(|part| part.weight.len()).sum::<usize>() / outputs;
        let padded = outputs.next_multiple_of(ROW_LANES);
        let (mut scale, mut bias) = (AlignedBuf::zeros(padded), AlignedBuf::zeros(padded));
        let mut weights = AlignedBuf::zeros(padded * inputs);
        let mut sums = AlignedBuf::zeros(padded * inputs.div_ceil(AT_ONCE));
        let mut first = 0;
        for part in parts {
            let columns = part.bias.len();
            scale[first..first + columns].copy_from_slice(&part.scale);
            bias[first..first + columns].copy_from_slice(&part.bias);
            for (input, row) in part.weight.chunks_exact(columns).enumerate() {
                for (column, &weight) in (first..).zip(row) {
                    let group = column / ROW_LANES * (inputs / GROUP) + input / GROUP;
                    weights[(group * ROW_LANES + column % ROW_LANES) * GROUP + input % GROUP] =
                        weight;
                    sums[input / AT_ONCE * padded + column] += i32::from(weight);
                }
            }
            first += columns;
        }
        Self { weights, sums, scale, bias, inputs, outputs }
    }

    #[inline(always)]
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Like `Linear::apply`.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(
        &self,
        simd: S,
        users: usize,
        x: &[f32],
        stride: usize,
        codes: &mut Codes,
        out: &mut [f32],
    ) {
        simd.run(Product { layer: self, users, x, stride, codes, out });
    }
}

struct Product<'a> {
    layer: &'a IntegerLinear,
    users: usize,
    x: &'a [f32],
    stride: usize,
    codes: &'a mut Codes,
    out: &'a mut [f32],
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { layer, users, x, stride, codes: Codes { codes, scales }, out } = self;
        let (size, groups) = (layer.inputs, layer.inputs / GROUP);
        for user in 0..users {
            let codes = &mut codes[user * groups..(user + 1) * groups];
            scales[user] = quantize(simd, &x[user * stride..][..size], codes);
        }
        let inputs = Inputs { codes, scales };
        let tiled = match S::TILES {
            true => layer.tiles::<S, TILE>(simd, 0, users, inputs, out),
            false => 0,
        };
        layer.tiles::<S, 1>(simd, tiled, users, inputs, out);
    }
}

#[derive(Clone, Copy)]
struct Inputs<'a> {
    codes: &'a [CodeGroup],
    scales: &'a [f32],
}

impl IntegerLinear {
    /// The outputs of users from `first` on, U at a time. Returns the first user that is left.
    #[inline(always)]
    fn tiles<S: Simd, const U: usize>(
        &self,
        simd: S,
        first: usize,
        users: usize,
        inputs: Inputs<'_>,
        out: &mut [f32],
    ) -> usize {
        let groups = self.inputs / GROUP;
        let (weights, _) = self.weights.as_chunks().0.as_chunks();
        let mut user = first;
        while user + U <= users {
            let mut codes: [&[CodeGroup]; U] = [&[]; U];
            let mut scales = [0.0; U];
            for u in 0..U {
                codes[u] = &inputs.codes[(user + u) * groups..][..groups];
                scales[u] = inputs.scales[user + u];
            }
            let out = &mut out[user * self.outputs..(user + U) * self.outputs];
            // A single user's sums of one row would wait for one another.
            let mut rest = weights.chunks_exact(2 * groups);
            let paired = if U == 1 { rest.len() * 2 } else { 0 };
            if U == 1 {
                for (two, rows) in rest.by_ref().enumerate() {
                    let (a, b) = rows.split_at(groups);
                    self.rows(simd, 2 * two, [a, b], codes, scales, out);
                }
            }
            for (row, weights) in weights.chunks_exact(groups).enumerate().skip(paired) {
                self.rows(simd, row, [weights], codes, scales, out);
            }
            user += U;
        }
        user
    }

    /// R rows of outputs from row `first` on, for each of U users.
    #[inline(always)]
    fn rows<S: Simd, const R: usize, const U: usize>(
        &self,
        simd: S,
        first: usize,
        rows: [&[GroupRow]; R],
        codes: [&[CodeGroup]; U],
        scales: [f32; U],
        out: &mut [f32],
    ) {
        let groups = rows[0].len();
        let mut dots = [[S::Row::splat(simd, 0.0); R]; U];
        let sums = self.sums.chunks_exact(self.scale.len());
        for (start, sums) in (0..groups).step_by(GROUPS_AT_ONCE).zip(sums) {
            let end = (start + GROUPS_AT_ONCE).min(groups);
            let (sums, _) = sums.as_chunks();
            let mut weights = [WeightRow { groups: &[], sums: &sums[first] }; R];
            for r in 0..R {
                weights[r] = WeightRow { groups: &rows[r][start..end], sums: &sums[first + r] };
            }
            let more = simd.code_dots(weights, codes.map(|codes| &codes[start..end]));
            for (dots, &more) in dots.as_flattened_mut().iter_mut().zip(more.as_flattened()) {
                *dots = *dots + more;
            }
        }
        let (scale, _) = lanes(&self.scale).as_chunks::<ROW_VECTORS>();
        let (bias, _) = lanes(&self.bias).as_chunks::<ROW_VECTORS>();
        for (u, dots) in dots.into_iter().enumerate() {
            for (row, dot) in (first..).zip(dots) {
                let scaled = dot * S::Row::splat(simd, scales[u]);
                let row_out =
                    scaled * S::Row::load(simd, &scale[row]) + S::Row::load(simd, &bias[row]);
                let out = &mut out[u * self.outputs..][..self.outputs][row * ROW_LANES..];
                match out.as_chunks_mut::<LANES>().0.as_chunks_mut::<ROW_VECTORS>().0 {
                    [whole, ..] => row_out.store(whole),
                    [] => {
                        let mut whole = [[0.0; LANES]; ROW_VECTORS];
                        row_out.store(&mut whole);
                        out.copy_from_slice(&whole.as_flattened()[..out.len()]);
                    }
                }
            }
        }
    }
}

/// Writes the codes of x, and returns what one of them is worth.
#[inline(always)]
fn quantize<S: Simd>(simd: S, x: &[f32], codes: &mut [CodeGroup]) -> f32 {
    let largest = largest(simd, x);
    let factor = if largest >= SMALLEST { LARGEST_CODE / largest } else { 0.0 };
    let (factor, round) = (simd.splat(factor), simd.splat(ROUND));
    let (codes, _) = codes.as_chunks_mut();
    for (x, codes) in lanes(x).iter().zip(codes) {
        simd.store_codes(simd.load(x) * factor + round, codes);
    }
    largest / LARGEST_CODE
}
