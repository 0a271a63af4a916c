//! exp, SiLU, GELU and the feature map, from exact operations only.
//!
//! The errors stated here are tested over every binade of f32. Polynomial coefficients are a
//! weighted minimax fit, rounded to f32.

use super::lanes_mut;
use crate::simd::{Simd, Vector};

/// 1.5 * 2^23: adding and subtracting it rounds a small f32 to the nearest integer.
const ROUND: f32 = 12_582_912.0;

/// 2^23 + 127: added to an integer n, it leaves n + 127 in the low bits of the mantissa.
const EXPONENT_BIAS: f32 = 8_388_735.0;

/// ln 2 in two parts. The first has 9 significant bits, so its product with any exponent of f32
/// is exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// (e^r - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2], highest power first.
const EXP: [f32; 5] = [1.381_446_7e-3, 8.368_781e-3, 4.166_839_3e-2, 1.666_652e-1, 4.999_999_4e-1];

/// Past this, |x| e^-|x| is below every f32.
const SILU_END: f32 = 120.0;

/// Past this, the tail of the normal distribution is below every f32.
const TAIL_END: f32 = 15.0;

/// Where [`TAIL`] turns from following a to following 1 / a.
const TAIL_TURN: f32 = 2.5;

/// About the middle of v below.
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

/// A function of one number, applied lane by lane.
pub(crate) trait Activation {
    /// Its value.
    fn apply<S: Simd>(simd: S, x: S::Vector) -> S::Vector;
}

/// x = A(x)
#[inline(always)]
pub(crate) fn apply<S: Simd, A: Activation>(simd: S, x: &mut [f32]) {
    for x in lanes_mut(x) {
        A::apply(simd, simd.load(x)).store(x);
    }
}

/// e^x. At most 1 ULP; underflow is gradual, overflow gives infinity.
pub(crate) struct Exp;

impl Activation for Exp {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
        Scaled::exp(simd, x, simd.splat(0.0)).times(simd.splat(1.0))
    }
}

/// x / (1 + e^-x). At most 4 ULP.
pub(crate) struct Silu;

impl Activation for Silu {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
        let (zero, one, end) = (simd.splat(0.0), simd.splat(1.0), simd.splat(SILU_END));
        let size = x.select_greater(zero, x, zero - x);
        let size = size.select_greater(end, end, size);
        // e^-|x| never overflows, and the quotient keeps its digits on both sides of zero.
        let decaying = Scaled::exp(simd, zero - size, zero);
        let above = x.select_greater(zero, x, zero - decaying.times(size));
        above / (one + decaying.times(one))
    }
}

/// x Phi(x), the exact (erf) GELU. At most 4.5 ULP, for negative x too.
pub(crate) struct Gelu;

impl Activation for Gelu {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
        let zero = simd.splat(0.0);
        let end = simd.splat(TAIL_END);
        let size = x.select_greater(zero, x, zero - x);
        let size = size.select_greater(end, end, size);
        let tail = normal_tail(simd, size);
        // x > 0: x Phi(x) = x - x (1 - Phi(x)); x <= 0: x Phi(x) = -|x| (1 - Phi(|x|)).
        x.select_greater(zero, x, zero) - tail
    }
}

/// x > 0 ? x + 1 : e^x, which is ELU(x) + 1 without lost digits. At most 1 ULP.
pub(crate) struct FeatureMap;

impl Activation for FeatureMap {
    #[inline(always)]
    fn apply<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
        let zero = simd.splat(0.0);
        x.select_greater(zero, x + simd.splat(1.0), Exp::apply(simd, x))
    }
}

/// A number as m 2^a 2^b, before the rounding that its exponent may call for.
struct Scaled<V> {
    mantissa: V,
    /// n reaches past the exponents of normal numbers on both sides, so 2^n takes two factors.
    powers: [V; 2],
}

impl<V: Vector> Scaled<V> {
    /// e^(x + small), where `small` is what rounding took from x.
    #[inline(always)]
    fn exp<S: Simd<Vector = V>>(simd: S, x: V, small: V) -> Self {
        // Beyond these the result is infinity or zero anyway, and the exponent stays in range.
        let (low, high) = (simd.splat(-120.0), simd.splat(89.0));
        let x = x.select_greater(high, high, x);
        let x = low.select_greater(x, low, x);

        let round = simd.splat(ROUND);
        let n = (x * simd.splat(std::f32::consts::LOG2_E) + round) - round;
        let r = ((x - n * simd.splat(LN2_HIGH)) - n * simd.splat(LN2_LOW)) + small;
        let p = polynomial(simd, r, &EXP);
        let mantissa = simd.splat(1.0) + (r + r * r * p);
        let half = (n * simd.splat(0.5) + round) - round;
        Self { mantissa, powers: [power_of_two(simd, half), power_of_two(simd, n - half)] }
    }

    /// The product with a factor; where it is subnormal, it is rounded only once.
    #[inline(always)]
    fn times(&self, factor: V) -> V {
        factor * self.mantissa * self.powers[0] * self.powers[1]
    }
}

/// 2^n for an integer n in -126..=127.
#[inline(always)]
fn power_of_two<S: Simd>(simd: S, n: S::Vector) -> S::Vector {
    (n + simd.splat(EXPONENT_BIAS)).low_bits_to_exponent()
}

/// a (1 - Phi(a)) for a in [0, TAIL_END].
#[inline(always)]
fn normal_tail<S: Simd>(simd: S, a: S::Vector) -> S::Vector {
    // v is small where a is, and keeps its digits; a polynomial in 1 - v would lose some there.
    let v = a / (a + simd.splat(TAIL_TURN));
    let scaled = v * polynomial(simd, v - simd.splat(TAIL_CENTRE), &TAIL);

    // a^2 has 48 bits. Split as high^2 (exact, `high` has 12) and a rest that is small.
    let shifted = a * simd.splat(4097.0);
    let high = shifted - (shifted - a);
    let minus_half = simd.splat(-0.5);
    let rest = (a - high) * (a + high) * minus_half;
    Scaled::exp(simd, high * high * minus_half, rest).times(scaled)
}

/// Horner's rule, the highest power first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(
    simd: S,
    x: S::Vector,
    coefficients: &[f32; N],
) -> S::Vector {
    let mut sum = simd.splat(coefficients[0]);
    for &c in &coefficients[1..] {
        sum = sum * x + simd.splat(c);
    }
    sum
}
