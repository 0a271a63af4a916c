//! A table of floating-point elements.

use super::elements::{Elements, NAME};
use super::numbers::{Hidden, Numbers};
use crate::kernels::block_scores::{BLOCK, Bounds, Features, block_scores};
use crate::kernels::element::Element;
use crate::kernels::{lanes, lanes_mut};
use crate::loading::{Stored, Tensor, TensorFile};
use crate::simd::{LANES, Simd, Vector};
use crate::{Config, Result};

/// Features of 32 items, D per block.
#[derive(Clone, Copy)]
pub(crate) struct Floats<'a, E>(&'a [Features<E>]);

impl<'a, E: Element> Floats<'a, E> {
    /// From elements `[B, D, 32]`.
    #[inline(always)]
    pub(in crate::model) fn new(numbers: &'a [E]) -> Self {
        Self(numbers.as_chunks().0.as_chunks().0)
    }

    #[inline(always)]
    pub(in crate::model) fn column(self, size: usize, item: usize) -> impl Iterator<Item = f32> {
        let block = &self.0[item / BLOCK * size..][..size];
        block.iter().map(move |features| features.as_flattened()[item % BLOCK].to_f32())
    }
}

impl<E: Element> Numbers for Floats<'_, E> {
    const EXACT: bool = true;

    #[inline(always)]
    fn embedding<S: Simd>(self, simd: S, item: usize, out: &mut [f32]) {
        let block = &self.0[item / BLOCK * out.len()..][..out.len()];
        for (features, out) in lanes(block).iter().zip(lanes_mut(out)) {
            let mut column = [features[0].as_flattened()[item % BLOCK]; LANES];
            for (to, features) in column.iter_mut().zip(features) {
                *to = features.as_flattened()[item % BLOCK];
            }
            E::load(simd, &column).store(out);
        }
    }

    #[inline(always)]
    fn score<S: Simd>(self, _simd: S, item: usize, hidden: &[f32]) -> f32 {
        self.column(hidden.len(), item).zip(hidden).fold(0.0, |sum, (value, h)| sum + value * h)
    }

    #[inline(always)]
    fn bounds<S: Simd, const U: usize>(
        self,
        simd: S,
        block: usize,
        hidden: [Hidden<'_>; U],
    ) -> [Bounds<S::Row>; U] {
        let size = hidden[0].vector.len();
        let mut vectors: [&[f32]; U] = [&[]; U];
        for u in 0..U {
            vectors[u] = hidden[u].vector;
        }
        block_scores(simd, &self.0[block * size..][..size], vectors)
            .map(|scores| Bounds { least: scores, most: scores })
    }
}

pub(super) fn take<E: Stored>(
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

/// Checks that every element is finite, and that the padding past the last item is zero.
fn check<E: Element>(elements: &[E], size: usize, items: usize, tensor: &Tensor<'_>) -> Result<()> {
    let invalid =
        |index: usize, expected| Err(tensor.invalid(index, elements[index].to_f32(), expected));
    if let Some(index) = elements.iter().position(|element| !element.to_f32().is_finite()) {
        return invalid(index, "a finite number");
    }
    let last_block = (items - 1) / BLOCK;
    let padding = |index: usize| last_block * BLOCK + index % BLOCK >= items;
    let mut last = last_block * size * BLOCK..elements.len();
    match last.find(|&index| padding(index) && elements[index].to_f32() != 0.0) {
        Some(index) => invalid(index, "zero, past the last item"),
        None => Ok(()),
    }
}
