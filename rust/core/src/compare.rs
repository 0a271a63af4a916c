//! Whether every instruction set of this machine gives the same bits, on a model of one's own.

use std::sync::Arc;

use crate::error::Cause;
use crate::loading::{Case, ModelFile, SelfTest};
use crate::simd::Backend;
use crate::{Filter, Isa, Model, Result, Scored, Session};

/// The length of the lists that are compared after every event.
const LIST: usize = 10;

/// What a successful [`Model::compare_isas`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IsaComparison {
    /// The instruction sets, the best first; the last is [`Isa::Scalar`], which the others were
    /// compared with.
    pub isas: Vec<Isa>,
    /// Event sequences played.
    pub sequences: usize,
    /// Events played: after each, states and lists of the ten best were compared.
    pub events: usize,
    /// Scores compared: of all items after each sequence, one by one and as a ranking.
    pub scores: usize,
}

impl Model {
    /// Plays the file's self-test on every instruction set of this CPU and compares, bit by bit,
    /// what portable code computes: the state and the ten best unseen items after each event, the
    /// scores and the ranking of all items after each sequence. It takes the time of several
    /// scans of the catalogue a sequence and instruction set. An active overlay does not matter.
    ///
    /// Where one differs, the error says where and by what.
    pub fn compare_isas(&self) -> Result<IsaComparison> {
        let mut file = ModelFile::parse(&self.bytes)?;
        let selftest = SelfTest::take(&mut file.tensors, self.num_items())?;
        let expected = Arc::new(self.on(Backend::SCALAR)?);
        let others = Backend::available().filter(|backend| backend.isa() != Isa::Scalar);
        for backend in others {
            let found = Arc::new(self.on(backend)?);
            for (sequence, case) in selftest.cases().enumerate() {
                if let Some(what) = first_difference(&found, &expected, &case)? {
                    let what = format!("self-test sequence {sequence}, {what}");
                    return Err(Cause::IsaDisagrees { isa: backend.isa(), what }.into());
                }
            }
        }
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
        let [list, other] = [found, expected].map(|session| session.top_k(LIST, &Filter::unseen()));
        let difference =
            other_number("number", &found.state, &expected.state).or(other_place(&list?, &other?));
        if let Some(what) = difference {
            return Ok(Some(format!("event {event}, {what}")));
        }
    }
    let [found, expected] = sessions.each_ref();
    let all: Vec<_> = (0..num_items as u32).collect();
    let scores = other_number("score of item", &found.score(&all)?, &expected.score(&all)?);
    let [ranking, other] =
        [found, expected].map(|session| session.top_k(num_items, &Filter::default()));
    Ok(scores.or(other_place(&ranking?, &other?)))
}

/// The first number with other bits. Which bits a NaN has is not promised.
fn other_number(what: &str, found: &[f32], expected: &[f32]) -> Option<String> {
    let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    let mut pairs = found.iter().zip(expected).enumerate();
    let (at, (found, expected)) = pairs.find(|(_, (a, b))| !same(**a, **b))?;
    let (found_bits, expected_bits) = (found.to_bits(), expected.to_bits());
    Some(format!(
        "{what} {at}: found {found} ({found_bits:#010x}), expected {expected} ({expected_bits:#010x})"
    ))
}

/// The first place of a list that is another.
fn other_place(found: &[Scored], expected: &[Scored]) -> Option<String> {
    let bits = |scored: &Scored| (scored.item, scored.score.to_bits());
    let longest = found.len().max(expected.len());
    let mut places = (0..longest).map(|at| (at, found.get(at), expected.get(at)));
    let (at, found, expected) = places.find(|(_, a, b)| a.map(bits) != b.map(bits))?;
    let text = |scored: Option<&Scored>| {
        scored.map_or("nothing".to_owned(), |Scored { item, score }| {
            format!("item {item} with {score} ({:#010x})", score.to_bits())
        })
    };
    Some(format!("place {at} of the list: found {}, expected {}", text(found), text(expected)))
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

    #[test]
    fn lists_differ_in_items_bits_and_length() {
        let list = [Scored { item: 3, score: 0.5 }, Scored { item: 1, score: 0.0 }];
        let mut other = list;
        assert_eq!(other_place(&list, &other), None);
        other[1].score = -0.0;
        assert!(other_place(&list, &other).unwrap().contains("place 1"));
        other[0].item = 4;
        assert!(other_place(&list, &other).unwrap().contains("item 3 with 0.5"));
        assert!(other_place(&list, &list[..1]).unwrap().contains("expected nothing"));
    }
}
