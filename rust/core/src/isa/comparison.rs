//! Whether every instruction set of this machine gives the same bits, on whatever is compared.

use crate::error::Cause;
use crate::simd::Backend;
use crate::{Isa, Result};

/// What a successful [`Model::compare_isas`](crate::Model::compare_isas) did.
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

/// Compares what is made on each instruction set of this CPU with what is made on portable code.
pub(crate) fn compare<T>(
    make: impl Fn(Backend) -> Result<T>,
    difference: impl Fn(&T, &T) -> Result<Option<String>>,
) -> Result<()> {
    let expected = make(Backend::SCALAR)?;
    for backend in Backend::available().filter(|backend| backend.isa() != Isa::Scalar) {
        if let Some(what) = difference(&make(backend)?, &expected)? {
            return Err(Cause::IsaDisagrees { isa: backend.isa(), what }.into());
        }
    }
    Ok(())
}

/// The first number with other bits. Which bits a NaN has is not promised.
pub(crate) fn other_number(what: &str, found: &[f32], expected: &[f32]) -> Option<String> {
    let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    let mut pairs = found.iter().zip(expected).enumerate();
    let (at, (found, expected)) = pairs.find(|(_, (a, b))| !same(**a, **b))?;
    let (found_bits, expected_bits) = (found.to_bits(), expected.to_bits());
    Some(format!(
        "{what} {at}: found {found} ({found_bits:#010x}), expected {expected} ({expected_bits:#010x})"
    ))
}

/// The first place of a list of items and scores that is another.
pub(crate) fn other_place(found: &[(u32, f32)], expected: &[(u32, f32)]) -> Option<String> {
    let bits = |&(item, score): &(u32, f32)| (item, score.to_bits());
    let longest = found.len().max(expected.len());
    let mut places = (0..longest).map(|at| (at, found.get(at), expected.get(at)));
    let (at, found, expected) = places.find(|(_, a, b)| a.map(bits) != b.map(bits))?;
    let text = |scored: Option<&(u32, f32)>| {
        scored.map_or("nothing".to_owned(), |(item, score)| {
            format!("item {item} with {score} ({:#010x})", score.to_bits())
        })
    };
    Some(format!("place {at} of the list: found {}, expected {}", text(found), text(expected)))
}

#[cfg(test)]
mod tests {
    use super::other_place;

    #[test]
    fn lists_differ_in_items_bits_and_length() {
        let list = [(3, 0.5), (1, 0.0)];
        let mut other = list;
        assert_eq!(other_place(&list, &other), None);
        other[1].1 = -0.0;
        assert!(other_place(&list, &other).unwrap().contains("place 1"));
        other[0].0 = 4;
        assert!(other_place(&list, &other).unwrap().contains("item 3 with 0.5"));
        assert!(other_place(&list, &list[..1]).unwrap().contains("expected nothing"));
    }
}
