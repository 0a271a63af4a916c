//! Which instruction set a model is computed with.

use std::ffi::OsString;
use std::str::FromStr;

use super::agreement::{Computed, difference};
use crate::error::Cause;
use crate::simd::{Backend, Isa, Kernel};
use crate::{Error, Result};

/// The environment variable that forces an instruction set.
const VARIABLE: &str = "RECGRELA_ISA";

/// The one asked for, else the one that the environment names, else the best of those that give the
/// bits that portable code gives for all samples. One that was forced and gives others is an error.
pub(crate) fn choose(
    asked: Option<Isa>,
    samples: impl Kernel<Output = Vec<Computed>> + Copy,
) -> Result<Backend> {
    choose_with(asked, std::env::var_os(VARIABLE), |backend| difference(backend, samples))
}

/// The same, given the environment variable and what an instruction set computes differently.
fn choose_with(
    asked: Option<Isa>,
    variable: Option<OsString>,
    difference: impl Fn(Backend) -> Option<&'static str>,
) -> Result<Backend> {
    let forced = match (asked, variable.filter(|value| !value.is_empty())) {
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
            let what = format!("in the kernel {kernel}. Force another one, or none");
            Err(Cause::IsaDisagrees { isa: forced.isa(), what }.into())
        }
    }
}

/// From [`Isa::name`], whether or not this CPU has the instruction set.
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
    fn the_best_that_agrees() {
        let best = Isa::available().next().unwrap();
        assert_eq!(choose_with(None, None, right).unwrap().isa(), best);
        assert_eq!(choose_with(None, Some("".into()), right).unwrap().isa(), best);
        assert_eq!(choose_with(None, None, wrong).unwrap().isa(), Isa::Scalar);

        let not_the_best = |backend: Backend| (backend.isa() == best).then_some("a dot product");
        let next = Isa::available().nth(1).unwrap_or(Isa::Scalar);
        assert_eq!(choose_with(None, None, not_the_best).unwrap().isa(), next);
    }

    #[test]
    fn one_that_is_forced_agrees_or_is_an_error() {
        for isa in Isa::available() {
            for (asked, variable) in [(Some(isa), None), (None, Some(isa.name().into()))] {
                assert_eq!(choose_with(asked, variable.clone(), right).unwrap().isa(), isa);
                let refused = choose_with(asked, variable, wrong);
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
