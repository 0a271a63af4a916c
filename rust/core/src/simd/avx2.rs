//! AVX2 and F16C: one 256-bit register holds the eight lanes. FMA is deliberately unused.

use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Sub};

use super::{
    CodeGroup, Four, GROUP, GroupRow, IntegerQuery, Kernel, LANES, ROW_VECTORS, Simd, Vector,
    WeightRow, packed,
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
        queries: [IntegerQuery<'_>; U],
    ) -> [Four<Register>; U] {
        let mut rows = [Four([self.splat(0.0); ROW_VECTORS]); U];
        if U == 1 {
            self.dots_of::<U, ROW_VECTORS>(block, &queries, 0, &mut rows);
        } else {
            for first in [0, 2] {
                // SAFETY: `self` proves AVX2 and F16C.
                unsafe { dots_of_tile(self, block, &queries, first, &mut rows) }
            }
        }
        rows
    }

    #[inline(always)]
    fn code_dots<const R: usize, const U: usize>(
        self,
        rows: [WeightRow<'_>; R],
        codes: [&[CodeGroup]; U],
    ) -> [[Four<Register>; R]; U] {
        let rows = rows.map(|row| row.groups);
        let mut out = [[Four([self.splat(0.0); ROW_VECTORS]); R]; U];
        if U == 1 {
            self.code_dots_of::<R, U, 2>(&rows, &codes, 0, &mut out);
            self.code_dots_of::<R, U, 2>(&rows, &codes, 2, &mut out);
        } else {
            for first in 0..ROW_VECTORS {
                // SAFETY: `self` proves AVX2 and F16C.
                unsafe { code_dots_of_tile(self, &rows, &codes, first, &mut out) }
            }
        }
        out
    }
}

/// [`Avx2::integer_dots_each`] for several queries and half a block, from vector `first` on. A
/// separate function, because the sums of both halves would be more than the registers.
#[inline(never)]
#[target_feature(enable = "avx2,f16c")]
fn dots_of_tile<const U: usize>(
    simd: Avx2,
    block: &[GroupRow],
    queries: &[IntegerQuery<'_>; U],
    first: usize,
    rows: &mut [Four<Register>; U],
) {
    simd.dots_of::<U, 2>(block, queries, first, rows);
}

/// [`Avx2::code_dots`] for several users and a quarter of a row; see [`dots_of_tile`].
#[inline(never)]
#[target_feature(enable = "avx2,f16c")]
fn code_dots_of_tile<const R: usize, const U: usize>(
    simd: Avx2,
    rows: &[&[GroupRow]; R],
    codes: &[&[CodeGroup]; U],
    first: usize,
    out: &mut [[Four<Register>; R]; U],
) {
    simd.code_dots_of::<R, U, 1>(rows, codes, first, out);
}

// Iterators over the sums would keep them in memory.
#[allow(clippy::needless_range_loop)]
impl Avx2 {
    /// [`Avx2::integer_dots_each`] for V vectors of items, from vector `first` on.
    #[inline(always)]
    fn dots_of<const U: usize, const V: usize>(
        self,
        block: &[GroupRow],
        queries: &[IntegerQuery<'_>; U],
        first: usize,
        rows: &mut [Four<Register>; U],
    ) {
        // SAFETY: `self` proves AVX2. A row is 32 groups of four i8. Each unaligned load reads the
        // 32 bytes from group 8 (first + v) on.
        unsafe {
            // The instruction multiplies unsigned by signed integers. So 128 is added to the items,
            // and the resulting constant is subtracted first. With codes whose pairs add up to at
            // most 128, two products are at most 255 * 128, so their sum does not saturate.
            let (sign, ones) = (_mm256_set1_epi8(i8::MIN), _mm256_set1_epi16(1));
            let mut sums = [[_mm256_setzero_si256(); V]; U];
            let mut codes: [&[[i8; GROUP]]; U] = [&[]; U];
            for u in 0..U {
                sums[u] = [_mm256_set1_epi32(-128 * queries[u].sum); V];
                codes[u] = &queries[u].codes[..block.len()];
            }
            for group in 0..block.len() {
                let mut items = [sign; V];
                for v in 0..V {
                    let from = block[group][(first + v) * LANES..][..LANES].as_ptr().cast();
                    items[v] = _mm256_xor_si256(_mm256_loadu_si256(from), sign);
                }
                for u in 0..U {
                    let query = _mm256_set1_epi32(packed(codes[u][group]));
                    for v in 0..V {
                        let pairs = _mm256_maddubs_epi16(items[v], query);
                        sums[u][v] = _mm256_add_epi32(sums[u][v], _mm256_madd_epi16(pairs, ones));
                    }
                }
            }
            for u in 0..U {
                for v in 0..V {
                    rows[u].0[first + v] = Register(_mm256_cvtepi32_ps(sums[u][v]));
                }
            }
        }
    }

    /// [`Avx2::code_dots`] for V vectors of outputs of each row, from vector `first` on.
    #[inline(always)]
    fn code_dots_of<const R: usize, const U: usize, const V: usize>(
        self,
        rows: &[&[GroupRow]; R],
        codes: &[&[CodeGroup]; U],
        first: usize,
        out: &mut [[Four<Register>; R]; U],
    ) {
        // SAFETY: `self` proves AVX2. Each unaligned load reads the 16 bytes of 4 groups.
        unsafe {
            // Two sums per output, so four outputs fill a register.
            let mut sums = [[[[_mm256_setzero_si256(); 2]; V]; R]; U];
            let (groups, mut rows, mut codes) = (rows[0].len(), *rows, *codes);
            for row in &mut rows {
                *row = &row[..groups];
            }
            for codes in &mut codes {
                *codes = &codes[..groups];
            }
            for group in 0..groups {
                for r in 0..R {
                    for v in 0..V {
                        for half in 0..2 {
                            let weights = &rows[r][group][(first + v) * LANES + half * 4..][..4];
                            let weights =
                                _mm256_cvtepi8_epi16(_mm_loadu_si128(weights.as_ptr().cast()));
                            for u in 0..U {
                                let codes = _mm256_set1_epi64x(bytemuck::cast(codes[u][group]));
                                let sum = &mut sums[u][r][v][half];
                                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(weights, codes));
                            }
                        }
                    }
                }
            }
            for u in 0..U {
                for r in 0..R {
                    for v in 0..V {
                        let [low, high] = sums[u][r][v];
                        let added = _mm256_hadd_epi32(low, high);
                        let ordered = _mm256_permute4x64_epi64::<0b11_01_10_00>(added);
                        out[u][r].0[first + v] = Register(_mm256_cvtepi32_ps(ordered));
                    }
                }
            }
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
    fn larger(self, than: Self) -> Self {
        // The instruction returns the second operand if one is NaN or both are zeros, as required.
        // SAFETY: a `Register` exists only where AVX2 was detected.
        Self(unsafe { _mm256_max_ps(self.0, than.0) })
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
