//! The item embeddings, scanned in place in the file.

mod elements;
mod floats;
mod integers;
mod numbers;

use std::fmt;

use elements::{Elements, NAME};
pub(crate) use floats::Floats;
use integers::Quantized;
pub(crate) use numbers::{Hidden, Numbers};

use crate::loading::{Dtype, TensorFile};
use crate::{Config, Result};

/// The element type of the catalogue table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TableDtype {
    /// Single precision.
    F32,
    /// Half precision: half the bytes to scan. Sums are in single precision.
    F16,
    /// 8-bit integers with a scale per item: a quarter of the bytes to scan.
    Int8,
}

impl fmt::Display for TableDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        })
    }
}

/// The table, in blocks of 32 items.
#[derive(Debug)]
pub(crate) enum Table {
    /// `[B, D, 32]`
    F32(Elements<f32>),
    /// Half precision, as bits. `[B, D, 32]`
    F16(Elements<u16>),
    Int8(Quantized),
}

impl Table {
    /// Takes the table's tensors. Checks that elements are finite and that the padding is zero.
    pub(crate) fn take(tensors: &mut TensorFile<'_>, config: &Config, file: &[u8]) -> Result<Self> {
        let dtypes = [Dtype::F32, Dtype::F16, Dtype::I8];
        Ok(match tensors.dtype(NAME, &dtypes, "F32, F16 or I8")? {
            Dtype::F16 => Self::F16(floats::take(tensors, config, file)?),
            Dtype::I8 => Self::Int8(Quantized::take(tensors, config, file)?),
            _ => Self::F32(floats::take(tensors, config, file)?),
        })
    }

    pub(crate) fn dtype(&self) -> TableDtype {
        match self {
            Self::F32(_) => TableDtype::F32,
            Self::F16(_) => TableDtype::F16,
            Self::Int8(_) => TableDtype::Int8,
        }
    }

    /// Passes the elements to a visitor, given the file they were taken from.
    #[inline(always)]
    pub(crate) fn visit<V: Visitor>(&self, file: &[u8], visitor: V) -> V::Output {
        match self {
            Self::F32(elements) => visitor.visit(Floats::new(elements.get(file))),
            Self::F16(elements) => visitor.visit(Floats::new(elements.get(file))),
            Self::Int8(table) => visitor.visit(table.numbers(file)),
        }
    }
}

/// A computation over a table's elements, generic over their type.
pub(crate) trait Visitor {
    type Output;

    fn visit<N: Numbers>(self, numbers: N) -> Self::Output;
}
