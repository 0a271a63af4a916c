//! The self-test of a file: event sequences and their expected scores.

use super::{Dtype, Tensor, TensorFile};
use crate::{Config, Event, Result};

/// The maximum number of events, and of sequences, which may be empty, so that replaying a hostile
/// file's self-test ends soon.
const MAX_EVENTS: usize = 1 << 12;

const MAX_SCORES: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct SelfTest {
    events: Vec<Event>,
    end: Vec<usize>,
    candidates: Vec<u32>,
    scores: Vec<f32>,
}

pub(crate) struct Case<'a> {
    /// The events; none only if the model has a start vector.
    pub(crate) events: &'a [Event],
    /// The items to score after them.
    pub(crate) candidates: &'a [u32],
    /// The expected scores, from the float64 reference.
    pub(crate) scores: &'a [f32],
}

impl SelfTest {
    /// Takes the tensors. Ensures that there is at least one sequence, and that none is empty
    /// unless the model has a start vector.
    pub(crate) fn take(file: &mut TensorFile<'_>, config: &Config) -> Result<Self> {
        let num_items = config.num_items;
        let items = file.take_any_shape("selftest.items", Dtype::I32)?;
        let end = file.take_any_shape("selftest.end", Dtype::I32)?;
        let candidates = file.take_any_shape("selftest.candidates", Dtype::I32)?;
        if items.shape.len() != 1 || items.shape[0] > MAX_EVENTS {
            return Err(items.wrong_shape(format!("[M] with M at most {MAX_EVENTS}")));
        }
        let sequences = match end.shape[..] {
            [q] if (1..=MAX_EVENTS).contains(&q) => q,
            _ => return Err(end.wrong_shape(format!("[Q] with Q from 1 to {MAX_EVENTS}"))),
        };
        match candidates.shape[..] {
            [q, c] if q == sequences && (1..=MAX_SCORES / q).contains(&c) => {}
            _ => {
                let expected = format!("[{sequences}, C], 1 to {MAX_SCORES} numbers");
                return Err(candidates.wrong_shape(expected));
            }
        }
        let shape = candidates.shape.clone();

        let end = take_ends(&end, &items, config)?;
        let mut events: Vec<Event> =
            items.item_indices(num_items)?.into_iter().map(Event::from).collect();
        if !config.kinds.is_empty() {
            let kinds = file.take("selftest.kinds", Dtype::I32, &items.shape)?;
            for (event, kind) in events.iter_mut().zip(kinds.kinds(config.kinds.len())?) {
                event.kind = Some(kind);
            }
        }
        if config.gaps {
            let times = file.take("selftest.times", Dtype::I64, &items.shape)?;
            for (event, &time) in events.iter_mut().zip(times.elements()) {
                event.time = Some(i64::from_le_bytes(time));
            }
        }
        Ok(Self {
            events,
            end,
            candidates: candidates.item_indices(num_items)?,
            scores: file.take_finite("selftest.scores", &shape)?,
        })
    }

    /// The sequences.
    pub(crate) fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        let width = self.candidates.len() / self.end.len();
        let rows = self.candidates.chunks_exact(width).zip(self.scores.chunks_exact(width));
        let starts = std::iter::once(0).chain(self.end.iter().copied());
        starts.zip(&self.end).zip(rows).map(|((start, &end), (candidates, scores))| Case {
            events: &self.events[start..end],
            candidates,
            scores,
        })
    }
}

/// The end of each sequence. Only a start vector answers after no event.
fn take_ends(end: &Tensor<'_>, items: &Tensor<'_>, config: &Config) -> Result<Vec<usize>> {
    let (least, expected) = match config.start {
        true => (0, "at least the previous one, at most the number of items"),
        false => (1, "more than the previous one, at most the number of items"),
    };
    let mut last = 0;
    let mut ends = Vec::with_capacity(end.elements::<4>().len());
    for (index, &bytes) in end.elements().iter().enumerate() {
        let value = i32::from_le_bytes(bytes);
        let inside = |&end: &usize| end >= last + least && end <= items.shape[0];
        last = usize::try_from(value)
            .ok()
            .filter(inside)
            .ok_or_else(|| end.invalid(index, value, expected))?;
        ends.push(last);
    }
    if last != items.shape[0] {
        return Err(items.wrong_shape(format!("[{last}], the last of `{}`", end.name)));
    }
    Ok(ends)
}
