//! Which events of a history an item's score rests on.

use std::ops::Range;
use std::sync::Arc;

use crate::{Event, Overlay, Result, Session};

/// Replays of one call at most, beside those of the events that are examined one by one.
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
    /// A drop is exact: the score after the whole history, less the score of a session that never
    /// had the event. Each takes a replay of the events after it. In a history of more than 256
    /// events, 256 blocks of consecutive events are examined first, and then the events of the
    /// blocks with the largest drops, as many as make 256: this takes time in proportion to the
    /// length of the history.
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
        let size = replay.events.len().div_ceil(EXAMINED).max(1);
        let starts = (0..replay.events.len()).step_by(size);
        let mut drops =
            replay.drops(starts.map(|start| start..(start + size).min(replay.events.len())))?;
        if size > 1 {
            drops.truncate(EXAMINED.div_ceil(size));
            drops.sort_unstable_by_key(|(range, _)| range.start);
            let ranges = drops.into_iter().flat_map(|(range, _)| range);
            drops = replay.drops(ranges.map(|position| position..position + 1))?;
        }
        let reasons = drops.into_iter().take(n).filter(|&(_, drop)| drop > 0.0);
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

impl Replay<'_> {
    /// By how much the score falls without each of some ranges of events, which are in order; the
    /// largest drop first.
    fn drops(
        &self,
        ranges: impl Iterator<Item = Range<usize>>,
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
