//! Eight virtual lanes, the same on every instruction set.
//!
//! Kernels are written once, over [`Simd`], [`Vector`] and [`Row`]. An instruction set presents
//! eight f32 lanes whatever its registers are: one register with AVX2, an array in portable code.
//! Where lanes are independent (matrix columns, catalogue items), kernels work on rows of 32 lanes,
//! to use wider registers: two with AVX-512, [`Four`] vectors elsewhere. Only exactly rounded
//! operations are offered, and no fused multiply-add, so the bits are the same everywhere.
//!
//! To add an instruction set, add its file here and its row in the dispatch table of `isa.rs`.
//!
//! Everything between a kernel's entry and a register is `#[inline(always)]`. This compiles the
//! generic code with the instruction set that [`Simd::run`] enables.

mod four;
mod isa;
mod scalar;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
// Intrinsics need unsafe code; each block states what makes it sound.
#[allow(unsafe_code)]
mod avx2;
#[cfg(all(target_arch = "x86_64", feature = "avx512"))]
#[allow(unsafe_code)] // as above
mod avx512;
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
#[allow(unsafe_code)] // as above
mod neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[allow(unsafe_code)] // as above
mod simd128;

pub(crate) use four::Four;
pub(crate) use isa::Backend;
pub use isa::Isa;
#[cfg(test)]
pub(crate) use scalar::Scalar;

use std::ops::{Add, Div, Mul, Sub};

pub(crate) const LANES: usize = 8;
pub(crate) const ROW_VECTORS: usize = 4;
pub(crate) const ROW_LANES: usize = ROW_VECTORS * LANES;

/// Users that share each load of a weight.
pub(crate) const TILE: usize = 4;

/// Consecutive features of an item in an 8-bit table, for one lane of an integer dot product.
pub(crate) const GROUP: usize = 4;

/// One group of features of each of a block's 32 items.
pub(crate) type GroupRow = [[i8; GROUP]; ROW_LANES];

/// A row of 32 outputs of an 8-bit matrix.
#[derive(Clone, Copy)]
pub(crate) struct WeightRow<'a> {
    /// Per four inputs, the weights of each output.
    pub(crate) groups: &'a [GroupRow],
    /// Per output, the sum of these weights, for an instruction that takes one side as unsigned.
    #[cfg_attr(not(all(target_arch = "x86_64", feature = "avx512")), allow(dead_code))]
    pub(crate) sums: &'a [i32; ROW_LANES],
}

/// The 16-bit codes of four inputs, as [`Simd::store_codes`] leaves them.
pub(crate) type CodeGroup = [i16; GROUP];

/// The vector of an integer dot product, and what an instruction that takes one side as unsigned
/// needs to know of it.
#[derive(Clone, Copy, Default)]
pub(crate) struct IntegerQuery<'a> {
    pub(crate) codes: &'a [[i8; GROUP]],
    /// The sum of the codes.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    sum: i32,
}

impl<'a> IntegerQuery<'a> {
    pub(crate) fn new(codes: &'a [[i8; GROUP]]) -> Self {
        Self { codes, sum: codes.as_flattened().iter().map(|&code| i32::from(code)).sum() }
    }
}

/// Proof that the CPU supports an instruction set; makes its vectors.
///
/// Only detection creates values, so a function that takes one may use the instructions.
pub(crate) trait Simd: Copy {
    type Vector: Vector;
    type Row: Row<Self>;

    /// Whether [`TILE`] users share each load. Otherwise the code would not be worth its size.
    const TILES: bool = true;

    /// Whether a tile is computed in two halves of a row, because the sums of whole rows for [`TILE`]
    /// users do not fit the registers.
    const HALVES: bool = true;

    /// Runs a kernel as a separate function, compiled for this instruction set. Computations enter
    /// this way through [`Backend::run`]. A kernel called from several places does too, so that it
    /// is compiled once.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;

    /// Prefetches a cache line. A hint only: no result depends on it.
    #[inline(always)]
    fn prefetch(self, _line: &[[f32; LANES]; 2]) {}

    fn splat(self, x: f32) -> Self::Vector;
    fn load(self, x: &[f32; LANES]) -> Self::Vector;

    /// Loads eight finite half-precision values, converted exactly.
    fn load_f16(self, bits: &[u16; LANES]) -> Self::Vector;

    /// Loads eight integers, converted exactly.
    fn load_i8(self, x: &[i8; LANES]) -> Self::Vector;

    /// The dot product of each item's features with the query, summed exactly and then rounded to
    /// f32. Both have the same number of groups, at most 2^15. Neither a code nor the sum of the
    /// codes of a pair, the first or last two of a group, exceeds 128 in magnitude.
    fn integer_dots(self, block: &[GroupRow], query: IntegerQuery<'_>) -> Self::Row;

    /// [`Simd::integer_dots`] of several queries, which may share what an item takes.
    #[inline(always)]
    fn integer_dots_each<const U: usize>(
        self,
        block: &[GroupRow],
        queries: [IntegerQuery<'_>; U],
    ) -> [Self::Row; U] {
        queries.map(|query| self.integer_dots(block, query))
    }

    /// Stores the low 16 bits of each lane as codes for [`Simd::code_dots`], in any order that suits
    /// it. Of 1.5 * 2^23 + n they are the integer n.
    #[inline(always)]
    fn store_codes(self, x: Self::Vector, to: &mut [CodeGroup; LANES / GROUP]) {
        x.store_low_halves(bytemuck::cast_mut(to));
    }

    /// The products of R rows of an 8-bit matrix with U vectors of 16-bit codes, summed exactly and
    /// then rounded to f32. All have the same number of groups, at most [`GROUPS_AT_ONCE`]; no
    /// weight is -128, and no code -32,768.
    fn code_dots<const R: usize, const U: usize>(
        self,
        rows: [WeightRow<'_>; R],
        codes: [&[CodeGroup]; U],
    ) -> [[Self::Row; R]; U];
}

/// Groups of four inputs whose products fit a 32-bit sum: 4 * 128 * 127 * 32767 < 2^31.
pub(crate) const GROUPS_AT_ONCE: usize = 128;

/// Eight f32 lanes. Arithmetic is IEEE 754, lane by lane.
pub(crate) trait Vector:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    fn store(self, to: &mut [f32; LANES]);

    /// Sets bit l where lane l of `self` is greater. Comparisons with NaN are false.
    fn greater_mask(self, than: Self) -> u32;

    /// Lane by lane: `self > than ? yes : no`. Replaces `max` and `min`, whose treatment of NaN and
    /// signed zeros differs between instruction sets.
    fn select_greater(self, than: Self, yes: Self, no: Self) -> Self;

    /// Lane by lane: `self > than ? self : than`.
    #[inline(always)]
    fn larger(self, than: Self) -> Self {
        self.select_greater(than, self, than)
    }

    /// Takes lane l of `with` where bit l is set.
    fn replace(self, lanes: u8, with: Self) -> Self;

    /// Shifts the bits of each lane left by 23: the low nine bits become sign and exponent. This
    /// turns 2^23 + 127 + n into 2^n.
    fn low_bits_to_exponent(self) -> Self;

    /// Stores the low 16 bits of each lane. Of 1.5 * 2^23 + n they are the integer n.
    fn store_low_halves(self, to: &mut [i16; LANES]);

    /// Swaps the lanes of each pair (2i, 2i + 1).
    fn swap_pairs(self) -> Self;

    /// The sum of the lanes l0..l7, always as ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7)).
    fn sum(self) -> f32;
}

/// 32 independent f32 lanes, with the operations of [`Vector`].
pub(crate) trait Row<S: Simd>:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    fn splat(simd: S, x: f32) -> Self;
    fn load(simd: S, x: &[[f32; LANES]; ROW_VECTORS]) -> Self;
    fn load_f16(simd: S, bits: &[[u16; LANES]; ROW_VECTORS]) -> Self;
    fn store(self, to: &mut [[f32; LANES]; ROW_VECTORS]);
    fn greater_mask(self, than: Self) -> u32;
    fn select_greater(self, than: Self, yes: Self, no: Self) -> Self;
    fn larger(self, than: Self) -> Self;
    fn replace(self, lanes: u32, with: Self) -> Self;
    fn low_bits_to_exponent(self) -> Self;
}

/// Four integers as one 32-bit lane.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // portable code has no such register
#[inline(always)]
fn packed([a, b, c, d]: [i8; GROUP]) -> i32 {
    i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8])
}

/// A computation that runs on any instruction set.
pub(crate) trait Kernel {
    type Output;

    /// Runs the computation. Implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}
