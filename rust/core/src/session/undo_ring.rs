//! A ring buffer of checkpoints, one before each of the last events.

use crate::Event;
use crate::aligned::AlignedBuf;

/// What an event changed, apart from the state.
#[derive(Clone, Copy, Default)]
pub(super) struct Checkpoint {
    pub(super) events: u64,
    pub(super) last_time: i64,
    pub(super) item: u32,
    pub(super) first_time: bool,
    /// The event that a full log dropped.
    pub(super) dropped: Option<Event>,
}

/// The last checkpoints. Allocated once, so that pushing does not allocate.
#[derive(Clone, Default)]
pub(super) struct UndoRing {
    pub(super) checkpoints: Vec<Checkpoint>,
    /// The state before each event. `[depth, state and hidden vector]`
    pub(super) states: AlignedBuf,
    next: usize,
    pub(super) kept: usize,
}

impl UndoRing {
    /// Allocates a ring for states of length `len`, or returns `None` if memory is short.
    pub(super) fn with_depth(depth: usize, len: usize) -> Option<Self> {
        let mut checkpoints = Vec::new();
        checkpoints.try_reserve_exact(depth).ok()?;
        let states = AlignedBuf::try_zeros(depth.checked_mul(len)?)?;
        checkpoints.resize(depth, Checkpoint::default());
        Some(Self { checkpoints, states, next: 0, kept: 0 })
    }

    /// Stores a checkpoint. In a full ring it replaces the oldest.
    pub(super) fn push(&mut self, checkpoint: Checkpoint, state: &[f32]) {
        let depth = self.checkpoints.len();
        if depth == 0 {
            return;
        }
        self.checkpoints[self.next] = checkpoint;
        self.states[self.next * state.len()..][..state.len()].copy_from_slice(state);
        self.next = (self.next + 1) % depth;
        self.kept = depth.min(self.kept + 1);
    }

    pub(super) fn pop(&mut self, state: &mut [f32]) -> Option<Checkpoint> {
        self.kept = self.kept.checked_sub(1)?;
        self.next = self.next.checked_sub(1).unwrap_or(self.checkpoints.len() - 1);
        state.copy_from_slice(&self.states[self.next * state.len()..][..state.len()]);
        Some(self.checkpoints[self.next])
    }

    pub(super) fn clear(&mut self) {
        self.kept = 0;
    }
}
