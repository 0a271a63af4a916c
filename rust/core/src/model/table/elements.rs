//! Numbers of the model file, used where they are.

use std::ops::Range;

use bytemuck::Pod;

use crate::loading::Tensor;

/// The name of the table's tensor.
pub(super) const NAME: &str = "catalog.table";

/// Numbers in the file, or a copy of them where the file does not align them.
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

    /// The numbers, given the file that they were taken from.
    pub(super) fn get<'a>(&'a self, file: &'a [u8]) -> &'a [E] {
        match self {
            // The cast succeeded on these very bytes when they were loaded.
            Self::InFile(range) => bytemuck::cast_slice(&file[range.clone()]),
            Self::Copied(elements) => elements,
        }
    }
}
