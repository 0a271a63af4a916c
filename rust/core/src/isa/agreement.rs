//! Whether an instruction set gives the bits that portable code gives, checked where it is going to
//! be used: CPUs, emulators and compilers have faults too.

use std::sync::OnceLock;

use crate::simd::{Backend, Isa, Kernel};

/// A kernel's name and what it computed.
pub(crate) type Computed = (&'static str, Vec<f32>);

/// The first kernel of `samples` that gives other bits than portable code. Found out once in a
/// process.
pub(super) fn difference(
    backend: Backend,
    samples: impl Kernel<Output = Vec<Computed>> + Copy,
) -> Option<&'static str> {
    static FOUND: [OnceLock<Option<&'static str>>; Isa::ALL.len()] =
        [const { OnceLock::new() }; Isa::ALL.len()];
    *FOUND[backend.isa() as usize].get_or_init(|| match backend.isa() {
        Isa::Scalar => None,
        _ => first_difference(&backend.run(samples), &Backend::SCALAR.run(samples)),
    })
}

/// The first kernel whose results differ.
pub(crate) fn first_difference(found: &[Computed], expected: &[Computed]) -> Option<&'static str> {
    let bits = |computed: &Computed| computed.1.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let mut pairs = found.iter().zip(expected);
    pairs.find(|(found, expected)| bits(found) != bits(expected)).map(|(found, _)| found.0)
}
