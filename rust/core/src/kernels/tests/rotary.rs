//! Sine and cosine of turns, and the rotation.

use super::{assert_close, noise, on_every_isa, wide};
use crate::kernels::rotary::{fill, rotate, sin_cos};
use crate::simd::Scalar;

#[test]
fn sine_and_cosine_of_a_million_angles() {
    let count = 1_000_000;
    let mut largest = 0.0_f64;
    for i in 0..=count {
        // An exact quarter turn plus a remainder in [-1/8, 1/8]: the functions of f64 lose nothing.
        let (quarter, rest) = (i % 4, (f64::from(i) / f64::from(count) - 0.5) / 4.0);
        let turns = f64::from(quarter) / 4.0 + rest;
        let reduced = turns - f64::from(quarter) / 4.0;
        let (s, c) = (std::f64::consts::TAU * reduced).sin_cos();
        let expected = [(s, c), (c, -s), (-s, -c), (-c, s)][quarter as usize];
        let found = sin_cos(turns);
        for (found, expected) in [(found.0, expected.0), (found.1, expected.1)] {
            let ulp = 2_f64.powi(expected.abs().max(1e-30).log2().floor() as i32 - 23);
            // Adding the quarter to the remainder rounds in f64. That is no error of the sine.
            let error = ((f64::from(found) - expected).abs() - 1e-15).max(0.0) / ulp;
            assert!(error <= 0.501, "{turns}: {found} for {expected}");
            assert!(found.abs() <= 1.0, "{turns}: {found}");
            largest = largest.max(error);
        }
    }
    println!("{largest:.4} ULP");
}

/// So the errors above hold on every instruction set.
#[test]
fn angles_have_the_same_bits_on_every_isa() {
    let frequency: Vec<_> = (0..4096)
        .map(|i| (f64::from(i) / 4096.0) * 2_f64.powi(i % 90 - 60))
        .flat_map(|turns| [turns, -turns, turns + 0.125])
        .collect();
    for position in [1, 7, 1 << 40, u64::MAX] {
        let size = 2 * frequency.len();
        let found = on_every_isa!(|simd, both, frequency: Vec<f64>, position: u64|
        vec![0.0; 2 * size] => {
            let (cos, sin) = both.split_at_mut(2 * frequency.len());
            fill(simd, *position, frequency, cos, sin);
        });
        for (pair, &frequency) in frequency.iter().enumerate() {
            let (s, c) = sin_cos(position as f64 * frequency);
            assert_eq!(found[2 * pair..2 * pair + 2], [c, c]);
            assert_eq!(found[size + 2 * pair..][..2], [-s, s]);
        }
    }
}

#[test]
fn whole_turns_have_no_effect() {
    for turns in [0.125, 0.3, 0.999, 0.5] {
        let fraction = (turns + 4096.0) - 4096.0;
        assert_eq!(sin_cos(fraction + 4096.0), sin_cos(fraction));
        assert_eq!(sin_cos(fraction - 4096.0), sin_cos(fraction));
    }
    assert_eq!(sin_cos(0.25), (1.0, 0.0));
    assert_eq!(sin_cos(-0.5), (0.0, -1.0));
}

#[test]
fn overflowing_frequencies_are_harmless() {
    let (mut cos, mut sin) = ([0.0; 8], [0.0; 8]);
    fill(Scalar, u64::MAX, &[f64::MAX, -f64::MAX, 0.0, 1e-300], &mut cos, &mut sin);
    assert_eq!(cos[4..], [1.0; 4]);
}

#[test]
fn rotation() {
    for size in [8, 16, 24, 64] {
        let x = noise(size, 1);
        let frequency: Vec<_> = (0..size / 2).map(|i| 0.01 * i as f64 + 0.003).collect();
        let (mut cos, mut sin) = (vec![0.0; size], vec![0.0; size]);
        fill(Scalar, 12_345, &frequency, &mut cos, &mut sin);
        let found = on_every_isa!(|simd, out, x: Vec<f32>, cos: Vec<f32>, sin: Vec<f32>|
            vec![0.0; size] => rotate(simd, x, cos, sin, &mut out));
        let mut expected = wide(&x);
        for (pair, frequency) in expected.chunks_exact_mut(2).zip(frequency) {
            let (s, c) = (std::f64::consts::TAU * (12_345.0 * frequency)).sin_cos();
            pair.copy_from_slice(&[pair[0] * c - pair[1] * s, pair[0] * s + pair[1] * c]);
        }
        assert_close(&found, &expected, "rotate");
    }
}
