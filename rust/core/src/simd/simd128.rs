//! WebAssembly's simd128: a pair of 128-bit registers holds the eight lanes. The relaxed
//! instructions are deliberately unused: their bits depend on the machine.

use std::arch::wasm32::*;
use std::ops::{Add, Div, Mul, Sub};

use super::{
    CodeGroup, Four, GroupRow, IntegerQuery, Kernel, LANES, ROW_LANES, ROW_VECTORS, Simd, Vector,
    WeightRow, packed,
};

/// Proof that the module may use simd128. Compiled only where the whole module requires it: an
/// engine without these instructions cannot load the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simd128 {
    _detected: (),
}

#[derive(Clone, Copy)]
pub(crate) struct Pair([v128; 2]);

impl Simd128 {
    pub(crate) const fn detect() -> Option<Self> {
        Some(Self { _detected: () })
    }
}

impl Simd for Simd128 {
    type Vector = Pair;
    type Row = Four<Pair>;

    const TILES: bool = false;

    #[inline(never)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> Pair {
        Pair([f32x4_splat(x); 2])
    }

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Pair {
        let (halves, _) = x.as_chunks::<4>();
        // SAFETY: each unaligned load reads the four f32 of its reference.
        Pair(std::array::from_fn(|half| unsafe { v128_load(halves[half].as_ptr().cast()) }))
    }

    #[inline(always)]
    fn load_f16(self, bits: &[u16; LANES]) -> Pair {
        // SAFETY: the unaligned load reads the eight u16 of the reference.
        let bits = unsafe { v128_load(bits.as_ptr().cast()) };
        Pair([u32x4_extend_low_u16x8(bits), u32x4_extend_high_u16x8(bits)].map(half_to_single))
    }

    #[inline(always)]
    fn load_i8(self, x: &[i8; LANES]) -> Pair {
        // SAFETY: the unaligned load reads the eight i8 of the reference.
        let wide = unsafe { i16x8_load_extend_i8x8(x.as_ptr()) };
        let halves = [i32x4_extend_low_i16x8(wide), i32x4_extend_high_i16x8(wide)];
        Pair(halves.map(|half| f32x4_convert_i32x4(half)))
    }

    #[inline(always)]
    fn integer_dots(self, block: &[GroupRow], query: IntegerQuery<'_>) -> Four<Pair> {
        // Two sums per item, so two items fill a register. Half a block at a time: the sums of a
        // whole block exceed the registers of an x86-64 CPU.
        let half = |first: usize| {
            let mut sums = [[i32x4_splat(0); 2]; ROW_VECTORS];
            for (row, &query) in block.iter().zip(query.codes) {
                let query = i32x4_splat(packed(query));
                let query = i16x8_extend_low_i8x16(query);
                for (pair, [low, high]) in sums.iter_mut().enumerate() {
                    // SAFETY: the unaligned load reads the 16 bytes of four groups.
                    let items = unsafe { v128_load(row[first + pair * 4..][..4].as_ptr().cast()) };
                    *low = i32x4_add(*low, i32x4_dot_i16x8(i16x8_extend_low_i8x16(items), query));
                    *high =
                        i32x4_add(*high, i32x4_dot_i16x8(i16x8_extend_high_i8x16(items), query));
                }
            }
            sums.map(|[low, high]| f32x4_convert_i32x4(sums_of_pairs(low, high)))
        };
        let ([a, b, c, d], [e, f, g, h]) = (half(0), half(ROW_LANES / 2));
        Four([Pair([a, b]), Pair([c, d]), Pair([e, f]), Pair([g, h])])
    }

    #[inline(always)]
    fn code_dots<const R: usize, const U: usize>(
        self,
        rows: [WeightRow<'_>; R],
        codes: [&[CodeGroup]; U],
    ) -> [[Four<Pair>; R]; U] {
        let zero = Four([Pair([f32x4_splat(0.0); 2]); ROW_VECTORS]);
        let mut out = [[zero; R]; U];
        for (out, codes) in out.iter_mut().zip(codes) {
            for (out, row) in out.iter_mut().zip(rows) {
                let ([a, b, c, d], [e, f, g, h]) =
                    (half_dots(row, codes, 0), half_dots(row, codes, ROW_LANES / 2));
                *out = Four([Pair([a, b]), Pair([c, d]), Pair([e, f]), Pair([g, h])]);
            }
        }
        out
    }
}

/// Half a row of [`Simd::code_dots`], from output `first` on: 16 outputs.
#[inline(always)]
fn half_dots(row: WeightRow<'_>, codes: &[CodeGroup], first: usize) -> [v128; 4] {
    // Two sums per output, so two outputs fill a register.
    let mut sums = [[i32x4_splat(0); 2]; 4];
    for (weights, &codes) in row.groups.iter().zip(codes) {
        let codes = i64x2_splat(bytemuck::cast(codes));
        for (quarter, [low, high]) in sums.iter_mut().enumerate() {
            // SAFETY: the unaligned load reads the 16 bytes of four groups.
            let bytes = unsafe { v128_load(weights[first + quarter * 4..][..4].as_ptr().cast()) };
            *low = i32x4_add(*low, i32x4_dot_i16x8(i16x8_extend_low_i8x16(bytes), codes));
            *high = i32x4_add(*high, i32x4_dot_i16x8(i16x8_extend_high_i8x16(bytes), codes));
        }
    }
    sums.map(|[low, high]| f32x4_convert_i32x4(sums_of_pairs(low, high)))
}

#[inline(always)]
fn sums_of_pairs(low: v128, high: v128) -> v128 {
    let first = i32x4_shuffle::<0, 2, 4, 6>(low, high);
    i32x4_add(first, i32x4_shuffle::<1, 3, 5, 7>(low, high))
}

/// Converts four finite half-precision values, in the steps of the portable conversion.
#[inline(always)]
fn half_to_single(bits: v128) -> v128 {
    const SMALLEST: u32 = (127 - 14) << 23;
    let masked = |mask| v128_and(bits, u32x4_splat(mask));
    let moved = u32x4_shl(masked(0x7fff), 13);
    let normal = u32x4_add(moved, u32x4_splat((127 - 15) << 23));
    let smallest = u32x4_splat(SMALLEST);
    let subnormal = f32x4_sub(v128_or(smallest, moved), smallest);
    let size = v128_bitselect(subnormal, normal, i32x4_eq(masked(0x7c00), i32x4_splat(0)));
    v128_or(size, u32x4_shl(masked(0x8000), 16))
}

macro_rules! lanewise {
    ($($operation:ident, $method:ident, $intrinsic:ident;)*) => {$(
        impl $operation for Pair {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let ([a, b], [c, d]) = (self.0, other.0);
                Self([$intrinsic(a, c), $intrinsic(b, d)])
            }
        }
    )*};
}

lanewise! {
    Add, add, f32x4_add;
    Sub, sub, f32x4_sub;
    Mul, mul, f32x4_mul;
    Div, div, f32x4_div;
}

impl Pair {
    /// Sets all bits of each lane where `self` is greater.
    #[inline(always)]
    fn greater(self, than: Self) -> [v128; 2] {
        let ([a, b], [c, d]) = (self.0, than.0);
        [f32x4_gt(a, c), f32x4_gt(b, d)]
    }
}

impl Vector for Pair {
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        let (halves, _) = to.as_chunks_mut::<4>();
        for (register, to) in self.0.into_iter().zip(halves) {
            // SAFETY: the unaligned store writes the four f32 of the reference.
            unsafe { v128_store(to.as_mut_ptr().cast(), register) }
        }
    }

    #[inline(always)]
    fn greater_mask(self, than: Self) -> u32 {
        let [low, high] = self.greater(than).map(|half| u32::from(i32x4_bitmask(half)));
        low | high << 4
    }

    #[inline(always)]
    fn select_greater(self, than: Self, yes: Self, no: Self) -> Self {
        let [low, high] = self.greater(than);
        Self([v128_bitselect(yes.0[0], no.0[0], low), v128_bitselect(yes.0[1], no.0[1], high)])
    }

    #[inline(always)]
    fn replace(self, lanes: u8, with: Self) -> Self {
        let lanes = u32x4_splat(u32::from(lanes));
        let set = |bits| u32x4_ne(v128_and(lanes, bits), u32x4_splat(0));
        let (low, high) = (set(u32x4(1, 2, 4, 8)), set(u32x4(16, 32, 64, 128)));
        Self([
            v128_bitselect(with.0[0], self.0[0], low),
            v128_bitselect(with.0[1], self.0[1], high),
        ])
    }

    #[inline(always)]
    fn low_bits_to_exponent(self) -> Self {
        Self(self.0.map(|half| u32x4_shl(half, 23)))
    }

    #[inline(always)]
    fn store_low_halves(self, to: &mut [i16; LANES]) {
        let [low, high] = self.0;
        let halves = i16x8_shuffle::<0, 2, 4, 6, 8, 10, 12, 14>(low, high);
        // SAFETY: the unaligned store writes the eight i16 of the reference.
        unsafe { v128_store(to.as_mut_ptr().cast(), halves) }
    }

    #[inline(always)]
    fn swap_pairs(self) -> Self {
        Self(self.0.map(|half| i32x4_shuffle::<1, 0, 3, 2>(half, half)))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let [low, high] = self.0;
        let quads = f32x4_add(low, high); // l + (l + 4)
        let pairs = f32x4_add(quads, i32x4_shuffle::<2, 3, 0, 1>(quads, quads)); // l + (l + 2)
        f32x4_extract_lane::<0>(pairs) + f32x4_extract_lane::<1>(pairs)
    }
}
