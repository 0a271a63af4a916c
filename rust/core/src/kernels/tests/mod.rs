//! Every kernel on every instruction set, against a naive f64 loop.

mod activation;
mod agreement;
mod integer_scores;
mod naive;
mod rotary;

/// Runs one kernel on every instruction set, each on a copy of the same buffer. Asserts that the
/// bits agree, and returns the buffer. The kernel is an expression over `simd`, the buffer and
/// captures.
macro_rules! on_every_isa {
    (|$simd:ident, $buffer:ident $(, $capture:ident: $type:ty)*| $start:expr => $body:expr) => {{
        struct Run<'a> {
            buffer: Vec<f32>,
            $($capture: &'a $type,)*
        }
        impl $crate::simd::Kernel for Run<'_> {
            type Output = Vec<f32>;

            #[inline(always)]
            fn run<S: $crate::simd::Simd>(self, $simd: S) -> Vec<f32> {
                let Self { buffer: mut $buffer, $($capture),* } = self;
                $body;
                $buffer
            }
        }
        let start: Vec<f32> = $start;
        let mut results = $crate::simd::Backend::available().map(|backend| {
            backend.run(Run { buffer: start.clone(), $($capture: &$capture,)* })
        });
        let first = results.next().unwrap();
        for result in results {
            assert_eq!($crate::kernels::tests::bits(&result), $crate::kernels::tests::bits(&first));
        }
        first
    }};
}
use on_every_isa;

use crate::kernels::samples::noise;

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

/// Asserts that the values match those of the f64 loop, up to rounding.
fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0, |largest: f64, x| largest.max(x.abs()));
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= 2e-6 * largest, "{what} at {index}: {found} for {expected}");
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}
