//! Scores of a catalogue of 8-bit integers with a scale per item.
//!
//! An item's score is defined by a slow f32 dot product, [`item_score`]. Most items never need it:
//! an integer dot product with the quantized hidden vector bounds the score, and shows
//! that the item cannot rank. [`QuantizedHidden`] bounds the difference between the two.

use super::block_scores::Bounds;
use super::{ROUND, SMALLEST, lanes, lanes_mut, largest_lane, magnitude};
use crate::simd::{GROUP, GroupRow, IntegerQuery, Kernel, LANES, ROW_VECTORS, Row, Simd, Vector};

/// The largest magnitude of an 8-bit integer.
const LARGEST: f64 = 128.0;

/// Half a unit in the last place of 1: the relative error of one rounding.
const ROUNDING: f64 = f32::EPSILON as f64 / 2.0;

/// A hidden vector h quantized to integers: h is about `scale` times the query.
#[derive(Clone, Copy, Default)]
pub(crate) struct QuantizedHidden<'a> {
    query: IntegerQuery<'a>,
    scale: f32,
    /// For every item, [`dot`] differs from `scale` times the integer dot product, computed in f32,
    /// by at most this. Infinite where no such bound holds.
    margin: f32,
}

/// Quantizes h to -127..=127, into `codes`, such that no pair of codes adds up to more than 128
/// either way (see [`Simd::integer_dots`]).
pub(crate) struct Quantize<'h, 'a> {
    pub(crate) hidden: &'h [f32],
    pub(crate) codes: &'a mut Vec<[i8; GROUP]>,
}

impl<'a> Kernel for Quantize<'_, 'a> {
    type Output = QuantizedHidden<'a>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> QuantizedHidden<'a> {
        let Self { hidden, codes } = self;
        codes.resize(hidden.len() / GROUP, [0; GROUP]);
        let largest = largest_of_pairs(simd, hidden);
        let (scale, factor) =
            if largest >= SMALLEST { (largest / 127.0, 127.0 / largest) } else { (0.0, 0.0) };
        let (worth, factor, round) = (simd.splat(scale), simd.splat(factor), simd.splat(ROUND));
        // Sums of |h|, of |scale code| and of |h - scale code|.
        let [mut exact, mut rounded, mut error] = [simd.splat(0.0); 3];
        for (h, codes) in lanes(hidden).iter().zip(lanes_mut(codes.as_flattened_mut())) {
            let h = simd.load(h);
            let shifted = h * factor + round;
            let value = worth * (shifted - round);
            exact = exact + magnitude(simd, h);
            rounded = rounded + magnitude(simd, value);
            error = error + magnitude(simd, h - value);
            let mut low = [0; LANES];
            shifted.store_low_halves(&mut low);
            *codes = low.map(|code| code as i8);
        }
        let margin = margin(hidden.len(), exact.sum(), rounded.sum(), error.sum());
        QuantizedHidden { query: IntegerQuery::new(codes), scale, margin }
    }
}

impl QuantizedHidden<'_> {
    /// For each of U vectors, bounds on the scores of a block's items.
    #[inline(always)]
    pub(crate) fn bounds<S: Simd, const U: usize>(
        each: [Self; U],
        simd: S,
        block: &[GroupRow],
        scales: &[[f32; LANES]; ROW_VECTORS],
    ) -> [Bounds<S::Row>; U] {
        let mut queries = [IntegerQuery::default(); U];
        for u in 0..U {
            queries[u] = each[u].query;
        }
        let scales = S::Row::load(simd, scales);
        let infinite = S::Row::splat(simd, f32::INFINITY);
        let none = Bounds { least: S::Row::splat(simd, f32::NEG_INFINITY), most: infinite };
        let mut bounds = [none; U];
        let rows = simd.integer_dots_each(block, queries);
        for ((bounds, row), Self { scale, margin, .. }) in bounds.iter_mut().zip(rows).zip(each) {
            if margin < f32::INFINITY {
                // Rounding is monotone, so multiplying by a non-negative scale keeps the order.
                let (dots, margin) =
                    (row * S::Row::splat(simd, scale), S::Row::splat(simd, margin));
                *bounds =
                    Bounds { least: scales * (dots - margin), most: scales * (dots + margin) };
            }
        }
        bounds
    }
}

/// The largest magnitude among h and the sums of its pairs. A multiple of h whose largest is 127 has
/// codes of pairs that add up to at most 128, as each is rounded by half or less.
#[inline(always)]
fn largest_of_pairs<S: Simd>(simd: S, hidden: &[f32]) -> f32 {
    let mut most = simd.splat(0.0);
    for h in lanes(hidden) {
        let h = simd.load(h);
        for number in [h, h + h.swap_pairs()] {
            let size = magnitude(simd, number);
            most = size.larger(most);
        }
    }
    largest_lane(most)
}

/// With q the item's integers: |sum q h - scale sum q code| <= 128 sum |h - scale code|. Added to
/// this are the roundings of [`dot`] (per product: its own, D / 8 sums, 3 in the tree) and those of
/// the integer sum's conversion, product and addition. The sums given are themselves rounded, like
/// `dot`; a value of a code was rounded once more. Factors slightly above one cover the roundings of
/// this computation itself.
fn margin(size: usize, exact: f32, rounded: f32, error: f32) -> f32 {
    let relative = (size / LANES + 4) as f64 * ROUNDING * 1.01;
    let [exact, rounded, error] =
        [exact, rounded, error].map(|sum| f64::from(sum) * (1.0 + relative));
    let error = error + ROUNDING * rounded;
    let of_dot = relative * LARGEST * exact
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
