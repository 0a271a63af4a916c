//! The bounds of an 8-bit table hold, and are not infinite for ordinary numbers.

use super::noise;
use crate::kernels::block_scores::BLOCK;
use crate::kernels::integer_scores::{Quantize, QuantizedHidden, item_score};
use crate::simd::{Backend, GROUP, GroupRow, Kernel, LANES, ROW_VECTORS, Row, Simd};

/// For each item of a block the lower bound, the score and the upper bound.
struct Checked<'a> {
    hidden: &'a [f32],
    block: &'a [GroupRow],
    scales: &'a [[f32; LANES]; ROW_VECTORS],
}

impl Kernel for Checked<'_> {
    type Output = Vec<[f32; 3]>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<[f32; 3]> {
        let Self { hidden, block, scales } = self;
        let mut codes = Vec::new();
        let quantized = simd.run(Quantize { hidden, codes: &mut codes });
        let [bounds] = QuantizedHidden::bounds([quantized], simd, block, scales);
        let [mut least, mut most] = [[[0.0; LANES]; ROW_VECTORS]; 2];
        bounds.least.store(&mut least);
        bounds.most.store(&mut most);
        let (least, most) = (least.as_flattened(), most.as_flattened());
        let scale = scales.as_flattened();
        let score = |item| item_score(simd, block, item, scale[item], hidden);
        (0..BLOCK).map(|item| [least[item], score(item), most[item]]).collect()
    }
}

#[test]
fn scores_lie_within_their_bounds() {
    for size in [8, 24, 64, 136] {
        for seed in 0..40 {
            // From below 2^-100, where all codes are zero, to near the largest f32.
            let factor = 10_f32.powi([0, -3, 3, -33, 30][seed % 5]);
            let hidden: Vec<f32> = noise(size, seed as u32).iter().map(|h| h * factor).collect();
            let integers: Vec<i8> =
                noise(size * BLOCK, 1000 + seed as u32).iter().map(|x| (x * 64.0) as i8).collect();
            let (block, _) = integers.as_chunks::<GROUP>().0.as_chunks::<BLOCK>();
            let mut scales = [[0.01; LANES]; ROW_VECTORS];
            scales[0][0] = 0.0;
            for backend in Backend::available() {
                let checked = Checked { hidden: &hidden, block, scales: &scales };
                for (item, [least, score, most]) in backend.run(checked).into_iter().enumerate() {
                    assert!(least <= score && score <= most, "{size} {seed} {item}");
                    let of_zero = item == 0; // its scale is 0
                    assert_eq!(least == most, of_zero, "{size} {seed} {item}");
                    assert!(most - least < f32::MAX, "{size} {seed} {item}");
                }
            }
        }
    }
}

/// The codes of a vector.
struct Codes<'a>(&'a [f32]);

impl Kernel for Codes<'_> {
    type Output = Vec<i8>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<i8> {
        let mut codes = Vec::new();
        simd.run(Quantize { hidden: self.0, codes: &mut codes });
        codes.as_flattened().to_vec()
    }
}

/// As [`Simd::integer_dots`] needs them.
#[test]
fn no_two_codes_of_a_pair_add_up_to_more_than_128() {
    let mut vectors = vec![vec![1.0; 64], vec![-3.0; 64], vec![f32::MIN_POSITIVE; 8]];
    vectors.push([1.0, 1.0, -1.0, 1.0, 0.5, 0.25, -1.0, -1.0].repeat(3));
    vectors.extend((0..200).map(|seed| noise(64, seed)));
    vectors.extend((0..50).map(|seed| noise(8, seed).iter().map(|h| 1.0 + h * 1e-3).collect()));
    for (number, hidden) in vectors.iter().enumerate() {
        for backend in Backend::available() {
            let codes = backend.run(Codes(hidden));
            assert!(codes.iter().all(|&code| code != i8::MIN), "{number}");
            for pair in codes.as_chunks::<2>().0 {
                assert!(
                    (i16::from(pair[0]) + i16::from(pair[1])).abs() <= 128,
                    "{number} {pair:?}"
                );
            }
        }
    }
}
