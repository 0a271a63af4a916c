//! The network: its weights, and one event's way through them.

mod block;
mod scratch;

use block::Block;
pub(crate) use scratch::Scratch;

use crate::aligned::AlignedBuf;
use crate::catalog::Table;
use crate::kernels::norm::Norm;
use crate::kernels::{add_assign, rotary};
use crate::loading::{Dtype, Stored, TensorFile};
use crate::simd::{Kernel, Simd};
use crate::{Config, Positions, Result};

/// Everything between an item index and the hidden vector, without the item embeddings.
#[derive(Debug)]
pub(crate) struct Network {
    order: Order,
    input_norm: Norm,
    blocks: Blocks,
    final_norm: Option<Norm>,
}

/// The blocks, by the type that their matrices are stored as.
#[derive(Debug)]
enum Blocks {
    F32(Vec<Block<f32>>),
    /// As bits.
    F16(Vec<Block<u16>>),
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
    pub(crate) fn take(tensors: &mut TensorFile<'_>) -> Result<Self> {
        let config = tensors.config.clone();
        let size = config.hidden_size;
        Ok(Self {
            order: Order::take(tensors, &config)?,
            input_norm: take_norm(tensors, "input_norm", size)?,
            blocks: Blocks::take(tensors, &config)?,
            final_norm: if config.final_norm {
                Some(take_norm(tensors, "final_norm", size)?)
            } else {
                None
            },
        })
    }
}

impl Blocks {
    /// The first matrix says what the dtype of all is.
    fn take(tensors: &mut TensorFile<'_>, config: &Config) -> Result<Self> {
        let allowed = [Dtype::F32, Dtype::F16];
        match tensors.dtype("blocks.0.input.weight", &allowed, "F32 or F16")? {
            Dtype::F16 => take_blocks(tensors, config).map(Self::F16),
            _ => take_blocks(tensors, config).map(Self::F32),
        }
    }
}

fn take_blocks<E: Stored>(tensors: &mut TensorFile<'_>, config: &Config) -> Result<Vec<Block<E>>> {
    (0..config.num_layers).map(|index| Block::take(tensors, index, config)).collect()
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

/// One event appended to a session: the whole step is one kernel.
pub(crate) struct Step<'a> {
    pub(crate) network: &'a Network,
    pub(crate) table: &'a Table,
    /// The model file, where the table is.
    pub(crate) file: &'a [u8],
    pub(crate) item: usize,
    /// Events before this one.
    pub(crate) position: u64,
    /// The blocks' part of the state, one after the other.
    pub(crate) state: &'a mut [f32],
    /// The hidden vector, to be written.
    pub(crate) hidden: &'a mut [f32],
    pub(crate) scratch: &'a mut Scratch,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { network, table, file, item, position, state, hidden, scratch } = self;
        table.embedding(file, item, &mut scratch.normed);
        match &network.order {
            Order::Rotary(frequency) => {
                rotary::fill(position, frequency, &mut scratch.cos, &mut scratch.sin);
            }
            Order::Learned(weight) => {
                let size = hidden.len();
                let last = weight.len() / size - 1;
                let row = usize::try_from(position).map_or(last, |position| position.min(last));
                add_assign(simd, &mut scratch.normed, &weight[row * size..(row + 1) * size]);
            }
            Order::None => {}
        }
        network.input_norm.apply(simd, &scratch.normed, hidden);
        let rotate = matches!(network.order, Order::Rotary(_));
        match &network.blocks {
            Blocks::F32(blocks) => step_blocks(simd, blocks, rotate, state, hidden, scratch),
            Blocks::F16(blocks) => step_blocks(simd, blocks, rotate, state, hidden, scratch),
        }
        if let Some(norm) = &network.final_norm {
            scratch.normed.copy_from_slice(hidden);
            norm.apply(simd, &scratch.normed, hidden);
        }
    }
}

#[inline(always)]
fn step_blocks<S: Simd, E: Stored>(
    simd: S,
    blocks: &[Block<E>],
    rotates: bool,
    state: &mut [f32],
    hidden: &mut [f32],
    scratch: &mut Scratch,
) {
    let states = state.chunks_exact_mut(state.len() / blocks.len());
    for (block, state) in blocks.iter().zip(states) {
        block.step(simd, rotates, state, hidden, scratch);
    }
}
