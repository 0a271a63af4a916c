//! The numbers of all users, in one piece of memory.

use std::fmt;

use crate::aligned::AlignedBuf;

/// Numbers of a cache line.
const LINE: usize = 16;

/// The numbers of each user, who begin on a cache line.
pub(super) struct Arena {
    numbers: AlignedBuf,
    stride: usize,
    len: usize,
}

impl Arena {
    /// `len` zeros for each of `users`, where there is memory for them.
    pub(super) fn new(users: usize, len: usize) -> Option<Self> {
        let stride = len.next_multiple_of(LINE);
        let numbers = AlignedBuf::try_zeros(users.checked_mul(stride)?)?;
        Some(Self { numbers, stride, len })
    }

    /// Where the numbers of a user begin in [`Arena::all_mut`].
    pub(super) fn at(&self, user: usize) -> usize {
        user * self.stride
    }

    /// The numbers of a user.
    pub(super) fn of(&self, user: usize) -> &[f32] {
        &self.numbers[self.at(user)..][..self.len]
    }

    /// The numbers of a user, to write to.
    pub(super) fn of_mut(&mut self, user: usize) -> &mut [f32] {
        let at = self.at(user);
        &mut self.numbers[at..][..self.len]
    }

    /// The numbers of all users.
    pub(super) fn all_mut(&mut self) -> &mut [f32] {
        &mut self.numbers
    }

    /// Bytes of all numbers.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.numbers[..])
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} bytes)", self.bytes())
    }
}
