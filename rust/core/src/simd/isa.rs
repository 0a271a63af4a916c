//! The choice of an instruction set, and the one place where it is acted on.

use std::fmt;

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use super::avx512::Avx512;
use super::scalar::Scalar;
use super::{Kernel, Simd};
use crate::{Error, Result};

/// The environment variable that forces an instruction set.
const ISA_VARIABLE: &str = "RECGRELA_ISA";

/// An instruction set that the engine has code for. All of them give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Portable code, on any CPU.
    Scalar,
    /// AVX2 with F16C, on x86-64.
    Avx2,
    /// AVX-512 F and VNNI, on x86-64.
    Avx512,
}

impl Isa {
    /// Every instruction set, the best first.
    const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Scalar];

    /// Those that this CPU can run, the best first. The last one is always [`Isa::Scalar`].
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|&isa| Backend::of(isa).is_some())
    }

    /// The name, as the environment variable `RECGRELA_ISA` spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The instruction set of a name, whether or not this CPU has it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|isa| isa.name() == name)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The dispatch table: an instruction set together with the proof that it may be used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Scalar(Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Backend {
    /// The one asked for, else the one that the environment names, else the best.
    pub(crate) fn choose(asked: Option<Isa>) -> Result<Self> {
        if let Some(isa) = asked {
            return Self::of(isa).ok_or_else(|| unavailable(isa.name()));
        }
        match std::env::var_os(ISA_VARIABLE).filter(|value| !value.is_empty()) {
            Some(value) => value
                .to_str()
                .and_then(Isa::from_name)
                .and_then(Self::of)
                .ok_or_else(|| unavailable(&format!("{ISA_VARIABLE}={}", value.display()))),
            None => Ok(Self::best()),
        }
    }

    /// The best that this CPU can run.
    fn best() -> Self {
        Isa::ALL.into_iter().find_map(Self::of).unwrap_or(Self::Scalar(Scalar))
    }

    fn of(isa: Isa) -> Option<Self> {
        match isa {
            Isa::Scalar => Some(Self::Scalar(Scalar)),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Avx2::detect().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Avx512::detect().map(Self::Avx512),
            #[cfg(not(target_arch = "x86_64"))]
            _ => None,
        }
    }

    /// Which instruction set this is.
    pub(crate) fn isa(self) -> Isa {
        match self {
            Self::Scalar(_) => Isa::Scalar,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Isa::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Isa::Avx512,
        }
    }

    /// Runs a kernel. Called once for a whole step or scan, never for a single small loop.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Scalar(simd) => run_portable(simd, kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => simd.run(kernel),
        }
    }
}

/// Kept out of line, so that the two copies of a kernel stay two functions.
#[inline(never)]
fn run_portable<S: Simd, K: Kernel>(simd: S, kernel: K) -> K::Output {
    kernel.run(simd)
}

fn unavailable(found: &str) -> Error {
    let available: Vec<_> = Isa::available().map(Isa::name).collect();
    Error::Isa { found: found.to_owned(), available: available.join(", ") }
}
