//! Compares the results of every instruction set of this machine, bit for bit.

use crate::error::Cause;
use crate::simd::Backend;
use crate::{Isa, Result};

/// The extent of a successful [`Model::compare_isas`](crate::Model::compare_isas).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IsaComparison {
    /// The instruction sets, best first. The last is [`Isa::Scalar`], the reference.
    pub isas: Vec<Isa>,
    /// Event sequences replayed.
    pub sequences: usize,
    /// Events replayed. After each, the state and the top 10 were compared.
    pub events: usize,
    /// Scores compared: of all items after each sequence, one by one and as a ranking.
    pub scores: usize,
}

/// Compares what `make` returns on each instruction set of this CPU with portable code.
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

/// Describes the first number whose bits differ. NaNs are equal: their bits are unspecified.
pub(crate) fn different_number(what: &str, found: &[f32], expected: &[f32]) -> Option<String> {
    let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    let mut pairs = found.iter().zip(expected).enumerate();
    let (index, (found, expected)) = pairs.find(|(_, (a, b))| !same(**a, **b))?;
    let (found_bits, expected_bits) = (found.to_bits(), expected.to_bits());
    Some(format!(
        "{what} {index}: found {found} ({found_bits:#010x}), expected {expected} ({expected_bits:#010x})"
    ))
}

/// Describes the first position where two rankings differ.
pub(crate) fn different_position(found: &[(u32, f32)], expected: &[(u32, f32)]) -> Option<String> {
    let bits = |&(item, score): &(u32, f32)| (item, score.to_bits());
    let longest = found.len().max(expected.len());
    let mut positions = (0..longest).map(|i| (i, found.get(i), expected.get(i)));
    let (position, found, expected) = positions.find(|(_, a, b)| a.map(bits) != b.map(bits))?;
    let text = |scored: Option<&(u32, f32)>| {
        scored.map_or("nothing".to_owned(), |(item, score)| {
            format!("item {item} with {score} ({:#010x})", score.to_bits())
        })
    };
    Some(format!(
        "position {position} of the ranking: found {}, expected {}",
        text(found),
        text(expected)
    ))
}

#[cfg(test)]
mod tests {
    use super::different_position;

    #[test]
    fn lists_differ_in_items_bits_and_length() {
        let list = [(3, 0.5), (1, 0.0)];
        let mut other = list;
        assert_eq!(different_position(&list, &other), None);
        other[1].1 = -0.0;
        assert!(different_position(&list, &other).unwrap().contains("position 1"));
        other[0].0 = 4;
        assert!(different_position(&list, &other).unwrap().contains("item 3 with 0.5"));
        assert!(different_position(&list, &list[..1]).unwrap().contains("expected nothing"));
    }
}
