//! One event of gated rotary-enhanced linear attention, without the gate.
//!
//! S is laid out `[d, D]`: row i, column h * d + j is S of head h at (i, j). Where d is a multiple
//! of eight, a vector of columns lies in one head. Otherwise its lanes may belong to several heads,
//! and their keys and queries are gathered.

use super::{lanes, lanes_mut};
use crate::simd::{Kernel, LANES, Simd, Vector};

const EPSILON: f32 = 1e-6;

/// Vectors of columns that are updated at once.
const AT_ONCE: usize = 4;

/// One event in one block. Queries and keys are those after the feature map; slices have D elements.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) query: &'a [f32],
    pub(crate) key: &'a [f32],
    /// Equal to `query` and `key` in models without rotation.
    pub(crate) query_rotated: &'a [f32],
    pub(crate) key_rotated: &'a [f32],
    pub(crate) value: &'a [f32],
    pub(crate) decay: &'a [f32],
    /// The size of a head, d.
    pub(crate) head_size: usize,
}

impl Event<'_> {
    /// S = gamma S + k~ v^T;  z = gamma z + k;  out = (q~^T S) / (q . z + epsilon)
    ///
    /// `sums` is S `[d, D]` and z `[D]`, optionally followed by as many carries: the rounding
    /// errors of the additions so far.
    #[inline(always)]
    pub(crate) fn attend<S: Simd>(self, simd: S, sums: &mut [f32], out: &mut [f32]) {
        simd.run(Attend { event: self, sums, out });
    }

    /// FAST: heads are whole, there are no carries, and columns are a multiple of [`AT_ONCE`]
    /// vectors. For other models, such as those of ablations, code size matters more than speed.
    #[inline(always)]
    fn update<S: Simd, const FAST: bool>(
        &self,
        simd: S,
        sums: &mut [f32],
        carries: &mut [f32],
        out: &mut [f32],
    ) {
        let cells = self.value.len() * self.head_size;
        let (s, z) = sums.split_at_mut(cells);
        let (s_carries, z_carries) = carries.split_at_mut(cells.min(carries.len()));
        let z_carries = lanes_mut(z_carries);
        for (index, z) in lanes_mut(z).iter_mut().enumerate() {
            let (decay, key) =
                (simd.load(&lanes(self.decay)[index]), simd.load(&lanes(self.key)[index]));
            let carry = if FAST { None } else { z_carries.get_mut(index) };
            accumulate(simd, decay, key, z, carry);
        }
        self.normalisers(simd, z, out);
        self.all_columns::<S, FAST>(simd, s, s_carries, out);
    }

    /// out = q . z + epsilon of each column's head
    #[inline(always)]
    fn normalisers<S: Simd>(&self, simd: S, z: &[f32], out: &mut [f32]) {
        let heads = self.query.chunks_exact(self.head_size).zip(z.chunks_exact(self.head_size));
        for ((query, z), out) in heads.zip(out.chunks_exact_mut(self.head_size)) {
            out.fill(dot(simd, query, z) + EPSILON);
        }
    }

    /// Updates S, and divides the outputs by the normalisers in `out`.
    #[inline(always)]
    fn all_columns<S: Simd, const FAST: bool>(
        &self,
        simd: S,
        s: &mut [f32],
        carries: &mut [f32],
        out: &mut [f32],
    ) {
        let vectors = self.value.len() / LANES;
        let step = if FAST { AT_ONCE } else { 1 };
        for first in (0..vectors).step_by(step) {
            match FAST {
                true => self.columns::<S, FAST, AT_ONCE>(simd, first, s, carries, out),
                false => self.columns::<S, FAST, 1>(simd, first, s, carries, out),
            }
        }
    }

    /// Like `all_columns`, for W vectors of columns from vector `first` on.
    #[inline(always)]
    fn columns<S: Simd, const FAST: bool, const W: usize>(
        &self,
        simd: S,
        first: usize,
        s: &mut [f32],
        carries: &mut [f32],
        out: &mut [f32],
    ) {
        let (zero, whole) = (simd.splat(0.0), FAST || self.head_size.is_multiple_of(LANES));
        let (mut value, mut decay, mut sum) = ([zero; W], [zero; W], [zero; W]);
        let mut heads = [[0; LANES]; W];
        let (mut keys, mut queries): ([&[f32]; W], [&[f32]; W]) = ([&[]; W], [&[]; W]);
        for w in 0..W {
            value[w] = simd.load(&lanes(self.value)[first + w]);
            decay[w] = simd.load(&lanes(self.decay)[first + w]);
            for (l, head) in heads[w].iter_mut().enumerate() {
                let column = (first + w) * LANES + l;
                *head = column - column % self.head_size;
            }
            if whole {
                keys[w] = &self.key_rotated[heads[w][0]..][..self.head_size];
                queries[w] = &self.query_rotated[heads[w][0]..][..self.head_size];
            }
        }
        let vectors = self.value.len() / LANES;
        let carries = lanes_mut(carries);
        for (i, row) in (0..self.head_size).zip(s.chunks_exact_mut(self.value.len())) {
            let cells = &mut lanes_mut(row)[first..first + W];
            for w in 0..W {
                let (key, query) = match whole {
                    true => (simd.splat(keys[w][i]), simd.splat(queries[w][i])),
                    false => (
                        per_head(simd, self.key_rotated, &heads[w], i),
                        per_head(simd, self.query_rotated, &heads[w], i),
                    ),
                };
                let carry = match FAST {
                    true => None,
                    false => carries.get_mut(i * vectors + first + w),
                };
                let cell = accumulate(simd, decay[w], key * value[w], &mut cells[w], carry);
                sum[w] = sum[w] + query * cell;
            }
        }
        let out = &mut lanes_mut(out)[first..first + W];
        for (sum, out) in sum.into_iter().zip(out) {
            (sum / simd.load(out)).store(out);
        }
    }
}

struct Attend<'a> {
    event: Event<'a>,
    sums: &'a mut [f32],
    out: &'a mut [f32],
}

impl Kernel for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { event, sums, out } = self;
        let (sums, carries) = sums.split_at_mut(event.value.len() * (event.head_size + 1));
        let fast = event.head_size.is_multiple_of(LANES) && carries.is_empty();
        match fast && event.value.len().is_multiple_of(AT_ONCE * LANES) {
            true => event.update::<S, true>(simd, sums, carries, out),
            false => event.update::<S, false>(simd, sums, carries, out),
        }
    }
}

/// sum = gamma sum + new; returns the sum.
///
/// With a carry this is Kahan's compensated sum: the carry is the rounding error of earlier
/// additions. The decay is then part of the addend, as -(1 - gamma) sum. This makes its rounding
/// error as small as the addend, not as the sum.
#[inline(always)]
fn accumulate<S: Simd>(
    simd: S,
    decay: S::Vector,
    new: S::Vector,
    sum: &mut [f32; LANES],
    carry: Option<&mut [f32; LANES]>,
) -> S::Vector {
    let old = simd.load(sum);
    let total = match carry {
        None => decay * old + new,
        Some(carry) => {
            let change = new - (simd.splat(1.0) - decay) * old + simd.load(carry);
            let total = old + change;
            (change - (total - old)).store(carry);
            total
        }
    };
    total.store(sum);
    total
}

/// Element i of each lane's head. `heads` holds the first column of each lane's head.
#[inline(always)]
fn per_head<S: Simd>(simd: S, x: &[f32], heads: &[usize; LANES], i: usize) -> S::Vector {
    let mut gathered = [0.0; LANES];
    for (to, head) in gathered.iter_mut().zip(heads) {
        *to = x[head + i];
    }
    simd.load(&gathered)
}

/// x . y in eight lanes, summed in one tree. A partial last chunk is padded with zeros.
#[inline(always)]
pub(crate) fn dot<S: Simd>(simd: S, x: &[f32], y: &[f32]) -> f32 {
    let (x_whole, x_rest) = x.as_chunks::<LANES>();
    let (y_whole, y_rest) = y.as_chunks::<LANES>();
    let mut sum = simd.splat(0.0);
    for (x, y) in x_whole.iter().zip(y_whole) {
        sum = sum + simd.load(x) * simd.load(y);
    }
    if !x_rest.is_empty() {
        sum = sum + simd.load(&padded(x_rest)) * simd.load(&padded(y_rest));
    }
    sum.sum()
}

#[inline(always)]
fn padded(part: &[f32]) -> [f32; LANES] {
    let mut whole = [0.0; LANES];
    whole[..part.len()].copy_from_slice(part);
    whole
}
