//! Going back: a ring of checkpoints, one before each of the last events.

use crate::aligned::AlignedBuf;
use crate::error::Cause;
use crate::{Result, Session};

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
pub(crate) struct UndoRing {
    /// As many as the ring is deep.
    checkpoints: Vec<Checkpoint>,
    /// The state before each of these events. `[depth, state and hidden vector]`
    states: AlignedBuf,
    /// Where the next one goes.
    next: usize,
    kept: usize,
}

impl UndoRing {
    /// A ring for states of `len` numbers, where there is the memory for it.
    fn with_depth(depth: usize, len: usize) -> Option<Self> {
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
    fn pop(&mut self, state: &mut [f32]) -> Option<Checkpoint> {
        self.kept = self.kept.checked_sub(1)?;
        self.next = self.next.checked_sub(1).unwrap_or(self.checkpoints.len() - 1);
        state.copy_from_slice(&self.states[self.next * state.len()..][..state.len()]);
        Some(self.checkpoints[self.next])
    }

    pub(crate) fn clear(&mut self) {
        self.kept = 0;
    }
}

impl Session {
    /// Makes the last `depth` events undoable, from the next event on; 0, the default, keeps none.
    ///
    /// The memory is taken here: a copy of the state and of the hidden vector and 24 bytes for each,
    /// 20,760 bytes at D = 64, H = 4, L = 4; [`Session::undo_bytes`] says how much it is. Checkpoints
    /// of a former depth are dropped. It is an error if there is no memory, and nothing changes.
    pub fn keep_undo(&mut self, depth: usize) -> Result<()> {
        self.undo =
            UndoRing::with_depth(depth, self.state.len()).ok_or(Cause::UndoMemory { depth })?;
        Ok(())
    }

    /// Takes back the last `n` events: state, events, seen items and log have the same bits as
    /// before them. It is an error if fewer can be undone, and nothing changes.
    ///
    /// Events can be undone once, and up to the depth of [`Session::keep_undo`].
    /// [`Session::restore`], [`Session::reset`] and [`Session::keep_log`] drop what was kept;
    /// [`Session::forget`] replaces it by what the shorter history would have kept. A snapshot does
    /// not carry it.
    pub fn undo(&mut self, n: usize) -> Result<()> {
        if n > self.undoable() {
            return Err(Cause::UndoDepth { found: self.undoable(), expected: n }.into());
        }
        for _ in 0..n {
            let Some(checkpoint) = self.undo.pop(&mut self.state) else { break };
            self.events = checkpoint.events;
            self.log.take_back(checkpoint.dropped);
            if checkpoint.first_time
                && let Ok(at) = self.seen.binary_search(&checkpoint.item)
            {
                self.seen.remove(at);
            }
        }
        Ok(())
    }

    /// How many events can be undone now.
    pub fn undoable(&self) -> usize {
        self.undo.kept
    }

    /// Bytes that [`Session::keep_undo`] took.
    pub fn undo_bytes(&self) -> usize {
        size_of_val(&self.undo.states[..]) + size_of_val(&self.undo.checkpoints[..])
    }
}
