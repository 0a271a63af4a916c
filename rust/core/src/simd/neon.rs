//! NEON: a pair of 128-bit registers holds the eight lanes. FMA is deliberately unused.

use std::arch::aarch64::*;
use std::arch::asm;
use std::ops::{Add, Div, Mul, Sub};

use super::{
    CodeGroup, Four, GroupRow, IntegerQuery, Kernel, LANES, ROW_VECTORS, Simd, Vector, WeightRow,
    packed,
};

/// Proof that the CPU has NEON. Compiled only for targets that have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon {
    _detected: (),
}

#[derive(Clone, Copy)]
pub(crate) struct Pair([float32x4_t; 2]);

impl Neon {
    pub(crate) const fn detect() -> Option<Self> {
        Some(Self { _detected: () })
    }
}

impl Simd for Neon {
    type Vector = Pair;
    type Row = Four<Pair>;

    #[inline(never)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Pair {
        // SAFETY: the target has NEON.
        Pair([unsafe { vdupq_n_f32(x) }; 2])
    }

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Pair {
        // SAFETY: the target has NEON. Each unaligned load reads four of the eight f32.
        Pair(unsafe { [vld1q_f32(x.as_ptr()), vld1q_f32(x[4..].as_ptr())] })
    }

    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> Pair {
        // SAFETY: the target has NEON. Each unaligned load reads four of the eight u16.
        let (low, high) = unsafe { (vld1_u16(bits.as_ptr()), vld1_u16(bits[4..].as_ptr())) };
        Pair([half_to_single(low), half_to_single(high)])
    }

    #[inline(always)]
    fn load_i8(self, x: &[i8; LANES]) -> Pair {
        // SAFETY: the target has NEON. The unaligned load reads the eight i8 of the reference.
        unsafe {
            let wide = vmovl_s8(vld1_s8(x.as_ptr()));
            floats([vmovl_s16(vget_low_s16(wide)), vmovl_high_s16(wide)])
        }
    }

    #[inline(always)]
    fn integer_dots(self, block: &[GroupRow], query: IntegerQuery<'_>) -> Four<Pair> {
        // SAFETY: the target has NEON. Each unaligned load reads 16 bytes: four of a row's 32 groups
        // of four i8.
        unsafe {
            let mut sums = [[vdupq_n_s32(0); 2]; ROW_VECTORS];
            for (row, &query) in block.iter().zip(query.codes) {
                let query = vreinterpretq_s8_s32(vdupq_n_s32(packed(query)));
                for (half, sum) in sums.as_flattened_mut().iter_mut().enumerate() {
                    let items = vld1q_s8(row[half * 4..].as_ptr().cast());
                    // Two products are at most 2 * 128 * 127, so their sum does not wrap.
                    let low = vmull_s8(vget_low_s8(items), vget_low_s8(query));
                    let pairs = vpaddq_s16(low, vmull_high_s8(items, query));
                    *sum = vpadalq_s16(*sum, pairs);
                }
            }
            let [a, b, c, d] = sums;
            Four([floats(a), floats(b), floats(c), floats(d)])
        }
    }

    #[inline(always)]
    fn code_dots<const R: usize, const U: usize>(
        self,
        rows: [WeightRow<'_>; R],
        codes: [&[CodeGroup]; U],
    ) -> [[Four<Pair>; R]; U] {
        // SAFETY: the target has NEON. Each unaligned load reads the 16 bytes of 4 groups.
        unsafe {
            let zero = Pair([vdupq_n_f32(0.0); 2]);
            let mut out = [[Four([zero; ROW_VECTORS]); R]; U];
            for (out, codes) in out.iter_mut().zip(codes) {
                for (out, row) in out.iter_mut().zip(rows) {
                    // Four sums per output, so an output fills a register.
                    for (v, out) in out.0.iter_mut().enumerate() {
                        let mut sums = [[vdupq_n_s32(0); 4]; 2];
                        for (weights, codes) in row.groups.iter().zip(codes) {
                            let codes = vld1_s16(codes.as_ptr());
                            let codes = vcombine_s16(codes, codes);
                            for (half, sums) in sums.iter_mut().enumerate() {
                                let bytes = vld1q_s8(weights[v * 8 + half * 4..].as_ptr().cast());
                                let low = vmovl_s8(vget_low_s8(bytes));
                                let high = vmovl_high_s8(bytes);
                                let [a, b, c, d] = sums;
                                *a = vmlal_s16(*a, vget_low_s16(low), vget_low_s16(codes));
                                *b = vmlal_high_s16(*b, low, codes);
                                *c = vmlal_s16(*c, vget_low_s16(high), vget_low_s16(codes));
                                *d = vmlal_high_s16(*d, high, codes);
                            }
                        }
                        *out =
                            floats(sums.map(|[a, b, c, d]| {
                                vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d))
                            }));
                    }
                }
            }
            out
        }
    }
}

/// Converts four finite half-precision values exactly.
#[inline(always)]
fn half_to_single(bits: uint16x4_t) -> float32x4_t {
    let converted: float32x4_t;
    // SAFETY: `fcvtl` from half precision is part of baseline NEON, which the target has. (Its
    // intrinsic is newer than the oldest supported compiler.) It touches registers only.
    unsafe {
        asm!(
            "fcvtl {to:v}.4s, {from:v}.4h",
            to = lateout(vreg) converted,
            from = in(vreg) bits,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    converted
}

#[inline(always)]
fn floats([low, high]: [int32x4_t; 2]) -> Pair {
    // SAFETY: the target has NEON.
    Pair(unsafe { [vcvtq_f32_s32(low), vcvtq_f32_s32(high)] })
}

macro_rules! lanewise {
    ($($operation:ident, $method:ident, $intrinsic:ident;)*) => {$(
        impl $operation for Pair {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let ([a, b], [c, d]) = (self.0, other.0);
                // SAFETY: the target has NEON.
                Self(unsafe { [$intrinsic(a, c), $intrinsic(b, d)] })
            }
        }
    )*};
}

lanewise! {
    Add, add, vaddq_f32;
    Sub, sub, vsubq_f32;
    Mul, mul, vmulq_f32;
    Div, div, vdivq_f32;
}

impl Pair {
    /// Sets all bits of each lane where `self` is greater.
    #[inline(always)]
    fn greater(self, than: Self) -> [uint32x4_t; 2] {
        let ([a, b], [c, d]) = (self.0, than.0);
        // SAFETY: the target has NEON.
        unsafe { [vcgtq_f32(a, c), vcgtq_f32(b, d)] }
    }
}

impl Vector for Pair {
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        let (halves, _) = to.as_chunks_mut::<4>();
        for (register, to) in self.0.into_iter().zip(halves) {
            // SAFETY: the target has NEON. The unaligned store writes four f32, as referenced.
            unsafe { vst1q_f32(to.as_mut_ptr(), register) }
        }
    }

    #[inline(always)]
    fn greater_mask(self, than: Self) -> u32 {
        const BITS: [u32; LANES] = [1, 2, 4, 8, 16, 32, 64, 128];
        let [low, high] = self.greater(than);
        // SAFETY: the target has NEON, and both loads are inside `BITS`.
        unsafe {
            let low = vandq_u32(low, vld1q_u32(BITS[..4].as_ptr()));
            let high = vandq_u32(high, vld1q_u32(BITS[4..].as_ptr()));
            vaddvq_u32(vorrq_u32(low, high))
        }
    }

    #[inline(always)]
    fn select_greater(self, than: Self, yes: Self, no: Self) -> Self {
        let [low, high] = self.greater(than);
        // SAFETY: the target has NEON.
        Self(unsafe { [vbslq_f32(low, yes.0[0], no.0[0]), vbslq_f32(high, yes.0[1], no.0[1])] })
    }

    #[inline(always)]
    fn replace(self, lanes: u8, with: Self) -> Self {
        const BITS: [u32; LANES] = [1, 2, 4, 8, 16, 32, 64, 128];
        // SAFETY: the target has NEON. Each load reads four of the eight u32.
        Self(unsafe {
            let lanes = vdupq_n_u32(u32::from(lanes));
            let low = vtstq_u32(lanes, vld1q_u32(BITS.as_ptr()));
            let high = vtstq_u32(lanes, vld1q_u32(BITS[4..].as_ptr()));
            [vbslq_f32(low, with.0[0], self.0[0]), vbslq_f32(high, with.0[1], self.0[1])]
        })
    }

    #[inline(always)]
    fn low_bits_to_exponent(self) -> Self {
        let [low, high] = self.0;
        // SAFETY: the target has NEON.
        unsafe {
            let low = vshlq_n_u32::<23>(vreinterpretq_u32_f32(low));
            let high = vshlq_n_u32::<23>(vreinterpretq_u32_f32(high));
            Self([vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high)])
        }
    }

    #[inline(always)]
    fn store_low_halves(self, to: &mut [i16; LANES]) {
        let [low, high] = self.0;
        // SAFETY: the target has NEON. The unaligned store writes the eight i16 of the reference.
        unsafe {
            let low = vmovn_s32(vreinterpretq_s32_f32(low));
            vst1q_s16(to.as_mut_ptr(), vmovn_high_s32(low, vreinterpretq_s32_f32(high)));
        }
    }

    #[inline(always)]
    fn swap_pairs(self) -> Self {
        let [low, high] = self.0;
        // SAFETY: the target has NEON.
        Self(unsafe { [vrev64q_f32(low), vrev64q_f32(high)] })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let [low, high] = self.0;
        // SAFETY: the target has NEON.
        unsafe {
            let quads = vaddq_f32(low, high); // l + (l + 4)
            let pairs = vadd_f32(vget_low_f32(quads), vget_high_f32(quads)); // l + (l + 2)
            vpadds_f32(pairs)
        }
    }
}
