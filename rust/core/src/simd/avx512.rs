//! AVX-512: a row of 32 lanes is two 512-bit registers, and VNNI sums four 8-bit products at a time.
//! Vectors of eight lanes are those of AVX2.

use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Sub};

use super::avx2::{Avx2, Register};
use super::{
    CodeGroup, GROUP, GroupRow, IntegerQuery, Kernel, LANES, ROW_VECTORS, Row, Simd, WeightRow,
    packed,
};

/// Proof that the CPU has AVX-512 F, BW and VNNI besides AVX2. Only [`Avx512::detect`] creates it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512 {
    avx2: Avx2,
}

/// 32 lanes in two registers. Only functions that take an [`Avx512`] create one from scratch, so a
/// value itself proves that the CPU has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Pair([__m512; 2]);

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        Avx2::detect().filter(|_| avx512).map(|avx2| Self { avx2 })
    }
}

impl Simd for Avx512 {
    type Vector = Register;
    type Row = Pair;

    const HALVES: bool = false;

    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,f16c,avx512f,avx512bw,avx512vnni")]
        fn enabled<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: `self` exists, so `detect` found all of these features on this CPU.
        unsafe { enabled(self, kernel) }
    }

    #[inline(always)]
    fn prefetch(self, line: &[[f32; LANES]; 2]) {
        self.avx2.prefetch(line);
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Register {
        self.avx2.splat(x)
    }

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Register {
        self.avx2.load(x)
    }

    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> Register {
        self.avx2.load_f16(bits)
    }

    #[inline(always)]
    fn load_i8(self, x: &[i8; LANES]) -> Register {
        self.avx2.load_i8(x)
    }

    #[inline(always)]
    fn integer_dots(self, block: &[GroupRow], query: IntegerQuery<'_>) -> Pair {
        let [row] = self.integer_dots_each(block, [query]);
        row
    }

    #[inline(always)]
    fn integer_dots_each<const U: usize>(
        self,
        block: &[GroupRow],
        mut queries: [IntegerQuery<'_>; U],
    ) -> [Pair; U] {
        // SAFETY: `self` proves AVX-512 F and VNNI. A row is 32 groups of four i8, 128 bytes. Each
        // unaligned load reads one half.
        unsafe {
            // The instruction multiplies unsigned by signed integers. So 128 is added to the items,
            // and the resulting constant is subtracted first.
            let sign = _mm512_set1_epi8(i8::MIN);
            let mut sums = [[_mm512_setzero_si512(); 2]; U];
            for (sums, query) in sums.iter_mut().zip(&mut queries) {
                *sums = [_mm512_set1_epi32(-128 * query.sum); 2];
                query.codes = &query.codes[..block.len()];
            }
            for (group, row) in block.iter().enumerate() {
                let low = _mm512_loadu_si512(row.as_ptr().cast());
                let high = _mm512_loadu_si512(row[16..].as_ptr().cast());
                let items = [_mm512_xor_si512(low, sign), _mm512_xor_si512(high, sign)];
                for (sums, query) in sums.iter_mut().zip(&queries) {
                    let query = _mm512_set1_epi32(packed(query.codes[group]));
                    for (sum, items) in sums.iter_mut().zip(items) {
                        *sum = _mm512_dpbusd_epi32(*sum, items, query);
                    }
                }
            }
            let mut rows = [Pair([_mm512_setzero_ps(); 2]); U];
            for (row, [low, high]) in rows.iter_mut().zip(sums) {
                *row = Pair([_mm512_cvtepi32_ps(low), _mm512_cvtepi32_ps(high)]);
            }
            rows
        }
    }

    /// The low bytes of four codes, then their high bytes plus 128.
    #[inline(always)]
    fn store_codes(self, x: Register, to: &mut [CodeGroup; LANES / GROUP]) {
        // SAFETY: `self` proves AVX2. The unaligned store writes the 16 bytes of the reference.
        unsafe {
            let order = _mm256_set1_epi64x(0x0d09_0501_0c08_0400);
            let bytes = _mm256_shuffle_epi8(_mm256_castps_si256(x.0), order);
            let (low, high) = (_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
            let sign = _mm_set1_epi64x(0x8080_8080_0000_0000_u64.cast_signed());
            let codes = _mm_xor_si128(_mm_unpacklo_epi64(low, high), sign);
            _mm_storeu_si128(to.as_mut_ptr().cast(), codes);
        }
    }

    #[inline(always)]
    fn code_dots<const R: usize, const U: usize>(
        self,
        rows: [WeightRow<'_>; R],
        mut codes: [&[CodeGroup]; U],
    ) -> [[Pair; R]; U] {
        let groups = rows[0].groups.len();
        let weights = rows.map(|row| &row.groups[..groups]);
        for codes in &mut codes {
            *codes = &codes[..groups];
        }
        // SAFETY: `self` proves AVX-512 F and VNNI. Each unaligned load reads the 64 bytes of 16
        // groups, or 16 of the 32 sums.
        unsafe {
            // A code is 256 high + low - 32,768. The products of each byte fit 32 bits, and the sums
            // modulo 2^32 are those of the codes, which do too.
            let mut sums = [[[[_mm512_setzero_si512(); 2]; 2]; R]; U];
            for group in 0..groups {
                for r in 0..R {
                    for half in 0..2 {
                        let weights = weights[r][group][half * 16..].as_ptr().cast();
                        let weights = _mm512_loadu_si512(weights);
                        for u in 0..U {
                            let bytes: [i32; 2] = bytemuck::cast(codes[u][group]);
                            for (sum, bytes) in sums[u][r][half].iter_mut().zip(bytes) {
                                *sum = _mm512_dpbusd_epi32(*sum, _mm512_set1_epi32(bytes), weights);
                            }
                        }
                    }
                }
            }
            let mut out = [[Pair([_mm512_setzero_ps(); 2]); R]; U];
            for (out, sums) in out.iter_mut().zip(sums) {
                for ((out, sums), row) in out.iter_mut().zip(sums).zip(rows) {
                    let halves = out.0.iter_mut().zip(sums).zip(row.sums.as_chunks::<16>().0);
                    for ((out, [low, high]), weights) in halves {
                        let weights = _mm512_loadu_si512(weights.as_ptr().cast());
                        let bias = _mm512_slli_epi32::<15>(weights);
                        let sum = _mm512_add_epi32(low, _mm512_slli_epi32::<8>(high));
                        *out = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, bias));
                    }
                }
            }
            out
        }
    }
}

macro_rules! lanewise {
    ($($operation:ident, $method:ident, $intrinsic:ident;)*) => {$(
        impl $operation for Pair {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let ([a, b], [c, d]) = (self.0, other.0);
                // SAFETY: a `Pair` exists only where AVX-512 F was detected.
                Self(unsafe { [$intrinsic(a, c), $intrinsic(b, d)] })
            }
        }
    )*};
}

lanewise! {
    Add, add, _mm512_add_ps;
    Sub, sub, _mm512_sub_ps;
    Mul, mul, _mm512_mul_ps;
    Div, div, _mm512_div_ps;
}

impl Row<Avx512> for Pair {
    #[inline(always)]
    fn splat(_proof: Avx512, x: f32) -> Self {
        // SAFETY: the token proves AVX-512 F.
        Self([unsafe { _mm512_set1_ps(x) }; 2])
    }

    #[inline(always)]
    fn load(_proof: Avx512, x: &[[f32; LANES]; ROW_VECTORS]) -> Self {
        let (halves, _) = x.as_flattened().as_chunks::<16>();
        // SAFETY: the token proves AVX-512 F. Each unaligned load reads 16 of the 32 f32.
        Self(unsafe { [_mm512_loadu_ps(halves[0].as_ptr()), _mm512_loadu_ps(halves[1].as_ptr())] })
    }

    #[inline(always)]
    fn load_f16(_proof: Avx512, bits: &[[u16; LANES]; ROW_VECTORS]) -> Self {
        let (halves, _) = bits.as_flattened().as_chunks::<16>();
        // SAFETY: the token proves AVX-512 F. Each unaligned load reads the 32 bytes of 16 u16.
        Self(unsafe {
            [
                _mm512_cvtph_ps(_mm256_loadu_si256(halves[0].as_ptr().cast())),
                _mm512_cvtph_ps(_mm256_loadu_si256(halves[1].as_ptr().cast())),
            ]
        })
    }

    #[inline(always)]
    fn store(self, to: &mut [[f32; LANES]; ROW_VECTORS]) {
        let (halves, _) = to.as_flattened_mut().as_chunks_mut::<16>();
        for (register, to) in self.0.into_iter().zip(halves) {
            // SAFETY: a `Pair` exists only where AVX-512 F was detected. The unaligned store writes
            // the 16 f32 of the reference.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), register) }
        }
    }

    #[inline(always)]
    fn greater_mask(self, than: Self) -> u32 {
        let ([a, b], [c, d]) = (self.0, than.0);
        // SAFETY: a `Pair` exists only where AVX-512 F was detected.
        let (low, high) = unsafe {
            (_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, c), _mm512_cmp_ps_mask::<_CMP_GT_OQ>(b, d))
        };
        u32::from(low) | u32::from(high) << 16
    }

    #[inline(always)]
    fn select_greater(self, than: Self, yes: Self, no: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, than.0);
        let ([e, f], [g, h]) = (yes.0, no.0);
        // SAFETY: a `Pair` exists only where AVX-512 F was detected.
        Self(unsafe {
            [
                _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, c), g, e),
                _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(b, d), h, f),
            ]
        })
    }

    #[inline(always)]
    fn larger(self, than: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, than.0);
        // The instruction returns the second operand if one is NaN or both are zeros, as required.
        // SAFETY: a `Pair` exists only where AVX-512 F was detected.
        Self(unsafe { [_mm512_max_ps(a, c), _mm512_max_ps(b, d)] })
    }

    #[inline(always)]
    fn replace(self, lanes: u32, with: Self) -> Self {
        let ([a, b], [c, d]) = (self.0, with.0);
        // SAFETY: a `Pair` exists only where AVX-512 F was detected.
        Self(unsafe {
            [
                _mm512_mask_blend_ps(lanes as u16, a, c),
                _mm512_mask_blend_ps((lanes >> 16) as u16, b, d),
            ]
        })
    }

    #[inline(always)]
    fn low_bits_to_exponent(self) -> Self {
        let shifted = |half| {
            // SAFETY: a `Pair` exists only where AVX-512 F was detected.
            unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(half))) }
        };
        let [a, b] = self.0;
        Self([shifted(a), shifted(b)])
    }
}
