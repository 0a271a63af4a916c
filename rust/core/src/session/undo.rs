//! Going back by some events.

use super::undo_ring::UndoRing;
use crate::error::Cause;
use crate::{Result, Session};

impl Session {
    /// Makes the last `depth` events undoable, from the next event on; 0, the default, keeps none.
    ///
    /// The memory is taken here: a copy of the state and of the hidden vector and 24 bytes for each,
    /// 20,760 bytes at D = 64, H = 4, L = 4; [`Session::undo_bytes`] says how much it is. Checkpoints
    /// of a former depth are dropped. It is an error if there is no memory, and nothing changes.
    pub fn set_undo_depth(&mut self, depth: usize) -> Result<()> {
        self.undo =
            UndoRing::with_depth(depth, self.state.len()).ok_or(Cause::UndoMemory { depth })?;
        Ok(())
    }

    /// Takes back the last `n` events: state, events, seen items and log have the same bits as
    /// before them. It is an error if fewer can be undone, and nothing changes.
    ///
    /// Events can be undone once, and up to the depth of [`Session::set_undo_depth`].
    /// [`Session::restore`], [`Session::reset`] and [`Session::set_log_capacity`] drop what was kept;
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

    /// Bytes that [`Session::set_undo_depth`] took.
    pub fn undo_bytes(&self) -> usize {
        size_of_val(&self.undo.states[..]) + size_of_val(&self.undo.checkpoints[..])
    }
}
