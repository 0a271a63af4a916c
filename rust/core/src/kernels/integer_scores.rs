//! Scores of a catalogue of 8-bit integers with a scale per item.
//!
//! An item's score is defined by a slow f32 dot product, [`item_score`]. Most items never need it:
//! an integer dot product with the quantized hidden vector bounds the score from above, and shows
//! that the item cannot rank. [`QuantizedHidden`] bounds the difference between the two.

use crate::kernels::lanes;
use crate::simd::{GROUP, GroupRow, IntegerQuery, LANES, ROW_VECTORS, Row, Simd, Vector};

/// The largest magnitude of an 8-bit integer.
const LARGEST: f64 = 128.0;

/// Half a unit in the last place of 1: the relative error of one rounding.
const ROUNDING: f64 = f32::EPSILON as f64 / 2.0;

/// A hidden vector h quantized to integers: h is about `scale` times the query.
#[derive(Clone, Copy, Default)]
pub(crate) struct QuantizedHidden<'a> {
    query: IntegerQuery<'a>,
    scale: f32,
    /// For every item, [`dot`] is at most `scale` times the integer dot product, computed in f32,
    /// plus this margin. Infinite where no such bound holds.
    margin: f32,
}

impl<'a> QuantizedHidden<'a> {
    /// Quantizes h to -127..=127, into `codes`.
    pub(crate) fn new(hidden: &[f32], codes: &'a mut Vec<[i8; GROUP]>) -> Self {
        let largest = hidden.iter().fold(0.0, |largest: f32, h| largest.max(h.abs()));
        let scale = largest / 127.0;
        let inverse = if scale > 0.0 { 1.0 / f64::from(scale) } else { 0.0 };
        // Sums of |h|, of |scale code| and of |h - scale code|.
        let (mut exact, mut rounded, mut error) = (0.0, 0.0, 0.0);
        let (groups, _) = hidden.as_chunks::<GROUP>();
        codes.clear();
        codes.extend(groups.iter().map(|group| {
            group.map(|h| {
                let h = f64::from(h);
                let code = (h * inverse).round().clamp(-127.0, 127.0);
                let value = f64::from(scale) * code;
                exact += h.abs();
                rounded += value.abs();
                error += (h - value).abs();
                code as i8
            })
        }));
        Self {
            query: IntegerQuery::new(codes),
            scale,
            margin: margin(hidden.len(), exact, rounded, error),
        }
    }

    /// For each of U vectors, upper bounds on the scores of a block's items.
    #[inline(always)]
    pub(crate) fn upper_bounds<S: Simd, const U: usize>(
        each: [Self; U],
        simd: S,
        block: &[GroupRow],
        scales: &[[f32; LANES]; ROW_VECTORS],
    ) -> [S::Row; U] {
        let mut queries = [IntegerQuery::default(); U];
        for u in 0..U {
            queries[u] = each[u].query;
        }
        let mut rows = simd.integer_dots_each(block, queries);
        let scales = S::Row::load(simd, scales);
        for (row, Self { scale, margin, .. }) in rows.iter_mut().zip(each) {
            // Rounding is monotone, so multiplying by a non-negative scale keeps the order.
            let bound = *row * S::Row::splat(simd, scale) + S::Row::splat(simd, margin);
            *row = if margin == f32::INFINITY {
                S::Row::splat(simd, f32::INFINITY)
            } else {
                scales * bound
            };
        }
        rows
    }
}

/// With q the item's integers: |sum q h - scale sum q code| <= 128 sum |h - scale code|. Added to
/// this are the roundings of [`dot`] (per product: its own, D / 8 sums, 3 in the tree) and those of
/// the integer sum's conversion, product and addition. Factors slightly above one cover the
/// roundings of this computation itself.
fn margin(size: usize, exact: f64, rounded: f64, error: f64) -> f32 {
    let of_dot = (size / LANES + 4) as f64 * ROUNDING * 1.01 * LARGEST * exact
        // Products that underflow.
        + f64::from(f32::MIN_POSITIVE);
    let margin = LARGEST * error + of_dot;
    let most = LARGEST * rounded + margin;
    let margin = (margin + 4.0 * ROUNDING * most) * 1.000_001;
    // The comparison is false for NaN. Below the limit nothing overflows.
    if most < f64::from(f32::MAX) / 4.0 { (margin as f32).next_up() } else { f32::INFINITY }
}

/// scale (q . h): the definition of the score of one item of a block.
#[inline(always)]
pub(crate) fn item_score<S: Simd>(
    simd: S,
    block: &[GroupRow],
    item: usize,
    scale: f32,
    hidden: &[f32],
) -> f32 {
    scale * dot(simd, block, item, hidden)
}

/// q . h in eight lanes, summed in one tree.
#[inline(always)]
fn dot<S: Simd>(simd: S, block: &[GroupRow], item: usize, hidden: &[f32]) -> f32 {
    let (pairs, _) = block.as_chunks::<2>();
    let mut sum = simd.splat(0.0);
    for ([low, high], hidden) in pairs.iter().zip(lanes(hidden)) {
        let ([a, b, c, d], [e, f, g, h]) = (low[item], high[item]);
        sum = sum + simd.load_i8(&[a, b, c, d, e, f, g, h]) * simd.load(hidden);
    }
    sum.sum()
}
