//! Eight virtual lanes, the same on every instruction set.
//!
//! The kernels are written once, over [`Simd`], [`Vector`] and [`Row`]. An instruction set presents
//! eight f32 lanes whatever its registers are: one register with AVX2, an array in portable code.
//! Where lanes never meet (matrix columns, items of the catalogue) kernels work on rows of 32
//! lanes, so that wider registers are put to use: two with AVX-512, [`Four`] vectors elsewhere. Only
//! exact operations are offered, never a fused multiply-add, so the lanes hold the same bits
//! everywhere.
//!
//! An instruction set is added in two places: its file here, and its row in the dispatch table of
//! `isa.rs`.
//!
//! Everything between a kernel's entry and a register is `#[inline(always)]`: that is what
//! compiles the generic code with the instruction set that [`Simd::run`] enables.

mod four;
mod isa;
mod scalar;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
// The intrinsics are the reason for the exception; each block names what makes it sound.
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

use std::ops::{Add, Div, Mul, Sub};

/// Lanes of every [`Vector`].
pub(crate) const LANES: usize = 8;

/// Vectors in a [`Row`].
pub(crate) const ROW_VECTORS: usize = 4;

/// Lanes of every [`Row`].
pub(crate) const ROW_LANES: usize = ROW_VECTORS * LANES;

/// Features of an item that lie next to each other in an 8-bit table: what one lane of an integer
/// dot product takes in.
pub(crate) const GROUP: usize = 4;

/// A group of features of the 32 items of a block.
pub(crate) type GroupRow = [[i8; GROUP]; ROW_LANES];

/// Proof that the CPU runs an instruction set, and the maker of its vectors.
///
/// The only values are those that detection handed out, so a function that takes one may use the
/// instructions.
pub(crate) trait Simd: Copy {
    /// Eight lanes of this instruction set.
    type Vector: Vector;

    /// 32 lanes of this instruction set.
    type Row: Row<Self>;

    /// Rows of sums that registers hold with room for what is added to them.
    const TILE: usize = 2;

    /// Runs a kernel as a function of its own, compiled for this instruction set. That is how a
    /// computation gets here ([`Backend::run`]); and a kernel that is called from several places is
    /// run in this way so that it is compiled once.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;

    /// Asks for a cache line that is needed soon. A hint: no result depends on it.
    #[inline(always)]
    fn prefetch(self, _line: &[[f32; LANES]; 2]) {}

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::Vector;

    /// Eight consecutive numbers.
    fn load(self, x: &[f32; LANES]) -> Self::Vector;

    /// Eight finite half-precision numbers, converted exactly.
    fn load_f16(self, bits: &[u16; LANES]) -> Self::Vector;

    /// Eight integers, converted exactly.
    fn load_i8(self, x: &[i8; LANES]) -> Self::Vector;

    /// The dot product of each item's features with the query's, summed exactly and then rounded to
    /// f32. `block` and `query` have as many groups, at most 2^15; the query holds no -128.
    fn integer_dots(self, block: &[GroupRow], query: &[[i8; GROUP]]) -> Self::Row;
}

/// Eight f32 lanes. Arithmetic rounds as IEEE 754 says, lane by lane.
pub(crate) trait Vector:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// Writes the lanes out.
    fn store(self, to: &mut [f32; LANES]);

    /// Bit l is set where lane l of `self` is greater; a NaN on either side is not.
    fn greater_mask(self, than: Self) -> u32;

    /// Lane by lane: `self > than ? yes : no`. This stands in for `max` and `min`, whose treatment
    /// of NaN and of signed zeros differs between instruction sets.
    fn select_greater(self, than: Self, yes: Self, no: Self) -> Self;

    /// The low nine bits of each lane moved to the place of sign and exponent: the bits shifted
    /// left by 23. It turns 2^23 + 127 + n into 2^n.
    fn low_bits_to_exponent(self) -> Self;

    /// The lanes of each pair (2i, 2i + 1) exchanged.
    fn swap_pairs(self) -> Self;

    /// The sum of the lanes l0..l7, always as ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7)).
    fn sum(self) -> f32;
}

/// 32 f32 lanes that never meet. Arithmetic rounds as IEEE 754 says, lane by lane.
pub(crate) trait Row<S: Simd>:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// `x` in every lane.
    fn splat(simd: S, x: f32) -> Self;

    /// 32 consecutive numbers.
    fn load(simd: S, x: &[[f32; LANES]; ROW_VECTORS]) -> Self;

    /// 32 finite half-precision numbers, converted exactly.
    fn load_f16(simd: S, bits: &[[u16; LANES]; ROW_VECTORS]) -> Self;

    /// Writes the lanes out.
    fn store(self, to: &mut [[f32; LANES]; ROW_VECTORS]);

    /// Bit l is set where lane l of `self` is greater; a NaN on either side is not.
    fn greater_mask(self, than: Self) -> u32;

    /// [`Vector::select_greater`]
    fn select_greater(self, than: Self, yes: Self, no: Self) -> Self;

    /// [`Vector::low_bits_to_exponent`]
    fn low_bits_to_exponent(self) -> Self;
}

/// Four numbers as one lane of a register of bytes.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // portable code has no such register
#[inline(always)]
fn packed([a, b, c, d]: [i8; GROUP]) -> i32 {
    i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8])
}

/// A computation written once, to be run with any instruction set.
pub(crate) trait Kernel {
    /// What it gives back.
    type Output;

    /// Runs it. Implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}
