//! A thread that appends events to users of a fleet.

use super::queue::{Queue, TILE};
use crate::aligned::AlignedBuf;
use crate::model::Overlay;
use crate::network::{Scratch, Step};
use crate::{Config, Model};

/// What a thread needs to append events.
pub(super) struct Worker {
    pub(super) queue: Queue,
    scratch: Scratch,
}

impl Worker {
    pub(super) fn new(config: &Config) -> Self {
        Self { queue: Queue::default(), scratch: Scratch::new(config, TILE) }
    }

    /// Passes the events of the queue through the network.
    pub(super) fn run(
        &mut self,
        model: &Model,
        overlay: Option<&Overlay>,
        chunks: &mut [AlignedBuf],
    ) {
        let mut tiles = self.queue.tiles().peekable();
        while let Some(tile) = tiles.next() {
            model.backend.run(Step {
                network: &model.network,
                catalog: model.view(overlay),
                tile,
                next: tiles.peek().copied().unwrap_or_default(),
                chunks: &mut *chunks,
                scratch: &mut self.scratch,
            });
        }
    }
}
