//! A table of 8-bit integers with a scale per item.

use super::elements::{Elements, NAME};
use super::numbers::{Hidden, Numbers};
use crate::kernels::block_scores::{BLOCK, Bounds, Features};
use crate::kernels::integer_scores::{QuantizedHidden, item_score};
use crate::loading::{Dtype, TensorFile};
use crate::simd::{GROUP, GroupRow, Simd};
use crate::{Config, Result};

const SCALE_NAME: &str = "catalog.scale";

#[derive(Debug)]
pub(crate) struct Quantized {
    /// `[B, D / 4, 32, 4]`
    integers: Elements<i8>,
    /// `[B, 32]`
    scales: Elements<f32>,
}

impl Quantized {
    /// Takes the table's tensors. Checks that scales are finite and not negative, and that the
    /// padding is zero.
    pub(super) fn take(tensors: &mut TensorFile<'_>, config: &Config, file: &[u8]) -> Result<Self> {
        let (items, size) = (config.num_items, config.hidden_size);
        let blocks = items.div_ceil(BLOCK);
        let scale = tensors.take(SCALE_NAME, Dtype::F32, &[blocks, BLOCK])?;
        let scales = Elements::<f32>::new(&scale);
        let numbers = scales.get(file);
        if let Some(item) = numbers.iter().position(|&scale| !(0.0..f32::INFINITY).contains(&scale))
        {
            return Err(scale.invalid(item, numbers[item], "a finite number, not negative"));
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

    #[inline(always)]
    pub(super) fn numbers<'a>(&'a self, file: &'a [u8]) -> Integers<'a> {
        Integers {
            groups: self.integers.get(file).as_chunks().0.as_chunks().0,
            scales: self.scales.get(file).as_chunks().0.as_chunks().0,
        }
    }
}

/// Groups of features of 32 items, D / 4 per block, and the scales of each block.
#[derive(Clone, Copy)]
pub(super) struct Integers<'a> {
    groups: &'a [GroupRow],
    scales: &'a [Features<f32>],
}

impl Integers<'_> {
    #[inline(always)]
    fn block(&self, size: usize, block: usize) -> &[GroupRow] {
        let groups = size / GROUP;
        &self.groups[block * groups..(block + 1) * groups]
    }

    #[inline(always)]
    fn scale(&self, item: usize) -> f32 {
        self.scales.as_flattened().as_flattened()[item]
    }
}

impl Numbers for Integers<'_> {
    const EXACT: bool = false;

    #[inline(always)]
    fn embedding<S: Simd>(self, _simd: S, item: usize, out: &mut [f32]) {
        let (scale, block) = (self.scale(item), self.block(out.len(), item / BLOCK));
        for (row, out) in block.iter().zip(out.as_chunks_mut::<GROUP>().0) {
            *out = row[item % BLOCK].map(|integer| scale * f32::from(integer));
        }
    }

    #[inline(always)]
    fn score<S: Simd>(self, simd: S, item: usize, hidden: &[f32]) -> f32 {
        let block = self.block(hidden.len(), item / BLOCK);
        item_score(simd, block, item % BLOCK, self.scale(item), hidden)
    }

    #[inline(always)]
    fn bounds<S: Simd, const U: usize>(
        self,
        simd: S,
        block: usize,
        hidden: [Hidden<'_>; U],
    ) -> [Bounds<S::Row>; U] {
        let groups = self.block(hidden[0].vector.len(), block);
        let each = hidden.map(|hidden| hidden.quantized);
        QuantizedHidden::bounds(each, simd, groups, &self.scales[block])
    }
}
