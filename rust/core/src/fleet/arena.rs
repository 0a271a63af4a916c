//! The states of all users, in chunks of memory.

use std::fmt;

use crate::aligned::AlignedBuf;

const LINE: usize = 16;

/// A chunk has at least this many numbers, 1 MiB. Pages of it that no user has reached take no
/// memory where the operating system allocates them on first use.
const CHUNK: usize = 1 << 18;

/// Grows by whole chunks, so that no state is ever copied.
pub(super) struct Arena {
    chunks: Vec<AlignedBuf>,
    /// Users per chunk, a power of two.
    per_chunk: usize,
    stride: usize,
    len: usize,
}

impl Arena {
    /// An empty arena for states of `len` numbers.
    pub(super) fn new(len: usize) -> Self {
        let stride = len.next_multiple_of(LINE);
        let per_chunk = CHUNK.div_ceil(stride).next_power_of_two();
        Self { chunks: Vec::new(), per_chunk, stride, len }
    }

    /// The number of users there is memory for.
    pub(super) fn capacity(&self) -> usize {
        self.chunks.len() * self.per_chunk
    }

    /// Allocates zeros for users up to `users`. `None` if memory is short; chunks that could be
    /// allocated stay.
    pub(super) fn reserve(&mut self, users: usize) -> Option<()> {
        let chunks = users.div_ceil(self.per_chunk);
        self.chunks.try_reserve(chunks.saturating_sub(self.chunks.len())).ok()?;
        while self.chunks.len() < chunks {
            self.chunks.push(AlignedBuf::try_zeros(self.per_chunk.checked_mul(self.stride)?)?);
        }
        Some(())
    }

    /// The chunk of a user's state, and the state's offset in it.
    pub(super) fn place(&self, user: usize) -> (usize, usize) {
        (user / self.per_chunk, user % self.per_chunk * self.stride)
    }

    pub(super) fn of(&self, user: usize) -> &[f32] {
        let (chunk, offset) = self.place(user);
        &self.chunks[chunk][offset..][..self.len]
    }

    pub(super) fn of_mut(&mut self, user: usize) -> &mut [f32] {
        let (chunk, offset) = self.place(user);
        &mut self.chunks[chunk][offset..][..self.len]
    }

    /// Moves the state of `last` to `user`, and clears that of `last`.
    pub(super) fn swap_remove(&mut self, user: usize, last: usize) {
        let ((to, to_offset), (from, offset)) = (self.place(user), self.place(last));
        let source = offset..offset + self.len;
        if to == from {
            self.chunks[to].copy_within(source.clone(), to_offset);
        } else if let Ok([to, from]) = self.chunks.get_disjoint_mut([to, from]) {
            to[to_offset..][..self.len].copy_from_slice(&from[source]);
        }
        self.of_mut(last).fill(0.0);
    }

    /// The number of chunks.
    #[cfg(feature = "threads")]
    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn chunks_mut(&mut self) -> &mut [AlignedBuf] {
        &mut self.chunks
    }

    /// The bytes of a user's state, padding included.
    pub(super) fn user_bytes(&self) -> usize {
        size_of::<f32>() * self.stride
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} users of {} bytes)", self.capacity(), self.user_bytes())
    }
}
