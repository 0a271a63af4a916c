//! The events of a history that an item's score depends on most.

use std::ops::Range;
use std::sync::Arc;

use crate::{Event, Overlay, Result, Session};

/// Blocks or events whose drops are computed at once.
const EXAMINED: usize = 256;

/// An event, and what it adds to the score of an item.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reason {
    /// The position of the event in the history; the oldest has 0.
    pub position: usize,
    /// The event.
    pub event: Event,
    /// By how much the item's score falls without the event.
    pub drop: f32,
}

impl Session {
    /// The `n` events without which the item's score falls most, largest drop first. Fewer if fewer
    /// events raise the score.
    ///
    /// A drop is exact: the score after the whole history minus the score of a session that never
    /// had the event. Each takes a replay of the events after it. In a history of more than 256
    /// events, 256 blocks of consecutive events are examined first, and then the events of the
    /// blocks with the largest drops, up to 256. From 65,537 events on, the best block alone has
    /// more, and is itself examined in blocks. So the time is proportional to the length of the
    /// history.
    ///
    /// The log must hold the whole history, as for [`Session::forget`]. The only event of a session
    /// has no drop if the model has no start vector.
    pub fn why(&self, item: u32, n: usize) -> Result<Vec<Reason>> {
        let overlay = self.model.overlay();
        let overlay = overlay.as_deref();
        self.model.view(overlay).check([item])?;
        let events = self.whole_log()?;
        if events.len() == 1 && self.model.network.start.is_none() {
            return Ok(Vec::new());
        }
        let replay = Replay { empty: Self::new(Arc::clone(&self.model)), overlay, item, events };
        let reasons = replay.largest_drops(EXAMINED)?.into_iter();
        let reasons = reasons.filter(|&(_, drop)| drop > 0.0).take(n);
        let reason = |(Range { start, .. }, drop)| Reason {
            position: start,
            event: replay.events[start],
            drop,
        };
        Ok(reasons.map(reason).collect())
    }
}

struct Replay<'a> {
    empty: Session,
    overlay: Option<&'a Overlay>,
    item: u32,
    events: Vec<Event>,
}

/// A range in blocks of `size`.
fn blocks(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size).map(move |start| start..(start + size).min(end))
}

impl Replay<'_> {
    /// The drops of all events, or of about as many as are `examined` at once, largest first.
    fn largest_drops(&self, examined: usize) -> Result<Vec<(Range<usize>, f32)>> {
        let mut size = self.events.len().div_ceil(examined).max(1);
        let mut drops = self.drops(&mut blocks(0..self.events.len(), size))?;
        while size > 1 {
            drops.truncate(examined.div_ceil(size));
            drops.sort_unstable_by_key(|(range, _)| range.start);
            size = size.div_ceil(examined); // 1, unless one block alone has too many events
            let ranges = drops.into_iter().flat_map(|(range, _)| blocks(range, size));
            drops = self.drops(&mut { ranges })?;
        }
        Ok(drops)
    }

    /// By how much the score falls without each of some ranges of events, which are in order; the
    /// largest drop first.
    fn drops(
        &self,
        ranges: &mut dyn Iterator<Item = Range<usize>>,
    ) -> Result<Vec<(Range<usize>, f32)>> {
        let score = self.score_after(&self.empty, &self.events)?;
        let (mut before, mut done) = (self.empty.clone(), 0);
        let mut drops = Vec::new();
        for range in ranges {
            let between = self.events[done..range.start].iter().copied();
            before.extend_under(self.overlay, between)?;
            done = range.start;
            let without = self.score_after(&before, &self.events[range.end..])?;
            drops.push((range, score - without));
        }
        drops.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        Ok(drops)
    }

    fn score_after(&self, session: &Session, events: &[Event]) -> Result<f32> {
        let mut session = session.clone();
        session.extend_under(self.overlay, events.iter().copied())?;
        let mut score = [0.0];
        session.score_under(self.overlay, &[self.item], &mut score)?;
        Ok(score[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Model;

    const TINY: &[u8] = include_bytes!("../../tests/data/tiny.safetensors");

    /// As from 65,537 events on, the best block alone has more events than are examined at once.
    #[test]
    fn a_long_block_is_divided_again() {
        let empty = Session::new(Arc::new(Model::from_bytes(TINY.to_vec()).unwrap()));
        let events: Vec<_> = (0..100).map(|position| Event::from(position * 7 % 10)).collect();
        let replay = Replay { empty, overlay: None, item: 3, events };
        let all = replay.drops(&mut blocks(0..100, 1)).unwrap();
        let found = replay.largest_drops(4).unwrap();
        assert!((2..=4).contains(&found.len()), "{found:?}");
        assert!(found.iter().all(|drop| all.contains(drop)), "{found:?}");
    }
}
