//! Parses untrusted bytes into checked tensors.

mod bytes;
mod header;
mod model_file;
mod selftest;
mod tensors;

pub(crate) use bytes::Bytes;
pub(crate) use model_file::ModelFile;
pub(crate) use selftest::{Case, SelfTest};
pub(crate) use tensors::{Dtype, Stored, Tensor, TensorFile};
