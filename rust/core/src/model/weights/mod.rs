//! The network's weights.

mod block;
mod matrix;

pub(crate) use block::Block;
use block::take_norm;
use matrix::Matrix;

use crate::aligned::AlignedBuf;
use crate::event::Gap;
use crate::kernels::norm::Norm;
use crate::loading::{Dtype, TensorFile};
use crate::{Config, Positions, Result};

#[derive(Debug)]
pub(crate) struct Network {
    /// The hidden vector before the first event. `[D]`
    pub(crate) start: Option<AlignedBuf>,
    /// What a kind of event adds to the embedding of the item. `[K, D]`
    pub(crate) kinds: Option<AlignedBuf>,
    /// What the time since the event before adds to it. `[32, D]`
    pub(crate) gaps: Option<AlignedBuf>,
    pub(crate) order: Order,
    pub(crate) input_norm: Norm,
    pub(crate) blocks: Vec<Block>,
    pub(crate) final_norm: Option<Norm>,
    /// The length of a user's state, over all blocks.
    pub(crate) state_len: usize,
}

/// How positions enter the network, with the parameters.
#[derive(Debug)]
pub(crate) enum Order {
    /// Rotations per event, in turns, for each pair of features.
    Rotary(Vec<f64>),
    /// `[P, D]`
    Learned(AlignedBuf),
    None,
}

impl Network {
    pub(crate) fn take(tensors: &mut TensorFile<'_>, config: &Config) -> Result<Self> {
        let size = config.hidden_size;
        let dtype = Matrix::dtype(tensors)?;
        let start = match config.start {
            true => Some(tensors.take_finite("start", &[size])?.into()),
            false => None,
        };
        let kinds = match config.kinds.len() {
            0 => None,
            kinds => Some(tensors.take_finite("kinds.weight", &[kinds, size])?.into()),
        };
        let gaps = match config.gaps {
            true => Some(tensors.take_finite("gaps.weight", &[Gap::COUNT, size])?.into()),
            false => None,
        };
        Ok(Self {
            start,
            kinds,
            gaps,
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

    pub(crate) fn has_integer_matrices(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block.output, Matrix::I8(_)))
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
                        Self::Learned(weight.finite()?.into())
                    }
                    _ => return Err(weight.wrong_shape(format!("[P, {size}] with P at least 1"))),
                }
            }
            Positions::None => Self::None,
        })
    }
}
