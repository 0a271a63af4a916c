//! The instruction sets, and the one place where one of them is acted on.

use std::fmt;

use super::{Kernel, Simd};

/// The dispatch table: for each instruction set its name, where it is compiled, and its token.
macro_rules! instruction_sets {
    ($(
        $(#[doc = $doc:literal])+
        $isa:ident, $name:literal, $target:meta, $token:path;
    )+) => {
        /// An instruction set that the engine has code for. All of them give the same bits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Isa {
            $($(#[doc = $doc])+ $isa,)+
        }

        impl Isa {
            /// Every instruction set, the best of each architecture first.
            pub(crate) const ALL: &[Self] = &[$(Self::$isa),+];

            /// The name, as the environment variable `RECGRELA_ISA` spells it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$isa => $name,)+
                }
            }
        }

        /// An instruction set together with the proof that it may be used.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Backend {
            $(#[cfg($target)] $isa($token),)+
        }

        impl Backend {
            /// The instruction set with its proof, if this CPU can run it.
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

            /// Which instruction set this is.
            pub(crate) fn isa(self) -> Isa {
                match self {
                    $(#[cfg($target)] Self::$isa(_) => Isa::$isa,)+
                }
            }

            /// Runs a kernel. Called once for a whole step or scan, never for a single small loop.
            pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
                match self {
                    $(#[cfg($target)] Self::$isa(simd) => simd.run(kernel),)+
                }
            }
        }
    };
}

instruction_sets! {
    /// AVX-512 F and VNNI, on x86-64.
    Avx512, "avx512", all(target_arch = "x86_64", feature = "avx512"), super::avx512::Avx512;
    /// AVX2 with F16C, on x86-64.
    Avx2, "avx2", target_arch = "x86_64", super::avx2::Avx2;
    /// NEON, on 64-bit Arm.
    Neon, "neon", all(target_arch = "aarch64", target_feature = "neon"), super::neon::Neon;
    /// simd128, in WebAssembly that was compiled for it.
    Simd128, "simd128", all(target_arch = "wasm32", target_feature = "simd128"),
        super::simd128::Simd128;
    /// Portable code, on any CPU.
    Scalar, "scalar", all(), super::scalar::Scalar;
}

impl Isa {
    /// Those that this CPU can run, the best first. The last one is always [`Isa::Scalar`].
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
    /// Portable code.
    pub(crate) const SCALAR: Self = Self::Scalar(super::scalar::Scalar);

    /// Those that this CPU can run, the best first and portable code last.
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        Isa::ALL.iter().copied().filter_map(Self::of)
    }
}
