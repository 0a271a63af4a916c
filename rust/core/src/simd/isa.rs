//! The instruction sets and their dispatch.

use std::fmt;

use super::{Kernel, Simd};

/// The dispatch table: the name, target and token of each instruction set.
macro_rules! instruction_sets {
    ($(
        $(#[doc = $doc:literal])+
        $isa:ident, $name:literal, $target:meta, $token:path;
    )+) => {
        /// An instruction set that the engine supports. All of them compute the same bits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Isa {
            $($(#[doc = $doc])+ $isa,)+
        }

        impl Isa {
            pub(crate) const ALL: &[Self] = &[$(Self::$isa),+];

            /// The name, as the environment variable `RECGRELA_ISA` spells it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$isa => $name,)+
                }
            }
        }

        /// An instruction set, with proof that the CPU supports it.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Backend {
            $(#[cfg($target)] $isa($token),)+
        }

        impl Backend {
            pub(crate) fn of(isa: Isa) -> Option<Self> {
                match isa {
                    $(
                        #[cfg($target)]
                        Isa::$isa => <$token>::detect().map(Self::$isa),
                        #[cfg(not($target))]
                        Isa::$isa => None,
                    )+
                }
            }

            pub(crate) fn isa(self) -> Isa {
                match self {
                    $(#[cfg($target)] Self::$isa(_) => Isa::$isa,)+
                }
            }

            /// Runs a kernel. Called once per step or scan, never for a single small loop.
            pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
                match self {
                    $(#[cfg($target)] Self::$isa(simd) => simd.run(kernel),)+
                }
            }
        }
    };
}

instruction_sets! {
    /// AVX-512 F, BW and VNNI, on x86-64.
    Avx512, "avx512", all(target_arch = "x86_64", feature = "avx512"), super::avx512::Avx512;
    /// AVX2 with F16C, on x86-64.
    Avx2, "avx2", target_arch = "x86_64", super::avx2::Avx2;
    /// NEON, on 64-bit Arm.
    Neon, "neon", all(target_arch = "aarch64", target_feature = "neon"), super::neon::Neon;
    /// simd128, in WebAssembly compiled for it.
    Simd128, "simd128", all(target_arch = "wasm32", target_feature = "simd128"),
        super::simd128::Simd128;
    /// Portable code, on any CPU.
    Scalar, "scalar", all(), super::scalar::Scalar;
}

impl Isa {
    /// The instruction sets of this CPU, best first. The last is always [`Isa::Scalar`].
    pub fn available() -> impl Iterator<Item = Self> {
        Backend::available().map(Backend::isa)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Backend {
    pub(crate) const SCALAR: Self = Self::Scalar(super::scalar::Scalar);

    /// The instruction sets of this CPU, best first and portable code last.
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        Isa::ALL.iter().copied().filter_map(Self::of)
    }
}
