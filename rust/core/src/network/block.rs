//! One block: gated attention and a feed-forward part, each behind a LayerNorm and a residual.

use super::{Scratch, take_norm};
use crate::aligned::AlignedBuf;
use crate::kernels::activation::{self, FeatureMap, Gelu, Silu};
use crate::kernels::attention::Event;
use crate::kernels::conv::Conv;
use crate::kernels::linear::Linear;
use crate::kernels::norm::Norm;
use crate::kernels::rotary::rotate;
use crate::kernels::{CONV_HISTORY, add_assign, mul_assign};
use crate::loading::{Dtype, Stored, TensorFile};
use crate::simd::Simd;
use crate::{Config, Result};

/// The weights of one block, whose matrices are stored as `E`.
#[derive(Debug)]
pub(super) struct Block<E> {
    norm1: Norm,
    /// Both take the normed input: D values, then D gates where there is a gate.
    value_gate: Linear<E>,
    query_key: Linear<E>,
    conv: Option<Conv>,
    /// gamma of each column's head. `[D]`
    decay: AlignedBuf,
    output: Linear<E>,
    norm2: Norm,
    ffn_in: Linear<E>,
    ffn_out: Linear<E>,
    head_size: usize,
    /// Numbers of S and z, and their carries, in this block's state.
    sums_len: usize,
}

impl<E: Stored> Block<E> {
    /// Takes the tensors of block `index`.
    pub(super) fn take(
        tensors: &mut TensorFile<'_>,
        index: usize,
        config: &Config,
    ) -> Result<Self> {
        let name = |part: &str| format!("blocks.{index}.{part}");
        let (size, inner) = (config.hidden_size, config.inner_size);
        let mut linear = |part: &str, inputs: usize, outputs: usize| -> Result<_> {
            let weight = name(&format!("{part}.weight"));
            let bias = name(&format!("{part}.bias"));
            let weight = tensors.take_elements::<E>(&weight, &[inputs, outputs])?;
            Ok((weight, tensors.take_f32(&bias, &[outputs])?))
        };
        let mut value_gate = vec![linear("input", size, size)?];
        if config.gate {
            value_gate.push(linear("gate", size, size)?);
        }
        Ok(Self {
            value_gate: Linear::new(&value_gate),
            query_key: Linear::new(&[linear("query_key", size, 2 * size)?]),
            output: Linear::new(&[linear("output", size, size)?]),
            ffn_in: Linear::new(&[linear("ffn_in", size, inner)?]),
            ffn_out: Linear::new(&[linear("ffn_out", inner, size)?]),
            norm1: take_norm(tensors, &name("norm1"), size)?,
            norm2: take_norm(tensors, &name("norm2"), size)?,
            conv: if config.local_conv {
                let weight = tensors.take_f32(&name("conv.weight"), &[CONV_HISTORY + 1, size])?;
                let bias = tensors.take_f32(&name("conv.bias"), &[size])?;
                Some(Conv { weight: weight.into(), bias: bias.into() })
            } else {
                None
            },
            decay: take_decay(tensors, &name("decay"), config)?,
            head_size: config.head_size(),
            sums_len: config.sums_len(),
        })
    }

    /// hidden = the next block's hidden, and `state` moves on by one event.
    #[inline(always)]
    pub(super) fn step<S: Simd>(
        &self,
        simd: S,
        rotates: bool,
        state: &mut [f32],
        hidden: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let Scratch { normed, value_gate, query_key, rotated, mixed, inner, cos, sin } = scratch;
        let size = hidden.len();

        self.norm1.apply(simd, hidden, normed);
        self.value_gate.apply(simd, normed, value_gate);
        let (value, gate) = value_gate.split_at_mut(size);
        self.query_key.apply(simd, value, query_key);
        activation::apply::<S, FeatureMap>(simd, query_key);
        let (query, key) = query_key.split_at(size);
        let (query_rotated, key_rotated) = if rotates {
            let (query_rotated, key_rotated) = rotated.split_at_mut(size);
            rotate(simd, query, cos, sin, query_rotated);
            rotate(simd, key, cos, sin, key_rotated);
            (&*query_rotated, &*key_rotated)
        } else {
            (query, key)
        };

        let (sums, history) = state.split_at_mut(self.sums_len);
        let (decay, head_size) = (&*self.decay, self.head_size);
        let event = Event { query, key, query_rotated, key_rotated, value, decay, head_size };
        event.attend(simd, sums, mixed);
        if let Some(conv) = &self.conv {
            conv.add(simd, history, value, mixed);
        }
        if !gate.is_empty() {
            activation::apply::<S, Silu>(simd, gate);
            mul_assign(simd, mixed, gate);
        }
        self.output.apply(simd, mixed, normed);
        add_assign(simd, hidden, normed);

        self.norm2.apply(simd, hidden, normed);
        self.ffn_in.apply(simd, normed, inner);
        activation::apply::<S, Gelu>(simd, inner);
        self.ffn_out.apply(simd, inner, normed);
        add_assign(simd, hidden, normed);
    }
}

/// Takes gamma of each head, in (0, 1], and repeats it for the head's columns.
fn take_decay(tensors: &mut TensorFile<'_>, name: &str, config: &Config) -> Result<AlignedBuf> {
    let tensor = tensors.take(name, Dtype::F32, &[config.num_heads])?;
    let heads = tensor.finite_f32()?;
    if let Some(index) = heads.iter().position(|&gamma| gamma <= 0.0 || gamma > 1.0) {
        return Err(tensor.invalid(index, heads[index], "more than 0, at most 1"));
    }
    let mut columns = AlignedBuf::zeros(config.hidden_size);
    for (columns, gamma) in columns.chunks_exact_mut(config.head_size()).zip(heads) {
        columns.fill(gamma);
    }
    Ok(columns)
}
