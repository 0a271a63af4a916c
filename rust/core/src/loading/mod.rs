//! From untrusted bytes to checked tensors.

mod bytes;
mod header;
mod selftest;
mod tensors;

pub(crate) use bytes::Bytes;
pub(crate) use selftest::SelfTest;
pub(crate) use tensors::{Dtype, Stored, Tensor, TensorFile};
