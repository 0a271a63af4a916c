//! A ring of checkpoints, one before each of the last events.

use crate::aligned::AlignedBuf;

/// What an event changed, apart from the state's numbers.
#[derive(Clone, Copy, Default)]
pub(super) struct Checkpoint {
    /// Events before it.
    pub(super) events: u64,
    pub(super) item: u32,
    /// Whether the item had not been seen before.
    pub(super) first_time: bool,
    /// The event that fell out of a full log.
    pub(super) dropped: Option<u32>,
}

/// The last checkpoints. Its memory is taken once, so that pushing allocates nothing.
#[derive(Clone, Default)]
pub(super) struct UndoRing {
    /// As many as the ring is deep.
    pub(super) checkpoints: Vec<Checkpoint>,
    /// The state before each of these events. `[depth, state and hidden vector]`
    pub(super) states: AlignedBuf,
    /// Where the next one goes.
    next: usize,
    pub(super) kept: usize,
}

impl UndoRing {
    /// A ring for states of `len` numbers, where there is the memory for it.
    pub(super) fn with_depth(depth: usize, len: usize) -> Option<Self> {
        let mut checkpoints = Vec::new();
        checkpoints.try_reserve_exact(depth).ok()?;
        let states = AlignedBuf::try_zeros(depth.checked_mul(len)?)?;
        checkpoints.resize(depth, Checkpoint::default());
        Some(Self { checkpoints, states, next: 0, kept: 0 })
    }

    /// Keeps what was before an event. In a full ring it takes the place of the oldest.
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

    /// Takes the newest checkpoint back out, and writes its state.
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
