//! The network: its weights, and one event's way through them.

mod block;
mod matrix;
mod scratch;

use block::{Block, Users};
use matrix::Matrix;
pub(crate) use scratch::Scratch;

use crate::aligned::AlignedBuf;
use crate::catalog::View;
use crate::kernels::norm::Norm;
use crate::kernels::{add_assign, rotary};
use crate::loading::{Dtype, TensorFile};
use crate::simd::{Kernel, Simd};
use crate::{Config, Positions, Result};

/// Everything between an item index and the hidden vector, without the item embeddings.
#[derive(Debug)]
pub(crate) struct Network {
    order: Order,
    input_norm: Norm,
    blocks: Vec<Block>,
    final_norm: Option<Norm>,
    /// Numbers of a user's state, all blocks together.
    state_len: usize,
}

/// How the order of events enters, with what it takes.
#[derive(Debug)]
enum Order {
    /// Turns an event, for each pair of features.
    Rotary(Vec<f64>),
    /// `[P, D]`
    Learned(AlignedBuf),
    None,
}

impl Network {
    /// Takes the tensors that the config calls for.
    pub(crate) fn take(tensors: &mut TensorFile<'_>, config: &Config) -> Result<Self> {
        let size = config.hidden_size;
        let dtype = Matrix::dtype(tensors)?;
        Ok(Self {
            order: Order::take(tensors, config)?,
            input_norm: take_norm(tensors, "input_norm", size)?,
            blocks: (0..config.num_layers)
                .map(|index| Block::take(tensors, index, config, dtype))
                .collect::<Result<_>>()?,
            final_norm: if config.final_norm {
                Some(take_norm(tensors, "final_norm", size)?)
            } else {
                None
            },
            state_len: config.state_len(),
        })
    }
}

impl Order {
    fn take(tensors: &mut TensorFile<'_>, config: &Config) -> Result<Self> {
        let size = config.hidden_size;
        Ok(match config.positions {
            Positions::Rotary => {
                let frequency = tensors.take("rotary.frequency", Dtype::F64, &[size / 2])?;
                Self::Rotary(frequency.finite_f64()?)
            }
            Positions::Learned => {
                let weight = tensors.take_any_shape("positions.weight", Dtype::F32)?;
                match weight.shape[..] {
                    [positions, width] if positions > 0 && width == size => {
                        Self::Learned(weight.finite_f32()?.into())
                    }
                    _ => return Err(weight.wrong_shape(format!("[P, {size}] with P at least 1"))),
                }
            }
            Positions::None => Self::None,
        })
    }
}

fn take_norm(tensors: &mut TensorFile<'_>, name: &str, size: usize) -> Result<Norm> {
    Ok(Norm {
        weight: tensors.take_f32(&format!("{name}.weight"), &[size])?.into(),
        bias: tensors.take_f32(&format!("{name}.bias"), &[size])?.into(),
    })
}

/// An event on its way into a user's history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// It exists.
    pub(crate) item: u32,
    /// Events of this user before it.
    pub(crate) position: u64,
    /// Where the user's numbers begin in [`Step::states`].
    pub(crate) at: usize,
}

/// One event appended to each of some users: the whole step is one kernel.
pub(crate) struct Step<'a> {
    pub(crate) network: &'a Network,
    pub(crate) catalog: View<'a>,
    /// No user occurs twice; no more users than the scratch has room for.
    pub(crate) tile: &'a [Arrival],
    /// Whose states to fetch from memory meanwhile.
    pub(crate) next: &'a [Arrival],
    /// For each user the blocks' states, one after the other, and then the hidden vector.
    pub(crate) states: &'a mut [f32],
    pub(crate) scratch: &'a mut Scratch,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        self.embed(simd);
        self.blocks(simd);
        if let Some(norm) = &self.network.final_norm {
            let size = norm.size();
            let normed = self.scratch.normed.chunks_exact_mut(size);
            for (arrival, normed) in self.tile.iter().zip(normed) {
                let hidden = &mut self.states[arrival.at + self.network.state_len..][..size];
                normed.copy_from_slice(hidden);
                norm.apply(simd, normed, hidden);
            }
        }
    }
}

impl Step<'_> {
    /// What enters the first block, and the rotations of all blocks.
    #[inline(always)]
    fn embed<S: Simd>(&mut self, simd: S) {
        let norm = &self.network.input_norm;
        let size = norm.size();
        let Scratch { normed, cos, sin, .. } = &mut *self.scratch;
        for (u, arrival) in self.tile.iter().enumerate() {
            let user = u * size..(u + 1) * size;
            let normed = &mut normed[user.clone()];
            self.catalog.embedding(simd, arrival.item as usize, normed);
            match &self.network.order {
                Order::Rotary(frequency) => {
                    let (cos, sin) = (&mut cos[user.clone()], &mut sin[user]);
                    rotary::fill(arrival.position, frequency, cos, sin);
                }
                Order::Learned(weight) => {
                    let last = weight.len() / size - 1;
                    let row = usize::try_from(arrival.position).map_or(last, |row| row.min(last));
                    add_assign(simd, normed, &weight[row * size..(row + 1) * size]);
                }
                Order::None => {}
            }
            let hidden = &mut self.states[arrival.at + self.network.state_len..][..size];
            norm.apply(simd, normed, hidden);
        }
    }

    #[inline(always)]
    fn blocks<S: Simd>(&mut self, simd: S) {
        let blocks = &self.network.blocks;
        let state_len = self.network.state_len;
        let part = state_len / blocks.len();
        for (index, block) in blocks.iter().enumerate() {
            let last = index + 1 == blocks.len();
            let mut users = Users {
                tile: self.tile,
                states: self.states,
                part: index * part..(index + 1) * part,
                hidden: state_len,
                rotates: matches!(self.network.order, Order::Rotary(_)),
                next: if last { (self.next, 0) } else { (self.tile, (index + 1) * part) },
            };
            block.step(simd, &mut users, self.scratch);
        }
    }
}
