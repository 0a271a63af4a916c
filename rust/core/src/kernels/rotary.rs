//! Rotation of queries and keys by position.
//!
//! The angle is computed in turns and reduced in f64. Its error stays below the rounding of f32 for
//! about 10^8 events, and below 1e-6 for 10^10. Sine and cosine are implemented here, so that their
//! bits are the same on every platform.

use super::{lanes, lanes_mut};
use crate::simd::{Kernel, Simd, Vector};

/// The odd terms of sin(pi / 2 r) from r^13 down to r.
const SIN: [f64; 7] = [
    5.692172921967927e-8,
    -3.598843235212085e-6,
    1.6044118478735983e-4,
    -4.681754135318688e-3,
    7.969262624616705e-2,
    -6.459640975062463e-1,
    std::f64::consts::FRAC_PI_2,
];

/// The even terms of cos(pi / 2 r) from r^14 down to 1.
const COS: [f64; 8] = [
    -6.386603083791852e-9,
    4.710874778818172e-7,
    -2.5202042373060607e-5,
    9.192602748394266e-4,
    -2.0863480763352963e-2,
    2.5366950790104803e-1,
    -1.2337005501361697,
    1.0,
];

/// 1.5 * 2^52: adding it to a small f64 rounds to the nearest integer, held in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Sine and cosine of an angle in turns. The error is at most 0.501 ULP of f32, relative to the
/// reduced angle, and results stay within [-1, 1].
///
/// Free of branches, so that compilers vectorise it.
#[inline(always)]
pub(crate) fn sin_cos(turns: f64) -> (f32, f32) {
    // In quarter turns: `quarter` is the quadrant, `r` the remainder in [-1/2, 1/2], both exact.
    let quarters = (turns - turns.floor()) * 4.0;
    let rounded = quarters + ROUND;
    let quarter = rounded.to_bits() as u32;
    let r = quarters - (rounded - ROUND);
    let squared = r * r;
    let sin = (r * horner(squared, &SIN)) as f32;
    let cos = horner(squared, &COS) as f32;
    // (sin, cos), (cos, -sin), (-sin, -cos), (-cos, sin)
    let (s, c) = if quarter & 1 == 0 { (sin, cos) } else { (cos, sin) };
    (negate_if(quarter & 2, s), negate_if((quarter + 1) & 2, c))
}

/// -x if `flag` is 2, x if it is 0.
#[inline(always)]
fn negate_if(flag: u32, x: f32) -> f32 {
    f32::from_bits(x.to_bits() ^ flag << 30)
}

#[inline(always)]
fn horner(x: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

/// Computes the rotation of pairs (2i, 2i + 1) at a position, in the layout of [`rotate`]: each
/// cosine twice, each sine twice with opposite signs.
#[inline(always)]
pub(crate) fn fill<S: Simd>(
    simd: S,
    position: u64,
    frequency: &[f64],
    cos: &mut [f32],
    sin: &mut [f32],
) {
    simd.run(Fill { position, frequency, cos, sin });
}

struct Fill<'a> {
    position: u64,
    frequency: &'a [f64],
    cos: &'a mut [f32],
    sin: &'a mut [f32],
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        let (cos, _) = self.cos.as_chunks_mut::<2>();
        let (sin, _) = self.sin.as_chunks_mut::<2>();
        for ((&frequency, cos), sin) in self.frequency.iter().zip(cos).zip(sin) {
            let (s, c) = sin_cos(self.position as f64 * frequency);
            *cos = [c, c];
            *sin = [-s, s];
        }
    }
}

/// out = x with each pair (a, b) rotated: (a cos - b sin, b cos + a sin)
#[inline(always)]
pub(crate) fn rotate<S: Simd>(simd: S, x: &[f32], cos: &[f32], sin: &[f32], out: &mut [f32]) {
    let by = lanes(cos).iter().zip(lanes(sin));
    for ((x, out), (cos, sin)) in lanes(x).iter().zip(lanes_mut(out)).zip(by) {
        let x = simd.load(x);
        (x * simd.load(cos) + x.swap_pairs() * simd.load(sin)).store(out);
    }
}
