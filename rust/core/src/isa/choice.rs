//! Chooses the instruction set of a model.

use std::ffi::OsString;
use std::str::FromStr;

use super::agreement::{Samples, difference};
use crate::error::Cause;
use crate::simd::{Backend, Isa};
use crate::{Error, Result};

const VARIABLE: &str = "RECGRELA_ISA";

/// The requested instruction set, else the one named by the environment, else the best that agrees
/// with portable code on all samples. It is an error if a forced one does not agree.
pub(crate) fn choose(requested: Option<Isa>, samples: Samples) -> Result<Backend> {
    choose_with(requested, std::env::var_os(VARIABLE), |backend| difference(backend, samples))
}

/// Like [`choose`], given the environment variable and the agreement check.
fn choose_with(
    requested: Option<Isa>,
    variable: Option<OsString>,
    difference: impl Fn(Backend) -> Option<&'static str>,
) -> Result<Backend> {
    let forced = match (requested, variable.filter(|value| !value.is_empty())) {
        (Some(isa), _) => Backend::of(isa).ok_or_else(|| unavailable(isa.name()))?,
        (None, Some(value)) => value
            .to_str()
            .and_then(|name| name.parse().ok())
            .and_then(Backend::of)
            .ok_or_else(|| unavailable(&format!("{VARIABLE}={}", value.display())))?,
        (None, None) => {
            let best = Backend::available().find(|&backend| difference(backend).is_none());
            return Ok(best.unwrap_or(Backend::SCALAR));
        }
    };
    match difference(forced) {
        None => Ok(forced),
        Some(kernel) => {
            let what = format!("kernel {kernel}. Force another instruction set, or none");
            Err(Cause::IsaDisagrees { isa: forced.isa(), what }.into())
        }
    }
}

/// Parses [`Isa::name`], whether or not this CPU supports the instruction set.
impl FromStr for Isa {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let named = Self::ALL.iter().copied().find(|isa| isa.name() == name);
        named.ok_or_else(|| unavailable(name))
    }
}

fn unavailable(found: &str) -> Error {
    let available: Vec<_> = Isa::available().map(Isa::name).collect();
    Cause::Isa { found: found.to_owned(), available: available.join(", ") }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(backend: Backend) -> Option<&'static str> {
        (backend.isa() != Isa::Scalar).then_some("a dot product")
    }

    fn right(_: Backend) -> Option<&'static str> {
        None
    }

    #[test]
    fn chooses_the_best_that_agrees() {
        let best = Isa::available().next().unwrap();
        assert_eq!(choose_with(None, None, right).unwrap().isa(), best);
        assert_eq!(choose_with(None, Some("".into()), right).unwrap().isa(), best);
        assert_eq!(choose_with(None, None, wrong).unwrap().isa(), Isa::Scalar);

        let not_the_best = |backend: Backend| (backend.isa() == best).then_some("a dot product");
        let next = Isa::available().nth(1).unwrap_or(Isa::Scalar);
        assert_eq!(choose_with(None, None, not_the_best).unwrap().isa(), next);
    }

    #[test]
    fn forcing_one_that_disagrees_is_an_error() {
        for isa in Isa::available() {
            for (requested, variable) in [(Some(isa), None), (None, Some(isa.name().into()))] {
                assert_eq!(choose_with(requested, variable.clone(), right).unwrap().isa(), isa);
                let refused = choose_with(requested, variable, wrong);
                if isa == Isa::Scalar {
                    assert_eq!(refused.unwrap().isa(), isa);
                } else {
                    let text = refused.unwrap_err().to_string();
                    assert!(text.contains(isa.name()) && text.contains("a dot product"), "{text}");
                }
            }
        }
    }
}
