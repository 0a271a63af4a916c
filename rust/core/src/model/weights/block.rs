//! The weights of one block.

use super::matrix::Matrix;
use crate::aligned::AlignedBuf;
use crate::kernels::CONV_HISTORY;
use crate::kernels::conv::Conv;
use crate::kernels::norm::Norm;
use crate::loading::{Dtype, TensorFile};
use crate::{Config, Result};

#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) norm1: Norm,
    /// Applied to the normed input. Outputs D values, then D gates if the model has gates.
    pub(crate) value_gate: Matrix,
    pub(crate) query_key: Matrix,
    pub(crate) conv: Option<Conv>,
    /// gamma of each column's head. `[D]`
    pub(crate) decay: AlignedBuf,
    pub(crate) output: Matrix,
    pub(crate) norm2: Norm,
    pub(crate) ffn_in: Matrix,
    pub(crate) ffn_out: Matrix,
    pub(crate) head_size: usize,
    pub(crate) sums_len: usize,
}

impl Block {
    /// Takes the tensors of block `index`. All matrices have the same dtype.
    pub(super) fn take(
        tensors: &mut TensorFile<'_>,
        index: usize,
        config: &Config,
        dtype: Dtype,
    ) -> Result<Self> {
        let name = |part: &str| format!("blocks.{index}.{part}");
        let (size, inner) = (config.hidden_size, config.inner_size);
        let mut value_gate = vec![(name("input"), size, size)];
        if config.gate {
            value_gate.push((name("gate"), size, size));
        }
        let mut matrix = |layers: &[_]| Matrix::take(tensors, dtype, layers);
        Ok(Self {
            value_gate: matrix(&value_gate)?,
            query_key: matrix(&[(name("query_key"), size, 2 * size)])?,
            output: matrix(&[(name("output"), size, size)])?,
            ffn_in: matrix(&[(name("ffn_in"), size, inner)])?,
            ffn_out: matrix(&[(name("ffn_out"), inner, size)])?,
            norm1: take_norm(tensors, &name("norm1"), size)?,
            norm2: take_norm(tensors, &name("norm2"), size)?,
            conv: if config.local_conv {
                let weight =
                    tensors.take_finite(&name("conv.weight"), &[CONV_HISTORY + 1, size])?;
                let bias = tensors.take_finite(&name("conv.bias"), &[size])?;
                Some(Conv { weight: weight.into(), bias: bias.into() })
            } else {
                None
            },
            decay: take_decay(tensors, &name("decay"), config)?,
            head_size: config.head_size(),
            sums_len: config.sums_len(),
        })
    }
}

/// Takes the decay of each head, in (0, 1], and repeats it for the head's columns.
fn take_decay(tensors: &mut TensorFile<'_>, name: &str, config: &Config) -> Result<AlignedBuf> {
    let tensor = tensors.take(name, Dtype::F32, &[config.num_heads])?;
    let heads = tensor.finite::<f32>()?;
    if let Some(index) = heads.iter().position(|&gamma| gamma <= 0.0 || gamma > 1.0) {
        return Err(tensor.invalid(index, heads[index], "more than 0, at most 1"));
    }
    let mut columns = AlignedBuf::zeros(config.hidden_size);
    for (columns, gamma) in columns.chunks_exact_mut(config.head_size()).zip(heads) {
        columns.fill(gamma);
    }
    Ok(columns)
}

pub(super) fn take_norm(tensors: &mut TensorFile<'_>, name: &str, size: usize) -> Result<Norm> {
    Ok(Norm {
        weight: tensors.take_finite(&format!("{name}.weight"), &[size])?.into(),
        bias: tensors.take_finite(&format!("{name}.bias"), &[size])?.into(),
    })
}
