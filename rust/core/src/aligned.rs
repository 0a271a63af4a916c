//! Buffers aligned to a cache line.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;

const LINE_BYTES: usize = 64;

/// A fixed-length buffer at a 64-byte boundary, so that no vector load straddles two cache lines.
///
/// It is allocated as zeros, without that alignment: large buffers then take no memory before they
/// are written to.
#[derive(Default)]
pub(crate) struct AlignedBuf<E = f32> {
    numbers: Vec<E>,
    start: usize,
}

impl<E: Pod> AlignedBuf<E> {
    /// Elements of a cache line. As many may precede the first aligned one.
    const LINE: usize = LINE_BYTES / size_of::<E>();

    pub(crate) fn zeros(len: usize) -> Self {
        Self::place(vec![E::zeroed(); len + Self::LINE], len)
    }

    /// [`AlignedBuf::zeros`] for a length chosen by a user or a file. `None` if memory is short.
    pub(crate) fn try_zeros(len: usize) -> Option<Self> {
        let numbers = bytemuck::allocation::try_zeroed_vec(len.checked_add(Self::LINE)?).ok()?;
        Some(Self::place(numbers, len))
    }

    fn copy_of(numbers: &[E]) -> Self {
        let mut aligned = Self::zeros(numbers.len());
        aligned.copy_from_slice(numbers);
        aligned
    }

    fn place(mut numbers: Vec<E>, len: usize) -> Self {
        // Alignment is for speed only, and `align_offset` may fail.
        let start = numbers.as_ptr().align_offset(LINE_BYTES).min(Self::LINE);
        numbers.truncate(start + len);
        Self { numbers, start }
    }
}

impl<E: Pod> From<Vec<E>> for AlignedBuf<E> {
    fn from(numbers: Vec<E>) -> Self {
        Self::copy_of(&numbers)
    }
}

impl<E: Pod> Clone for AlignedBuf<E> {
    fn clone(&self) -> Self {
        Self::copy_of(self)
    }
}

impl<E> Deref for AlignedBuf<E> {
    type Target = [E];

    #[inline(always)]
    fn deref(&self) -> &[E] {
        &self.numbers[self.start..]
    }
}

impl<E> DerefMut for AlignedBuf<E> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.numbers[self.start..]
    }
}

impl<E> fmt::Debug for AlignedBuf<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBuf({} numbers)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<E: Pod>() {
        for len in [0, 1, 100, 100_000] {
            let zeros = AlignedBuf::<E>::zeros(len);
            for buffer in [zeros.clone(), zeros, AlignedBuf::try_zeros(len).unwrap()] {
                assert_eq!((buffer.as_ptr().addr() % LINE_BYTES, buffer.len()), (0, len));
            }
        }
        assert!(AlignedBuf::<E>::try_zeros(usize::MAX / 2).is_none());
    }

    #[test]
    fn numbers_start_on_a_cache_line() {
        check::<f32>();
        check::<u8>();
    }
}
