//! Elements in the model file, used in place.

use std::ops::Range;

use bytemuck::Pod;

use crate::loading::Tensor;

pub(super) const NAME: &str = "catalog.table";

/// Elements in the file, or a copy if the file does not align them.
#[derive(Debug)]
pub(crate) enum Elements<E> {
    InFile(Range<usize>),
    Copied(Vec<E>),
}

impl<E: Pod> Elements<E> {
    pub(super) fn new(tensor: &Tensor<'_>) -> Self {
        match bytemuck::try_cast_slice::<u8, E>(tensor.bytes()) {
            Ok(_) => Self::InFile(tensor.range.clone()),
            Err(_) => Self::Copied(bytemuck::allocation::pod_collect_to_vec(tensor.bytes())),
        }
    }

    pub(super) fn get<'a>(&'a self, file: &'a [u8]) -> &'a [E] {
        match self {
            // This cast succeeded on the same bytes at load.
            Self::InFile(range) => bytemuck::cast_slice(&file[range.clone()]),
            Self::Copied(elements) => elements,
        }
    }
}
