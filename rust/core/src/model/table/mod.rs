//! The item embeddings, scanned where they are in the file.

mod elements;

use std::fmt;

use crate::kernels::block_scores::{BLOCK, Features};
use crate::kernels::element::Element;
use crate::kernels::integer_scores::item_score;
use crate::kernels::{lanes, lanes_mut};
use crate::loading::{Dtype, Stored, Tensor, TensorFile};
use crate::simd::{GROUP, GroupRow, LANES, ROW_VECTORS, Simd, Vector};
use crate::{Config, Result};
use elements::Elements;

const NAME: &str = "catalog.table";
const SCALE_NAME: &str = "catalog.scale";

/// The element type of the catalogue table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TableDtype {
    /// Single precision.
    F32,
    /// Half precision: half the bytes to scan. Sums are in single precision.
    F16,
    /// 8-bit integers with a scale an item: a quarter of the bytes to scan.
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
    /// As bits. `[B, D, 32]`
    F16(Elements<u16>),
    Int8(Quantized),
}

/// 8-bit integers with a scale an item.
#[derive(Debug)]
pub(crate) struct Quantized {
    /// `[B, D / 4, 32, 4]`
    integers: Elements<i8>,
    /// `[B, 32]`
    scales: Elements<f32>,
}

impl Table {
    /// Takes the table's tensors. Its numbers are finite, and the lanes past N are zero.
    pub(crate) fn take(tensors: &mut TensorFile<'_>, config: &Config, file: &[u8]) -> Result<Self> {
        let dtypes = [Dtype::F32, Dtype::F16, Dtype::I8];
        Ok(match tensors.dtype(NAME, &dtypes, "F32, F16 or I8")? {
            Dtype::F16 => Self::F16(take_floats(tensors, config, file)?),
            Dtype::I8 => Self::Int8(Quantized::take(tensors, config, file)?),
            _ => Self::F32(take_floats(tensors, config, file)?),
        })
    }

    /// The element type.
    pub(crate) fn dtype(&self) -> TableDtype {
        match self {
            Self::F32(_) => TableDtype::F32,
            Self::F16(_) => TableDtype::F16,
            Self::Int8(_) => TableDtype::Int8,
        }
    }

    /// The embedding of an item.
    #[inline(always)]
    pub(crate) fn embedding<S: Simd>(&self, simd: S, file: &[u8], item: usize, out: &mut [f32]) {
        match self {
            Self::F32(elements) => copy(simd, elements.get(file), item, out),
            Self::F16(elements) => copy(simd, elements.get(file), item, out),
            Self::Int8(table) => {
                let scale = table.scales(file).as_flattened().as_flattened()[item];
                let (out, _) = out.as_chunks_mut::<GROUP>();
                for (row, out) in table.block(file, out.len(), item / BLOCK).iter().zip(out) {
                    *out = row[item % BLOCK].map(|integer| scale * f32::from(integer));
                }
            }
        }
    }

    /// The score of an item: the number that the scan of its block finds for it.
    #[inline(always)]
    pub(crate) fn score<S: Simd>(&self, simd: S, file: &[u8], item: usize, hidden: &[f32]) -> f32 {
        match self {
            Self::F32(elements) => dot(column(elements.get(file), hidden.len(), item), hidden),
            Self::F16(elements) => dot(column(elements.get(file), hidden.len(), item), hidden),
            Self::Int8(table) => {
                let block = table.block(file, hidden.len() / GROUP, item / BLOCK);
                let scale = table.scales(file).as_flattened().as_flattened()[item];
                item_score(simd, block, item % BLOCK, scale, hidden)
            }
        }
    }
}

impl<E: Element> Elements<E> {
    /// The numbers as features of 32 items, D to a block.
    pub(crate) fn features<'a>(&'a self, file: &'a [u8]) -> &'a [Features<E>] {
        self.get(file).as_chunks().0.as_chunks().0
    }
}

impl Quantized {
    fn take(tensors: &mut TensorFile<'_>, config: &Config, file: &[u8]) -> Result<Self> {
        let (items, size) = (config.num_items, config.hidden_size);
        let blocks = items.div_ceil(BLOCK);
        let scale = tensors.take(SCALE_NAME, Dtype::F32, &[blocks, BLOCK])?;
        let scales = Elements::<f32>::new(&scale);
        let numbers = scales.get(file);
        if let Some(at) = numbers.iter().position(|&scale| !(0.0..f32::INFINITY).contains(&scale)) {
            return Err(scale.invalid(at, numbers[at], "a finite number, not negative"));
        }
        if let Some(past) = numbers[items..].iter().position(|&scale| scale != 0.0) {
            return Err(scale.invalid(
                items + past,
                numbers[items + past],
                "zero, past the last item",
            ));
        }
        let table = tensors.take(NAME, Dtype::I8, &[blocks, size / GROUP, BLOCK, GROUP])?;
        Ok(Self { integers: Elements::new(&table), scales })
    }

    /// Groups of features, D / 4 to a block.
    pub(crate) fn groups<'a>(&'a self, file: &'a [u8]) -> &'a [GroupRow] {
        self.integers.get(file).as_chunks().0.as_chunks().0
    }

    /// The scales of each block.
    pub(crate) fn scales<'a>(&'a self, file: &'a [u8]) -> &'a [[[f32; LANES]; ROW_VECTORS]] {
        self.scales.get(file).as_chunks().0.as_chunks().0
    }

    #[inline(always)]
    fn block<'a>(&'a self, file: &'a [u8], groups: usize, block: usize) -> &'a [GroupRow] {
        &self.groups(file)[block * groups..(block + 1) * groups]
    }
}

/// The features of one item.
#[inline(always)]
pub(in crate::model) fn column<E: Element>(
    elements: &[E],
    size: usize,
    item: usize,
) -> impl Iterator<Item = f32> {
    let block = &elements[item / BLOCK * size * BLOCK..][..size * BLOCK];
    block[item % BLOCK..].iter().step_by(BLOCK).map(|element| element.to_f32())
}

/// out = the features of one item
#[inline(always)]
pub(in crate::model) fn copy<S: Simd, E: Element>(
    simd: S,
    elements: &[E],
    item: usize,
    out: &mut [f32],
) {
    let block = &elements[item / BLOCK * out.len() * BLOCK..][..out.len() * BLOCK];
    let (features, _) = block.as_chunks::<BLOCK>();
    for (features, out) in lanes(features).iter().zip(lanes_mut(out)) {
        let mut column = [features[0][item % BLOCK]; LANES];
        for (to, features) in column.iter_mut().zip(features) {
            *to = features[item % BLOCK];
        }
        E::load(simd, &column).store(out);
    }
}

#[inline(always)]
pub(in crate::model) fn dot(column: impl Iterator<Item = f32>, hidden: &[f32]) -> f32 {
    column.zip(hidden).fold(0.0, |sum, (value, h)| sum + value * h)
}

fn take_floats<E: Stored>(
    tensors: &mut TensorFile<'_>,
    config: &Config,
    file: &[u8],
) -> Result<Elements<E>> {
    let (items, size) = (config.num_items, config.hidden_size);
    let tensor = tensors.take(NAME, E::DTYPE, &[items.div_ceil(BLOCK), size, BLOCK])?;
    let elements = Elements::new(&tensor);
    check(elements.get(file), size, items, &tensor)?;
    Ok(elements)
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
