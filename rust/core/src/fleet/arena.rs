//! The states of all users, in one block of memory.

use std::fmt;

use crate::aligned::AlignedBuf;

const LINE: usize = 16;

pub(super) struct Arena {
    numbers: AlignedBuf,
    stride: usize,
    len: usize,
}

impl Arena {
    /// Allocates `len` zeros for each of `users`, or returns `None` if memory is short.
    pub(super) fn new(users: usize, len: usize) -> Option<Self> {
        let stride = len.next_multiple_of(LINE);
        let numbers = AlignedBuf::try_zeros(users.checked_mul(stride)?)?;
        Some(Self { numbers, stride, len })
    }

    /// The offset of a user's state in [`Arena::all_mut`].
    pub(super) fn offset(&self, user: usize) -> usize {
        user * self.stride
    }

    pub(super) fn of(&self, user: usize) -> &[f32] {
        &self.numbers[self.offset(user)..][..self.len]
    }

    pub(super) fn of_mut(&mut self, user: usize) -> &mut [f32] {
        let offset = self.offset(user);
        &mut self.numbers[offset..][..self.len]
    }

    pub(super) fn all_mut(&mut self) -> &mut [f32] {
        &mut self.numbers
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.numbers[..])
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} bytes)", self.bytes())
    }
}
