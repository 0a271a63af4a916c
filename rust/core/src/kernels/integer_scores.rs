//! Scores of a catalogue whose numbers are 8-bit integers with a scale an item.
//!
//! An item's score is exact arithmetic's nearest relative, and slow: see [`item_score`]. Most items
//! need none, because an integer dot product with the rounded hidden vector tells that they cannot
//! be good enough. [`Rounded`] carries the proof: how far the two can be apart.

use crate::kernels::lanes;
use crate::simd::{GROUP, GroupRow, LANES, ROW_VECTORS, Row, Simd, Vector};

/// The largest magnitude of an 8-bit number.
const LARGEST: f64 = 128.0;

/// Half a unit in the last place of 1: the relative error of one rounding.
const ROUNDING: f64 = f32::EPSILON as f64 / 2.0;

/// A hidden vector h as integers: h is about `scale` times the codes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rounded<'a> {
    codes: &'a [[i8; GROUP]],
    scale: f32,
    /// For every item, [`dot`] is at most `scale` times the integer dot product, computed in f32,
    /// plus this. Infinity where that cannot be said.
    margin: f32,
}

impl<'a> Rounded<'a> {
    /// Rounds h to -127..=127; `codes` is overwritten.
    pub(crate) fn new(hidden: &[f32], codes: &'a mut Vec<[i8; GROUP]>) -> Self {
        let largest = hidden.iter().fold(0.0, |largest: f32, h| largest.max(h.abs()));
        let scale = largest / 127.0;
        let inverse = if scale > 0.0 { 1.0 / f64::from(scale) } else { 0.0 };
        // Sums of |h|, of |scale code| and of |h - scale code|.
        let (mut exact, mut rounded, mut apart) = (0.0, 0.0, 0.0);
        let (groups, _) = hidden.as_chunks::<GROUP>();
        codes.clear();
        codes.extend(groups.iter().map(|group| {
            group.map(|h| {
                let h = f64::from(h);
                let code = (h * inverse).round().clamp(-127.0, 127.0);
                let value = f64::from(scale) * code;
                exact += h.abs();
                rounded += value.abs();
                apart += (h - value).abs();
                code as i8
            })
        }));
        Self { codes, scale, margin: margin(hidden.len(), exact, rounded, apart) }
    }

    /// For each item of a block, a number that its score does not exceed.
    #[inline(always)]
    pub(crate) fn at_most<S: Simd>(
        &self,
        simd: S,
        block: &[GroupRow],
        scales: &[[f32; LANES]; ROW_VECTORS],
    ) -> S::Row {
        if self.margin == f32::INFINITY {
            return S::Row::splat(simd, f32::INFINITY);
        }
        let dots = simd.integer_dots(block, self.codes);
        // Rounding is monotone, so a factor that is not negative keeps the order.
        let most = dots * S::Row::splat(simd, self.scale) + S::Row::splat(simd, self.margin);
        S::Row::load(simd, scales) * most
    }
}

/// With q the item's integers: |sum q h - scale sum q code| <= 128 sum |h - scale code|. To this come
/// the roundings of [`dot`] (on the way of a product: its own, D / 8 sums, the tree's 3) and those
/// of the integer sum's conversion, product and sum. Factors slightly above one cover the roundings of
/// this computation itself.
fn margin(size: usize, exact: f64, rounded: f64, apart: f64) -> f32 {
    let of_dot = (size / LANES + 4) as f64 * ROUNDING * 1.01 * LARGEST * exact
        // Where products underflow.
        + f64::from(f32::MIN_POSITIVE);
    let margin = LARGEST * apart + of_dot;
    let most = LARGEST * rounded + margin;
    let margin = (margin + 4.0 * ROUNDING * most) * 1.000_001;
    // The comparison is false for NaN. Below it nothing overflows.
    if most < f64::from(f32::MAX) / 4.0 { (margin as f32).next_up() } else { f32::INFINITY }
}

/// scale (q . h): the score of one item of a block, by definition.
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

/// q . h in eight lanes and one tree.
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
