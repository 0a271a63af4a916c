//! exp, SiLU, GELU and the feature map, built from exactly rounded operations only.
//!
//! The stated errors are tested over every binade of f32. Polynomial coefficients are a weighted
//! minimax fit, rounded to f32.

use std::marker::PhantomData;

use super::{ROUND, lanes_mut};
use crate::simd::{Kernel, LANES, ROW_VECTORS, Row, Simd};

/// 2^23 + 127 + 64: added to an integer n, it puts the exponent of 2^(n + 64) in the low mantissa
/// bits.
const EXPONENT_BIAS: f32 = 8_388_799.0;

const UNSCALE: f32 = 1.0 / (1_u128 << 64) as f32;

/// ln 2 in two parts. The first has 9 bits, so its product with any f32 exponent is exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// (e^r - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2], highest power first.
const EXP: [f32; 5] = [1.381_446_7e-3, 8.368_781e-3, 4.166_839_3e-2, 1.666_652e-1, 4.999_999_4e-1];

/// Below this, e^x times any factor used here underflows f32.
const EXP_END: f32 = -120.0;

/// Above this, |x| e^-|x| underflows f32.
const SILU_END: f32 = 120.0;

/// Above this, the tail of the normal distribution underflows f32.
const TAIL_END: f32 = 15.0;

/// Where [`TAIL`] changes from following a to following 1 / a.
const TAIL_TURN: f32 = 2.5;

/// Near the middle of the range of v in `normal_tail`.
const TAIL_CENTRE: f32 = 11.0 / 32.0;

/// (a + 5/2) t(a) as powers of v - 11/32 with v = a / (a + 5/2) and t(a) = e^(a^2 / 2) (1 - Phi(a))
/// for a in [0, TAIL_END], highest power first.
const TAIL: [f32; 10] = [
    -8.066_302e-2,
    3.423_017_6e-2,
    1.158_968_6e-1,
    3.703_217_6e-2,
    -1.466_663_6e-1,
    -1.770_912_1e-1,
    2.150_561_5e-1,
    4.581_102_4e-1,
    -1.023_188_2,
    8.546_435e-1,
];

/// A scalar function, applied lane by lane.
pub(crate) trait Activation {
    fn apply<S: Simd>(simd: S, x: S::Row) -> S::Row;
}

#[inline(always)]
pub(crate) fn apply<S: Simd, A: Activation>(simd: S, x: &mut [f32]) {
    simd.run(Apply::<A> { x, activation: PhantomData });
}

struct Apply<'a, A> {
    x: &'a mut [f32],
    activation: PhantomData<A>,
}

impl<A: Activation> Kernel for Apply<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (rows, rest) = lanes_mut(self.x).as_chunks_mut();
        let mut padded = [[0.0; LANES]; ROW_VECTORS];
        padded[..rest.len()].copy_from_slice(rest);
        let last = if rest.is_empty() { &mut [][..] } else { std::slice::from_mut(&mut padded) };
        for row in rows.iter_mut().chain(last) {
            A::apply(simd, S::Row::load(simd, row)).store(row);
        }
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}

/// x / (1 + e^-x), within 4 ULP.
pub(crate) struct Silu;

impl Activation for Silu {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: S::Row) -> S::Row {
        let (zero, one, end) =
            (S::Row::splat(simd, 0.0), S::Row::splat(simd, 1.0), S::Row::splat(simd, SILU_END));
        let size = x.select_greater(zero, x, zero - x);
        let size = size.select_greater(end, end, size);
        // e^-|x| never overflows, and the quotient keeps full precision on both sides of zero.
        let decaying = Decaying::exp(simd, zero - size, zero);
        let above = x.select_greater(zero, x, zero - decaying.times(simd, size));
        above / (one + decaying.times(simd, one))
    }
}

/// x Phi(x), the exact (erf) GELU, within 5 ULP for negative x too.
pub(crate) struct Gelu;

impl Activation for Gelu {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: S::Row) -> S::Row {
        let zero = S::Row::splat(simd, 0.0);
        let end = S::Row::splat(simd, TAIL_END);
        let size = x.select_greater(zero, x, zero - x);
        let size = size.select_greater(end, end, size);
        let tail = normal_tail(simd, size);
        // x > 0: x Phi(x) = x - x (1 - Phi(x)); x <= 0: x Phi(x) = -|x| (1 - Phi(|x|)).
        x.select_greater(zero, x, zero) - tail
    }
}

/// x > 0 ? x + 1 : e^x, which is ELU(x) + 1 without cancellation, within 1 ULP.
pub(crate) struct FeatureMap;

impl Activation for FeatureMap {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: S::Row) -> S::Row {
        let (zero, one) = (S::Row::splat(simd, 0.0), S::Row::splat(simd, 1.0));
        let decaying = Decaying::exp(simd, x.select_greater(zero, zero, x), zero);
        x.select_greater(zero, x + one, decaying.times(simd, one))
    }
}

/// 2^64 e^x for x <= 0: a normal number even where e^x underflows.
struct Decaying<S: Simd>(S::Row);

impl<S: Simd> Decaying<S> {
    /// For x + small, where `small` is the rounding error of x.
    #[inline(always)]
    fn exp(simd: S, x: S::Row, small: S::Row) -> Self {
        // Below this the result is zero anyway. Clamping keeps the exponent in range.
        let low = S::Row::splat(simd, EXP_END);
        let x = low.select_greater(x, low, x);
        let round = S::Row::splat(simd, ROUND);
        let n = (x * S::Row::splat(simd, std::f32::consts::LOG2_E) + round) - round;
        let high = x - n * S::Row::splat(simd, LN2_HIGH);
        let r = (high - n * S::Row::splat(simd, LN2_LOW)) + small;
        let squared = r * r;
        let mantissa = S::Row::splat(simd, 1.0) + (r + squared * quartic(simd, r, squared, &EXP));
        let power = (n + S::Row::splat(simd, EXPONENT_BIAS)).low_bits_to_exponent();
        Self(mantissa * power)
    }

    /// e^x times a factor of up to 2^7.
    #[inline(always)]
    fn times(&self, simd: S, factor: S::Row) -> S::Row {
        factor * self.0 * S::Row::splat(simd, UNSCALE)
    }
}

/// a (1 - Phi(a)) for a in [0, TAIL_END].
#[inline(always)]
fn normal_tail<S: Simd>(simd: S, a: S::Row) -> S::Row {
    // v is small where a is, and keeps its precision. A polynomial in 1 - v would lose some there.
    let v = a / (a + S::Row::splat(simd, TAIL_TURN));
    let scaled = v * nonic(simd, v - S::Row::splat(simd, TAIL_CENTRE), &TAIL);

    // a^2 has 48 bits. It is split into high^2 (exact, `high` has 12 bits) and a small remainder.
    let shifted = a * S::Row::splat(simd, 4097.0);
    let high = shifted - (shifted - a);
    let minus_half = S::Row::splat(simd, -0.5);
    let rest = (a - high) * (a + high) * minus_half;
    Decaying::exp(simd, high * high * minus_half, rest).times(simd, scaled)
}

/// A polynomial of degree 4, highest power first. Estrin's scheme, for shorter dependency chains.
#[inline(always)]
fn quartic<S: Simd>(simd: S, x: S::Row, squared: S::Row, c: &[f32; 5]) -> S::Row {
    let high = S::Row::splat(simd, c[0]) * squared + line(simd, x, c[1], c[2]);
    high * squared + line(simd, x, c[3], c[4])
}

/// A polynomial of degree 9, likewise.
#[inline(always)]
fn nonic<S: Simd>(simd: S, x: S::Row, c: &[f32; 10]) -> S::Row {
    let squared = x * x;
    let high = line(simd, x, c[0], c[1]) * squared + line(simd, x, c[2], c[3]);
    let high = high * squared + line(simd, x, c[4], c[5]);
    let low = line(simd, x, c[6], c[7]) * squared + line(simd, x, c[8], c[9]);
    high * (squared * squared) + low
}

/// slope x + offset. A function, because a closure is not inlined on every instruction set.
#[inline(always)]
fn line<S: Simd>(simd: S, x: S::Row, slope: f32, offset: f32) -> S::Row {
    S::Row::splat(simd, slope) * x + S::Row::splat(simd, offset)
}
