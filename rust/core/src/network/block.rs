//! One block: gated attention and a feed-forward part, each behind a LayerNorm and a residual.

use std::ops::Range;

use super::matrix::Matrix;
use super::{Arrival, Scratch, take_norm};
use crate::aligned::AlignedBuf;
use crate::kernels::activation::{self, FeatureMap, Gelu, Silu};
use crate::kernels::attention::Event;
use crate::kernels::conv::Conv;
use crate::kernels::norm::Norm;
use crate::kernels::rotary::rotate;
use crate::kernels::{CONV_HISTORY, add_assign, lanes, mul_assign};
use crate::loading::{Dtype, TensorFile};
use crate::simd::Simd;
use crate::{Config, Result};

/// The weights of one block.
#[derive(Debug)]
pub(super) struct Block {
    norm1: Norm,
    /// Both take the normed input: D values, then D gates where there is a gate.
    value_gate: Matrix,
    query_key: Matrix,
    conv: Option<Conv>,
    /// gamma of each column's head. `[D]`
    decay: AlignedBuf,
    output: Matrix,
    norm2: Norm,
    ffn_in: Matrix,
    ffn_out: Matrix,
    head_size: usize,
    /// Numbers of S and z, and their carries, in this block's state.
    sums_len: usize,
}

impl Block {
    /// Takes the tensors of block `index`, whose matrices have a dtype.
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

    /// Each user's hidden = the next block's hidden, and its state moves on by one event.
    #[inline(always)]
    pub(super) fn step<S: Simd>(&self, simd: S, users: &mut Users<'_>, scratch: &mut Scratch) {
        let size = self.norm1.size();
        let (value_gates, inners) = (self.value_gate.outputs(), self.ffn_in.outputs());
        let count = users.tile.len();
        let Scratch { normed, value_gate, query_key, rotated, mixed, inner, cos, sin } = scratch;

        for u in 0..count {
            let at = u * size..(u + 1) * size;
            self.norm1.apply(simd, users.hidden(u, size), &mut normed[at]);
        }
        self.value_gate.apply(simd, count, normed, size, value_gate);
        self.query_key.apply(simd, count, value_gate, value_gates, query_key);
        activation::apply::<S, FeatureMap>(simd, &mut query_key[..count * 2 * size]);
        for u in 0..count {
            let at = u * size..(u + 1) * size;
            let value_gate = &mut value_gate[u * value_gates..(u + 1) * value_gates];
            let query_key = &query_key[2 * at.start..2 * at.end];
            let rotation = match users.rotates {
                true => Some(Rotation { cos: &cos[at.clone()], sin: &sin[at.clone()], rotated }),
                false => None,
            };
            users.prefetch(simd, u);
            self.mix(simd, value_gate, query_key, rotation, users.state(u), &mut mixed[at]);
        }
        self.output.apply(simd, count, mixed, size, normed);
        for u in 0..count {
            let (hidden, at) = (users.hidden(u, size), u * size..(u + 1) * size);
            add_assign(simd, hidden, &normed[at.clone()]);
            self.norm2.apply(simd, hidden, &mut normed[at]);
        }
        self.ffn_in.apply(simd, count, normed, size, inner);
        activation::apply::<S, Gelu>(simd, &mut inner[..count * inners]);
        self.ffn_out.apply(simd, count, inner, inners, normed);
        for u in 0..count {
            add_assign(simd, users.hidden(u, size), &normed[u * size..(u + 1) * size]);
        }
    }

    /// One user's part between the matrices: attention and convolution, gated.
    #[inline(always)]
    fn mix<S: Simd>(
        &self,
        simd: S,
        value_gate: &mut [f32],
        query_key: &[f32],
        rotation: Option<Rotation<'_>>,
        state: &mut [f32],
        mixed: &mut [f32],
    ) {
        let size = mixed.len();
        let (value, gate) = value_gate.split_at_mut(size);
        let (query, key) = query_key.split_at(size);
        let (query_rotated, key_rotated) = match rotation {
            Some(Rotation { cos, sin, rotated }) => {
                let (query_rotated, key_rotated) = rotated.split_at_mut(size);
                rotate(simd, query, cos, sin, query_rotated);
                rotate(simd, key, cos, sin, key_rotated);
                (&*query_rotated, &*key_rotated)
            }
            None => (query, key),
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
    }
}

/// How one user's queries and keys are turned.
struct Rotation<'a> {
    cos: &'a [f32],
    sin: &'a [f32],
    /// Where to. `[2D]`
    rotated: &'a mut [f32],
}

/// The users of a tile, as one block sees them.
pub(super) struct Users<'a> {
    pub(super) tile: &'a [Arrival],
    /// The numbers of all users.
    pub(super) states: &'a mut [f32],
    /// This block's part of a user's numbers.
    pub(super) part: Range<usize>,
    /// Where a user's hidden vector begins.
    pub(super) hidden: usize,
    pub(super) rotates: bool,
    /// Whose states are worked on after these, and where that part begins.
    pub(super) next: (&'a [Arrival], usize),
}

impl Users<'_> {
    #[inline(always)]
    fn hidden(&mut self, user: usize, size: usize) -> &mut [f32] {
        &mut self.states[self.tile[user].at + self.hidden..][..size]
    }

    #[inline(always)]
    fn state(&mut self, user: usize) -> &mut [f32] {
        &mut self.states[self.tile[user].at..][self.part.clone()]
    }

    /// Asks for the state that is worked on after that of `user`: somewhere in gigabytes, it takes
    /// longer to arrive than an activation does.
    #[inline(always)]
    fn prefetch<S: Simd>(&self, simd: S, user: usize) {
        let (next, part) = self.next;
        if let Some(arrival) = next.get(user) {
            let state = &self.states[arrival.at + part..][..self.part.len()];
            lanes(state).as_chunks().0.iter().for_each(|line| simd.prefetch(line));
        }
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
