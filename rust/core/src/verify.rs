//! Checks that a file is what its author exported, and that this machine computes the same results.

use std::sync::Arc;

use crate::error::Cause;
use crate::isa::{self, IsaComparison};
use crate::loading::{Case, ModelFile, SelfTest};
use crate::{Filter, Isa, Model, Result, Session};

/// The largest accepted difference, relative to the largest score of its row.
const TOLERANCE: f32 = 1e-4;

/// The same with 8-bit matrices. Their inputs are rounded to 16 bits, but not those of the stored
/// scores.
const INTEGER_TOLERANCE: f32 = 5e-4;

const LIST: usize = 10;

/// The extent of a successful [`Model::verify`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verification {
    /// Event sequences replayed.
    pub sequences: usize,
    /// Scores compared.
    pub scores: usize,
    /// The largest difference from a stored score, relative to the largest score of its row.
    pub largest_difference: f32,
}

impl Model {
    /// Recomputes the fingerprint, replays the file's self-test from an empty state and compares
    /// the scores. None may differ by more than 1e-4 of its row's largest score, or with 8-bit
    /// matrices, whose inputs are rounded, 5e-4. Ignores the overlay.
    pub fn verify(self: &Arc<Self>) -> Result<Verification> {
        let mut file = ModelFile::parse(&self.bytes)?;
        let (found, expected) = (file.compute_fingerprint(), self.fingerprint());
        if found != expected {
            return Err(Cause::FingerprintMismatch { found, expected }.into());
        }
        let mut report = Verification { sequences: 0, scores: 0, largest_difference: 0.0 };
        let mut session = Session::new(Arc::clone(self));
        let integers = self.network.has_integer_matrices();
        let tolerance = if integers { INTEGER_TOLERANCE } else { TOLERANCE };
        for case in SelfTest::take(&mut file.tensors, self.config())?.cases() {
            session.reset();
            // Without an overlay, which would change the expected scores.
            session.extend_under(None, case.events.iter().copied())?;
            let mut scores = vec![0.0; case.candidates.len()];
            session.score_under(None, case.candidates, &mut scores)?;
            let largest =
                case.scores.iter().fold(0.0, |largest: f32, score| largest.max(score.abs()));
            for ((&item, &expected), &found) in case.candidates.iter().zip(case.scores).zip(&scores)
            {
                let difference = (found - expected).abs();
                if difference > tolerance * largest || difference.is_nan() {
                    let sequence = report.sequences;
                    return Err(Cause::SelfTest { sequence, item, found, expected }.into());
                }
                if difference > 0.0 {
                    report.largest_difference = report.largest_difference.max(difference / largest);
                }
            }
            report.sequences += 1;
            report.scores += scores.len();
        }
        Ok(report)
    }

    /// Replays the file's self-test on every instruction set of this CPU, and compares it bit for
    /// bit with portable code: the state and the top 10 unseen items after each event, the scores
    /// and the ranking of all items after each sequence. This takes several catalogue scans per
    /// sequence and instruction set. Ignores the active overlay.
    ///
    /// If one differs, the error says where and by what.
    pub fn compare_isas(&self) -> Result<IsaComparison> {
        let mut file = ModelFile::parse(&self.bytes)?;
        let selftest = SelfTest::take(&mut file.tensors, self.config())?;
        let make = |backend| self.on(backend).map(Arc::new);
        isa::compare(make, |found, expected| {
            for (sequence, case) in selftest.cases().enumerate() {
                if let Some(what) = first_difference(found, expected, &case)? {
                    return Ok(Some(format!("self-test sequence {sequence}, {what}")));
                }
            }
            Ok(None)
        })?;
        let sequences = selftest.cases().count();
        Ok(IsaComparison {
            isas: Isa::available().collect(),
            sequences,
            events: selftest.cases().map(|case| case.events.len()).sum(),
            scores: sequences * self.num_items(),
        })
    }
}

fn first_difference(
    found: &Arc<Model>,
    expected: &Arc<Model>,
    case: &Case<'_>,
) -> Result<Option<String>> {
    let num_items = found.num_items();
    let mut sessions = [found, expected].map(|model| Session::new(Arc::clone(model)));
    for (index, &event) in case.events.iter().enumerate() {
        for session in &mut sessions {
            session.append(event)?;
        }
        let [found, expected] = &sessions;
        let [list, other] =
            [found, expected].map(|session| ranking(session, LIST, &Filter::unseen()));
        let difference = isa::different_number("number", &found.state, &expected.state)
            .or(isa::different_position(&list?, &other?));
        if let Some(what) = difference {
            return Ok(Some(format!("event {index}, {what}")));
        }
    }
    let [found, expected] = sessions.each_ref();
    let all: Vec<_> = (0..num_items as u32).collect();
    let scores =
        isa::different_number("score of item", &found.score(&all)?, &expected.score(&all)?);
    let [list, other] =
        [found, expected].map(|session| ranking(session, num_items, &Filter::default()));
    Ok(scores.or(isa::different_position(&list?, &other?)))
}

fn ranking(session: &Session, k: usize, filter: &Filter<'_>) -> Result<Vec<(u32, f32)>> {
    let best = session.top_k(k, filter)?;
    Ok(best.into_iter().map(|scored| (scored.item, scored.score)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    const TINY: &[u8] = include_bytes!("../tests/data/tiny.safetensors");

    fn model(bytes: &[u8]) -> Arc<Model> {
        Arc::new(Model::from_bytes(bytes.to_vec()).unwrap())
    }

    /// The difference found when one bit of the first element of a tensor is flipped.
    fn difference_with(name: &str) -> Option<String> {
        let header = 8 + u64::from_le_bytes(*TINY.first_chunk().unwrap()) as usize;
        let tensors = safetensors::SafeTensors::deserialize(TINY).unwrap();
        let data = tensors.tensor(name).unwrap().data();
        let offset = data.as_ptr() as usize - TINY[header..].as_ptr() as usize + header;
        let mut changed = TINY.to_vec();
        changed[offset + 1] ^= 1;
        let events = [5, 9, 5].map(Event::from);
        let case = Case { events: &events, candidates: &[], scores: &[] };
        first_difference(&model(&changed), &model(TINY), &case).unwrap()
    }

    #[test]
    fn every_isa_of_this_cpu_agrees() {
        let compared = model(TINY).compare_isas().unwrap();
        assert_eq!(compared.isas, Isa::available().collect::<Vec<_>>());
        assert_eq!((compared.sequences, compared.events), (3, 36));
        assert_eq!(compared.scores, 3 * model(TINY).num_items());
    }

    #[test]
    fn one_bit_is_a_difference() {
        let state = difference_with("blocks.0.input.bias").unwrap();
        assert!(state.starts_with("event 0, number "), "{state}");
        // Item 0 is not among the events, so only its own score differs.
        let score = difference_with("catalog.table").unwrap();
        assert!(score.contains("item 0"), "{score}");
        assert_eq!(difference_with("selftest.scores"), None);
    }
}
