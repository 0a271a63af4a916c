//! Undoes the last events.

use super::undo_ring::UndoRing;
use crate::error::Cause;
use crate::{Result, Session};

impl Session {
    /// Makes the last `depth` events undoable, from the next event on; 0, the default, keeps none.
    ///
    /// Allocates the memory at once: per event a copy of the state and the hidden vector, and 48
    /// bytes. This is 20,784 bytes at D = 64, H = 4, L = 4; see [`Session::undo_bytes`]. Drops
    /// existing checkpoints. If the memory cannot be allocated, returns an error, and nothing
    /// changes.
    pub fn set_undo_depth(&mut self, depth: usize) -> Result<()> {
        self.undo =
            UndoRing::with_depth(depth, self.state.len()).ok_or(Cause::UndoMemory { depth })?;
        Ok(())
    }

    /// Undoes the last `n` events: state, events, seen items and log have the same bits as before
    /// them. If fewer can be undone, returns an error, and nothing changes.
    ///
    /// Events can be undone once, up to the depth of [`Session::set_undo_depth`].
    /// [`Session::restore`], [`Session::reset`] and [`Session::set_log_capacity`] drop the
    /// checkpoints; [`Session::forget`] replaces them by those of the shorter history. Snapshots do
    /// not include them.
    pub fn undo(&mut self, n: usize) -> Result<()> {
        if n > self.undoable() {
            return Err(Cause::UndoDepth { found: self.undoable(), expected: n }.into());
        }
        for _ in 0..n {
            let Some(checkpoint) = self.undo.pop(&mut self.state) else { break };
            self.events = checkpoint.events;
            self.last_time = checkpoint.last_time;
            self.log.unpush(checkpoint.dropped);
            if checkpoint.first_time
                && let Ok(index) = self.seen.binary_search(&checkpoint.item)
            {
                self.seen.remove(index);
            }
        }
        Ok(())
    }

    /// The number of events that can be undone.
    pub fn undoable(&self) -> usize {
        self.undo.kept
    }

    /// The bytes allocated by [`Session::set_undo_depth`].
    pub fn undo_bytes(&self) -> usize {
        size_of_val(&self.undo.states[..]) + size_of_val(&self.undo.checkpoints[..])
    }
}
