//! Maximum errors as documented, over the whole range of f32.

use std::marker::PhantomData;

use super::bits;
use crate::kernels::activation::{self, Activation, FeatureMap, Gelu, Silu};
use crate::simd::{Backend, Kernel, Simd};

struct Apply<A>(Vec<f32>, PhantomData<A>);

impl<A: Activation> Kernel for Apply<A> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) -> Vec<f32> {
        activation::apply::<S, A>(simd, &mut self.0);
        self.0
    }
}

/// Applies the activation; asserts the same bits on every instruction set.
fn apply<A: Activation>(x: &[f32]) -> Vec<f32> {
    let run = |backend: Backend| backend.run(Apply::<A>(x.to_vec(), PhantomData));
    let mut results = Backend::available().map(run);
    let first = results.next().unwrap();
    assert!(results.all(|result| bits(&result) == bits(&first)));
    first
}

fn ulp(x: f64) -> f64 {
    let exponent = x.abs().log2().floor().max(-126.0) as i32;
    2_f64.powi(exponent - 23)
}

/// Every 997th bit pattern of both signs, and every 101st near one: values of every binade.
fn inputs() -> Vec<f32> {
    let limit = f32::INFINITY.to_bits();
    let near_one = (0x3d00_0000..0x4300_0000).step_by(101);
    let patterns = (0..limit).step_by(997).chain(near_one);
    let mut inputs: Vec<_> =
        patterns.flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)]).collect();
    inputs.truncate(inputs.len() / 8 * 8);
    inputs
}

fn largest_error<A: Activation>(reference: fn(f64) -> f64) -> f64 {
    let inputs = inputs();
    let found = apply::<A>(&inputs);
    let mut largest = 0.0;
    for (&x, &y) in inputs.iter().zip(&found) {
        let expected = reference(x.into());
        if expected.abs() > f32::MAX.into() {
            assert!(y.is_infinite() || y == f32::MAX, "{x}: {y}");
            continue;
        }
        let error = (f64::from(y) - expected).abs() / ulp(expected);
        assert!(error.is_finite(), "{x}: {y}");
        largest = error.max(largest);
    }
    largest
}

/// 1 - Phi(x) for x >= 0: a series near zero, a continued fraction in the tail.
fn normal_tail(x: f64) -> f64 {
    let density = (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    if x < 3.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..80 {
            term *= x * x / f64::from(2 * n + 1);
            sum += term;
        }
        return 0.5 - density * sum;
    }
    density / (1..200).rev().fold(x, |below, n| x + f64::from(n) / below)
}

fn gelu(x: f64) -> f64 {
    if x > 0.0 { x - x * normal_tail(x) } else { x * normal_tail(-x) }
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

macro_rules! stays_within {
    ($($name:ident: $activation:ty, $reference:expr, $ulp:expr;)*) => {$(
        #[test]
        fn $name() {
            let error = largest_error::<$activation>($reference);
            println!("{}: {error:.3} ULP", stringify!($name));
            assert!(error <= $ulp, "{error} ULP");
        }
    )*};
}

stays_within! {
    silu_all: Silu, silu, 4.0;
    gelu_all: Gelu, gelu, 5.0;
    feature_map: FeatureMap, |x| if x > 0.0 { x + 1.0 } else { x.exp() }, 1.0;
}

/// The smallest f32 allowed at the minimum of GELU, x = -0.7518.
const GELU_LEAST: f32 = -0.169_971_25;

#[test]
fn results_stay_in_range() {
    let inputs = inputs();
    let (silu, gelu) = (apply::<Silu>(&inputs), apply::<Gelu>(&inputs));
    let feature_map = apply::<FeatureMap>(&inputs);
    for (i, &x) in inputs.iter().enumerate() {
        // The implied sigmoid lies in [0, 1].
        assert!(silu[i].abs() <= x.abs() && silu[i] * x >= 0.0, "SiLU at {x}");
        let range = if x > 0.0 { 0.0..=x } else { GELU_LEAST..=0.0 };
        assert!(range.contains(&gelu[i]), "GELU at {x}: {}", gelu[i]);
        assert!(if x > -87.0 { feature_map[i] > 0.0 } else { feature_map[i] >= 0.0 });
    }
}

#[test]
fn nan_stays_nan() {
    let nan = [f32::NAN; 8];
    for found in [apply::<FeatureMap>(&nan), apply::<Silu>(&nan), apply::<Gelu>(&nan)] {
        assert!(found.iter().all(|y| y.is_nan()));
    }
}

#[test]
fn edges() {
    let inputs = vec![0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, -104.0, 89.0, 1e30, -1e30];
    let inf = f32::INFINITY;
    assert_eq!(apply::<FeatureMap>(&inputs), [1.0, 1.0, inf, 0.0, 0.0, 90.0, 1e30, 0.0]);
    assert_eq!(apply::<Gelu>(&inputs), [0.0, 0.0, inf, 0.0, 0.0, 89.0, 1e30, 0.0]);
}
