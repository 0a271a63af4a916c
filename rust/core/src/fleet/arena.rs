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
    /// `len` zeros for each of `users`, or the bytes that could not be had.
    pub(super) fn new(users: usize, len: usize) -> Result<Self, u128> {
        let stride = len.next_multiple_of(LINE);
        let bytes = size_of::<f32>() as u128 * users as u128 * stride as u128;
        let numbers = users.checked_mul(stride).and_then(AlignedBuf::try_zeros).ok_or(bytes)?;
        Ok(Self { numbers, stride, len })
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
