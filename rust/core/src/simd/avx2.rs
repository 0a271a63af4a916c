//! AVX2 and F16C: one 256-bit register holds the eight lanes. FMA is deliberately unused.

use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Sub};

use super::{
    CodeGroup, Four, GroupRow, IntegerQuery, Kernel, LANES, ROW_VECTORS, Simd, Vector, WeightRow,
    packed,
};

/// Proof that the CPU has AVX2 and F16C. Only [`Avx2::detect`] creates it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2 {
    _detected: (),
}

/// Eight lanes in a register. Only the methods of [`Avx2`] create one from scratch, so a value
/// itself proves that the CPU has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Register(pub(super) __m256);

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c"))
            .then_some(Self { _detected: () })
    }
}

impl Simd for Avx2 {
    type Vector = Register;
    type Row = Four<Register>;

    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,f16c")]
        fn enabled<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: `self` exists, so `detect` found AVX2 and F16C on this CPU.
        unsafe { enabled(self, kernel) }
    }

    #[inline(always)]
    fn prefetch(self, line: &[[f32; LANES]; 2]) {
        // SAFETY: `self` proves AVX2, and so SSE. A prefetch has no visible effect.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Register {
        // SAFETY: `self` proves AVX2.
        Register(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Register {
        // SAFETY: `self` proves AVX2. The unaligned load reads the eight f32 of the reference.
        Register(unsafe { _mm256_loadu_ps(x.as_ptr()) })
    }

    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> Register {
        // SAFETY: `self` proves AVX2 and F16C. The unaligned load reads the eight u16.
        Register(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(bits.as_ptr().cast())) })
    }

    #[inline(always)]
    fn load_i8(self, x: &[i8; LANES]) -> Register {
        // SAFETY: `self` proves AVX2. The unaligned load reads the 8 bytes of the reference.
        Register(unsafe {
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(x.as_ptr().cast())))
        })
    }

    #[inline(always)]
    fn integer_dots(self, block: &[GroupRow], query: IntegerQuery<'_>) -> Four<Register> {
        let [row] = self.integer_dots_each(block, [query]);
        row
    }

    #[inline(always)]
    fn integer_dots_each<const U: usize>(
        self,
        block: &[GroupRow],
        mut queries: [IntegerQuery<'_>; U],
    ) -> [Four<Register>; U] {
        for query in &mut queries {
            query.codes = &query.codes[..block.len()];
        }
        // SAFETY: `self` proves AVX2. A row is 32 groups of four i8. Each unaligned load reads the
        // 32 bytes from group 8 v on.
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let mut sums = [[_mm256_setzero_si256(); ROW_VECTORS]; U];
            for (group, row) in block.iter().enumerate() {
                for v in 0..ROW_VECTORS {
                    let items = _mm256_loadu_si256(row[v * LANES..].as_ptr().cast());
                    let sizes = _mm256_abs_epi8(items);
                    for (sums, query) in sums.iter_mut().zip(&queries) {
                        // |item| times the query with the item's sign. Two products are at most
                        // 2 * 128 * 127, so their sum does not saturate.
                        let query = _mm256_set1_epi32(packed(query.codes[group]));
                        let signed = _mm256_sign_epi8(query, items);
                        let pairs = _mm256_maddubs_epi16(sizes, signed);
                        sums[v] = _mm256_add_epi32(sums[v], _mm256_madd_epi16(pairs, ones));
                    }
                }
            }
            let mut rows = [Four([Register(_mm256_setzero_ps()); ROW_VECTORS]); U];
            for (row, sums) in rows.iter_mut().zip(sums) {
                for (register, sum) in row.0.iter_mut().zip(sums) {
                    *register = Register(_mm256_cvtepi32_ps(sum));
                }
            }
            rows
        }
    }

    #[inline(always)]
    fn code_dots<const R: usize, const U: usize>(
        self,
        rows: [WeightRow<'_>; R],
        mut codes: [&[CodeGroup]; U],
    ) -> [[Four<Register>; R]; U] {
        let groups = rows[0].groups.len();
        let rows = rows.map(|row| &row.groups[..groups]);
        for codes in &mut codes {
            *codes = &codes[..groups];
        }
        // SAFETY: `self` proves AVX2. Each unaligned load reads the 16 bytes of 4 groups.
        unsafe {
            let mut out = [[Four([Register(_mm256_setzero_ps()); ROW_VECTORS]); R]; U];
            // Two sums per output, so four outputs fill a register. Half a row at a time: the sums
            // of a whole one exceed the registers.
            for half in 0..2 {
                let mut sums = [[[_mm256_setzero_si256(); ROW_VECTORS]; R]; U];
                for group in 0..groups {
                    for r in 0..R {
                        for quarter in 0..4 {
                            let weights = rows[r][group][half * 16 + quarter * 4..].as_ptr();
                            let weights = _mm256_cvtepi8_epi16(_mm_loadu_si128(weights.cast()));
                            for u in 0..U {
                                let codes = _mm256_set1_epi64x(bytemuck::cast(codes[u][group]));
                                let sum = &mut sums[u][r][quarter];
                                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(weights, codes));
                            }
                        }
                    }
                }
                for (out, sums) in out.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                    for v in 0..2 {
                        let added = _mm256_hadd_epi32(sums[2 * v], sums[2 * v + 1]);
                        let ordered = _mm256_permute4x64_epi64::<0b11_01_10_00>(added);
                        out.0[half * 2 + v] = Register(_mm256_cvtepi32_ps(ordered));
                    }
                }
            }
            out
        }
    }
}

macro_rules! lanewise {
    ($($operation:ident, $method:ident, $intrinsic:ident;)*) => {$(
        impl $operation for Register {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: a `Register` exists only where AVX2 was detected.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    )*};
}

lanewise! {
    Add, add, _mm256_add_ps;
    Sub, sub, _mm256_sub_ps;
    Mul, mul, _mm256_mul_ps;
    Div, div, _mm256_div_ps;
}

impl Vector for Register {
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        // SAFETY: a `Register` exists only where AVX2 was detected. The unaligned store writes the
        // eight f32 of the reference.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn greater_mask(self, than: Self) -> u32 {
        // SAFETY: a `Register` exists only where AVX2 was detected.
        let bits = unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(self.0, than.0)) };
        bits.cast_unsigned()
    }

    #[inline(always)]
    fn select_greater(self, than: Self, yes: Self, no: Self) -> Self {
        // SAFETY: a `Register` exists only where AVX2 was detected.
        Self(unsafe { _mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, than.0)) })
    }

    #[inline(always)]
    fn replace(self, lanes: u8, with: Self) -> Self {
        // SAFETY: a `Register` exists only where AVX2 was detected.
        Self(unsafe {
            let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let set = _mm256_and_si256(_mm256_set1_epi32(i32::from(lanes)), bits);
            let mask = _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, bits));
            _mm256_blendv_ps(self.0, with.0, mask)
        })
    }

    #[inline(always)]
    fn low_bits_to_exponent(self) -> Self {
        // SAFETY: a `Register` exists only where AVX2 was detected.
        Self(unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(self.0))) })
    }

    #[inline(always)]
    fn store_low_halves(self, to: &mut [i16; LANES]) {
        // SAFETY: a `Register` exists only where AVX2 was detected. The unaligned store writes the
        // eight i16 of the reference.
        unsafe {
            let bits = _mm256_castps_si256(self.0);
            let low = _mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(bits)); // saturation keeps it
            let halves =
                _mm_packs_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256::<1>(low));
            _mm_storeu_si128(to.as_mut_ptr().cast(), halves);
        }
    }

    #[inline(always)]
    fn swap_pairs(self) -> Self {
        // SAFETY: a `Register` exists only where AVX2 was detected.
        Self(unsafe { _mm256_permute_ps::<0b10_11_00_01>(self.0) })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: a `Register` exists only where AVX2 was detected.
        unsafe {
            let low = _mm256_castps256_ps128(self.0);
            let quads = _mm_add_ps(low, _mm256_extractf128_ps::<1>(self.0)); // l + (l + 4)
            let pairs = _mm_add_ps(quads, _mm_movehl_ps(quads, quads)); // l + (l + 2)
            _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)))
        }
    }
}
