//! Whether a file is what its author exported, and whether this machine computes what its author
//! computed.

use std::sync::Arc;

use crate::error::Cause;
use crate::isa::{self, IsaComparison};
use crate::loading::{Case, ModelFile, SelfTest};
use crate::{Filter, Isa, Model, Result, Session};

/// The largest difference that passes, relative to the largest score of its row.
const TOLERANCE: f32 = 1e-4;

/// The length of the lists that are compared after every event.
const LIST: usize = 10;

/// What a successful [`Model::verify`] did.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verification {
    /// Event sequences played.
    pub sequences: usize,
    /// Scores compared.
    pub scores: usize,
    /// The largest difference from the stored scores, relative to the largest of its row.
    pub largest_difference: f32,
}

impl Model {
    /// Recomputes the fingerprint, plays the file's self-test from an empty state and compares
    /// the scores: none may be off by more than 1e-4 of the largest in its row. An active overlay
    /// does not matter.
    pub fn verify(self: &Arc<Self>) -> Result<Verification> {
        let mut file = ModelFile::parse(&self.bytes)?;
        let (found, expected) = (file.compute_fingerprint(), self.fingerprint());
        if found != expected {
            return Err(Cause::FingerprintMismatch { found, expected }.into());
        }
        let mut report = Verification { sequences: 0, scores: 0, largest_difference: 0.0 };
        let mut session = Session::new(Arc::clone(self));
        for case in SelfTest::take(&mut file.tensors, self.num_items())?.cases() {
            session.reset();
            // An overlay would change what the file's author computed.
            session.extend_under(None, case.events)?;
            let mut scores = vec![0.0; case.candidates.len()];
            session.score_under(None, case.candidates, &mut scores)?;
            let largest =
                case.scores.iter().fold(0.0, |largest: f32, score| largest.max(score.abs()));
            for ((&item, &expected), &found) in case.candidates.iter().zip(case.scores).zip(&scores)
            {
                let difference = (found - expected).abs();
                if difference > TOLERANCE * largest || difference.is_nan() {
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

    /// Plays the file's self-test on every instruction set of this CPU and compares, bit by bit,
    /// what portable code computes: the state and the ten best unseen items after each event, the
    /// scores and the ranking of all items after each sequence. It takes the time of several
    /// scans of the catalogue a sequence and instruction set. An active overlay does not matter.
    ///
    /// Where one differs, the error says where and by what.
    pub fn compare_isas(&self) -> Result<IsaComparison> {
        let mut file = ModelFile::parse(&self.bytes)?;
        let selftest = SelfTest::take(&mut file.tensors, self.num_items())?;
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

/// Plays a sequence on both models.
fn first_difference(
    found: &Arc<Model>,
    expected: &Arc<Model>,
    case: &Case<'_>,
) -> Result<Option<String>> {
    let num_items = found.num_items();
    let mut sessions = [found, expected].map(|model| Session::new(Arc::clone(model)));
    for (event, &item) in case.events.iter().enumerate() {
        for session in &mut sessions {
            session.append(item)?;
        }
        let [found, expected] = &sessions;
        let [list, other] =
            [found, expected].map(|session| ranking(session, LIST, &Filter::unseen()));
        let difference = isa::other_number("number", &found.state, &expected.state)
            .or(isa::other_place(&list?, &other?));
        if let Some(what) = difference {
            return Ok(Some(format!("event {event}, {what}")));
        }
    }
    let [found, expected] = sessions.each_ref();
    let all: Vec<_> = (0..num_items as u32).collect();
    let scores = isa::other_number("score of item", &found.score(&all)?, &expected.score(&all)?);
    let [list, other] =
        [found, expected].map(|session| ranking(session, num_items, &Filter::default()));
    Ok(scores.or(isa::other_place(&list?, &other?)))
}

fn ranking(session: &Session, k: usize, filter: &Filter<'_>) -> Result<Vec<(u32, f32)>> {
    let best = session.top_k(k, filter)?;
    Ok(best.into_iter().map(|scored| (scored.item, scored.score)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &[u8] = include_bytes!("../tests/data/tiny.safetensors");

    fn model(bytes: &[u8]) -> Arc<Model> {
        Arc::new(Model::from_bytes(bytes.to_vec()).unwrap())
    }

    /// What is found in a model whose named tensor has one bit changed in its first number.
    fn difference_with(name: &str) -> Option<String> {
        let header = 8 + u64::from_le_bytes(*TINY.first_chunk().unwrap()) as usize;
        let tensors = safetensors::SafeTensors::deserialize(TINY).unwrap();
        let data = tensors.tensor(name).unwrap().data();
        let at = data.as_ptr() as usize - TINY[header..].as_ptr() as usize + header;
        let mut changed = TINY.to_vec();
        changed[at + 1] ^= 1;
        let case = Case { events: &[5, 9, 5], candidates: &[], scores: &[] };
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
        // Item 0 is no event, so only its own score differs.
        let score = difference_with("catalog.table").unwrap();
        assert!(score.contains("item 0"), "{score}");
        assert_eq!(difference_with("selftest.scores"), None);
    }
}
