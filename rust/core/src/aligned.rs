//! Numbers that start on a cache line.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};

const LINE_BYTES: usize = 64;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE_BYTES]);

/// A fixed count of numbers at a 64-byte boundary, so that no vector load straddles two cache lines.
#[derive(Clone, Default)]
pub(crate) struct AlignedBuf<E = f32> {
    lines: Vec<Line>,
    len: usize,
    elements: PhantomData<E>,
}

impl<E: Pod> AlignedBuf<E> {
    pub(crate) fn zeros(len: usize) -> Self {
        let lines = (len * size_of::<E>()).div_ceil(LINE_BYTES);
        Self { lines: vec![Line([0; LINE_BYTES]); lines], len, elements: PhantomData }
    }

    /// [`AlignedBuf::zeros`] of a length that a user chose: nothing where there is no memory.
    pub(crate) fn try_zeros(len: usize) -> Option<Self> {
        let count = len.checked_mul(size_of::<E>())?.div_ceil(LINE_BYTES);
        let mut lines = Vec::new();
        lines.try_reserve_exact(count).ok()?;
        lines.resize(count, Line([0; LINE_BYTES]));
        Some(Self { lines, len, elements: PhantomData })
    }
}

impl<E: Pod> From<Vec<E>> for AlignedBuf<E> {
    fn from(numbers: Vec<E>) -> Self {
        let mut aligned = Self::zeros(numbers.len());
        aligned.copy_from_slice(&numbers);
        aligned
    }
}

impl<E: Pod> Deref for AlignedBuf<E> {
    type Target = [E];

    #[inline(always)]
    fn deref(&self) -> &[E] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<E: Pod> DerefMut for AlignedBuf<E> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [E] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl<E> fmt::Debug for AlignedBuf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBuf({} numbers)", self.len)
    }
}
