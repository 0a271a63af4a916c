//! The item embeddings, scanned where they are in the file.

use std::fmt;
use std::ops::Range;

use crate::Result;
use crate::kernels::scan::{BLOCK, Element, Row};
use crate::loading::{Dtype, Tensor, TensorFile};

const NAME: &str = "catalog.table";

/// The element type of the catalogue table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TableDtype {
    /// Single precision.
    F32,
    /// Half precision: half the bytes to scan. Sums are in single precision.
    F16,
}

impl fmt::Display for TableDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
        })
    }
}

/// The table `[B, D, 32]`.
#[derive(Debug)]
pub(crate) enum Table {
    F32(Elements<f32>),
    /// As bits.
    F16(Elements<u16>),
}

/// Numbers in the file, or a copy of them where the file does not align them.
#[derive(Debug)]
pub(crate) enum Elements<E> {
    InFile(Range<usize>),
    Copied(Vec<E>),
}

impl Table {
    /// Takes the table's tensor. Its numbers are finite, and the lanes past N are zero.
    pub(crate) fn take(tensors: &mut TensorFile<'_>, file: &[u8]) -> Result<Self> {
        let (items, size) = (tensors.config.num_items, tensors.config.hidden_size);
        let shape = [items.div_ceil(BLOCK), size, BLOCK];
        match tensors.dtype(NAME, &[Dtype::F32, Dtype::F16], "F32 or F16")? {
            Dtype::F16 => {
                let tensor = tensors.take(NAME, Dtype::F16, &shape)?;
                let elements = Elements::new(&tensor, u16::from_le_bytes);
                check(elements.get(file), size, items, &tensor)?;
                Ok(Self::F16(elements))
            }
            _ => {
                let tensor = tensors.take(NAME, Dtype::F32, &shape)?;
                let elements = Elements::new(&tensor, f32::from_le_bytes);
                check(elements.get(file), size, items, &tensor)?;
                Ok(Self::F32(elements))
            }
        }
    }

    /// The element type.
    pub(crate) fn dtype(&self) -> TableDtype {
        match self {
            Self::F32(_) => TableDtype::F32,
            Self::F16(_) => TableDtype::F16,
        }
    }

    /// The embedding of an item.
    pub(crate) fn embedding(&self, file: &[u8], item: usize, out: &mut [f32]) {
        match self {
            Self::F32(elements) => copy(column(elements.get(file), out.len(), item), out),
            Self::F16(elements) => copy(column(elements.get(file), out.len(), item), out),
        }
    }

    /// The score of an item: the sum that the scan of its block computes in its lane.
    pub(crate) fn score(&self, file: &[u8], item: usize, hidden: &[f32]) -> f32 {
        match self {
            Self::F32(elements) => dot(column(elements.get(file), hidden.len(), item), hidden),
            Self::F16(elements) => dot(column(elements.get(file), hidden.len(), item), hidden),
        }
    }
}

impl<E: Element> Elements<E> {
    fn new<const N: usize>(tensor: &Tensor<'_>, from_le_bytes: fn([u8; N]) -> E) -> Self {
        match bytemuck::try_cast_slice::<u8, E>(tensor.bytes()) {
            Ok(_) => Self::InFile(tensor.range.clone()),
            Err(_) => {
                Self::Copied(tensor.elements().iter().map(|&bytes| from_le_bytes(bytes)).collect())
            }
        }
    }

    /// The numbers, given the file that they were taken from.
    pub(crate) fn get<'a>(&'a self, file: &'a [u8]) -> &'a [E] {
        match self {
            // The cast succeeded on these very bytes when they were loaded.
            Self::InFile(range) => bytemuck::cast_slice(&file[range.clone()]),
            Self::Copied(elements) => elements,
        }
    }

    /// The numbers as rows of 32 items, D to a block.
    pub(crate) fn rows<'a>(&'a self, file: &'a [u8]) -> &'a [Row<E>] {
        self.get(file).as_chunks().0.as_chunks().0
    }
}

/// The features of one item.
fn column<E: Element>(elements: &[E], size: usize, item: usize) -> impl Iterator<Item = f32> {
    let block = &elements[item / BLOCK * size * BLOCK..][..size * BLOCK];
    block[item % BLOCK..].iter().step_by(BLOCK).map(|element| element.to_f32())
}

fn copy(column: impl Iterator<Item = f32>, out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(column) {
        *out = value;
    }
}

fn dot(column: impl Iterator<Item = f32>, hidden: &[f32]) -> f32 {
    column.zip(hidden).fold(0.0, |sum, (value, h)| sum + value * h)
}

/// Checks that every number is finite, and that those past the last item are zero.
fn check<E: Element>(elements: &[E], size: usize, items: usize, tensor: &Tensor<'_>) -> Result<()> {
    let invalid = |at: usize, expected| Err(tensor.invalid(at, elements[at].to_f32(), expected));
    if let Some(at) = elements.iter().position(|element| !element.to_f32().is_finite()) {
        return invalid(at, "a finite number");
    }
    let last_block = (items - 1) / BLOCK;
    let padding = |at: usize| last_block * BLOCK + at % BLOCK >= items;
    let mut last = last_block * size * BLOCK..elements.len();
    match last.find(|&at| padding(at) && elements[at].to_f32() != 0.0) {
        Some(at) => invalid(at, "zero, past the last item"),
        None => Ok(()),
    }
}
