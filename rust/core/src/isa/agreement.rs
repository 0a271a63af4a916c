//! Checks at run time that an instruction set computes the same bits as portable code: CPUs,
//! emulators and compilers have bugs too.

use std::sync::OnceLock;

use crate::simd::{Backend, Isa};

/// A kernel's name and its output.
pub(crate) type Computed = (&'static str, Vec<f32>);

/// Runs every kernel on sample inputs.
pub(crate) type Samples = fn(Backend) -> Vec<Computed>;

/// The first kernel of `samples` whose bits differ from portable code. Computed once per process.
pub(super) fn difference(backend: Backend, samples: Samples) -> Option<&'static str> {
    static FOUND: [OnceLock<Option<&'static str>>; Isa::ALL.len()] =
        [const { OnceLock::new() }; Isa::ALL.len()];
    *FOUND[backend.isa() as usize].get_or_init(|| match backend.isa() {
        Isa::Scalar => None,
        _ => first_difference(&samples(backend), &samples(Backend::SCALAR)),
    })
}

pub(crate) fn first_difference(found: &[Computed], expected: &[Computed]) -> Option<&'static str> {
    let bits = |computed: &Computed| computed.1.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let mut pairs = found.iter().zip(expected);
    pairs.find(|(found, expected)| bits(found) != bits(expected)).map(|(found, _)| found.0)
}
