//! Changes to the tensors of a file before it is written.

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use half::f16;

use crate::checks::NUMBERS;
use crate::common::{F16, F32, F64, I8, I32, I64, Tensor, U8};

/// Maximum size of a tensor in bytes.
const LARGEST: usize = 1 << 16;

type Tensors = BTreeMap<String, Tensor>;

/// A change of tensors. Tensors, dtypes and values are chosen by any number modulo their count.
#[derive(Arbitrary, Debug)]
pub(crate) enum TensorEdit<'a> {
    Remove(u8),
    Rename {
        tensor: u8,
        name: &'a str,
    },
    Retype {
        tensor: u8,
        dtype: u8,
    },
    Reshape {
        tensor: u8,
        shape: Vec<u64>,
    },
    /// Changes the shape and resizes the bytes to match.
    Resize {
        tensor: u8,
        shape: Vec<u8>,
    },
    Swap(u8, u8),
    Bytes {
        tensor: u8,
        offset: u16,
        bytes: &'a [u8],
    },
    Number {
        tensor: u8,
        offset: u16,
        number: u8,
    },
    Fill {
        tensor: u8,
        number: u8,
    },
}

impl TensorEdit<'_> {
    pub(crate) fn apply(&self, tensors: &mut Tensors) {
        match self {
            Self::Remove(tensor) => {
                take(tensors, *tensor);
            }
            Self::Rename { tensor, name } => {
                if let Some((_, tensor)) = take(tensors, *tensor) {
                    tensors.insert((*name).to_owned(), tensor);
                }
            }
            Self::Swap(a, b) => {
                if let (Some((a, first)), Some((b, second))) =
                    (take(tensors, *a), take(tensors, *b))
                {
                    tensors.extend([(a, second), (b, first)]);
                }
            }
            Self::Retype { tensor, .. }
            | Self::Reshape { tensor, .. }
            | Self::Resize { tensor, .. }
            | Self::Bytes { tensor, .. }
            | Self::Number { tensor, .. }
            | Self::Fill { tensor, .. } => {
                if let Some((name, mut tensor)) = take(tensors, *tensor) {
                    self.change(&mut tensor);
                    tensors.insert(name, tensor);
                }
            }
        }
    }

    fn change(&self, tensor: &mut Tensor) {
        match self {
            Self::Retype { dtype, .. } => {
                let dtypes = [U8, I8, F16, I32, F32, I64, F64, "BF16", "BOOL", "F4"];
                dtypes[usize::from(*dtype) % dtypes.len()].clone_into(&mut tensor.dtype);
            }
            Self::Reshape { shape, .. } => {
                tensor.shape = shape.iter().map(|&n| n as usize).collect();
            }
            Self::Resize { shape, .. } => resize(tensor, shape),
            Self::Bytes { offset, bytes, .. } => {
                let offset = usize::from(*offset) % tensor.bytes.len().max(1);
                for (to, from) in tensor.bytes[offset..].iter_mut().zip(*bytes) {
                    *to = *from;
                }
            }
            Self::Number { offset, number, .. } => {
                let number = encoded(*number, &tensor.dtype);
                let count = (tensor.bytes.len() / number.len()).max(1);
                let offset = usize::from(*offset) % count;
                let element = tensor.bytes.chunks_exact_mut(number.len()).nth(offset);
                element.into_iter().for_each(|element| element.copy_from_slice(&number));
            }
            Self::Fill { number, .. } => {
                let number = encoded(*number, &tensor.dtype);
                let elements = tensor.bytes.chunks_exact_mut(number.len());
                elements.for_each(|element| element.copy_from_slice(&number));
            }
            _ => {}
        }
    }
}

fn take(tensors: &mut Tensors, tensor: u8) -> Option<(String, Tensor)> {
    let name = tensors.keys().nth(usize::from(tensor) % tensors.len().max(1))?.clone();
    tensors.remove_entry(&name)
}

/// The old bytes, repeated or truncated.
fn resize(tensor: &mut Tensor, shape: &[u8]) {
    let element = match tensor.dtype.as_str() {
        F64 | I64 => 8,
        F32 | I32 => 4,
        F16 => 2,
        _ => 1,
    };
    let sizes = shape.iter().map(|&n| usize::from(n));
    let Some(count) = sizes.clone().try_fold(element, usize::checked_mul) else { return };
    if count <= LARGEST && !tensor.bytes.is_empty() {
        tensor.bytes = tensor.bytes.iter().copied().cycle().take(count).collect();
        tensor.shape = sizes.collect();
    }
}

/// An edge-case number as an element of a tensor.
fn encoded(number: u8, dtype: &str) -> Vec<u8> {
    let number = NUMBERS[usize::from(number) % NUMBERS.len()];
    match dtype {
        F64 => f64::from(number).to_le_bytes().to_vec(),
        F32 => number.to_le_bytes().to_vec(),
        F16 => f16::from_f32(number).to_le_bytes().to_vec(),
        I64 => (number as i64).to_le_bytes().to_vec(),
        I32 => (number as i32).to_le_bytes().to_vec(),
        _ => vec![number as i8 as u8],
    }
}
