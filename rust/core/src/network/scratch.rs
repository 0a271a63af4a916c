//! Where a step keeps its intermediate results.

use crate::aligned::AlignedBuf;
use crate::{Config, Positions};

/// Buffers that live as long as a session, so that a step allocates nothing. Their contents mean
/// nothing between steps.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    /// The input of the next layer. `[D]`
    pub(super) normed: AlignedBuf,
    /// Value, and the gate where there is one. `[D]` or `[2D]`
    pub(super) value_gate: AlignedBuf,
    /// `[2D]`
    pub(super) query_key: AlignedBuf,
    /// The same, rotated. `[2D]`, empty where the model does not rotate.
    pub(super) rotated: AlignedBuf,
    /// What attention and convolution give. `[D]`
    pub(super) mixed: AlignedBuf,
    /// `[F]`
    pub(super) inner: AlignedBuf,
    /// Each twice. `[D]`, empty where the model does not rotate.
    pub(super) cos: AlignedBuf,
    /// Each twice, with opposite signs. `[D]`, empty where the model does not rotate.
    pub(super) sin: AlignedBuf,
}

impl Scratch {
    pub(crate) fn new(config: &Config) -> Self {
        let size = config.hidden_size;
        let rotary = if config.positions == Positions::Rotary { size } else { 0 };
        Self {
            normed: AlignedBuf::zeros(size),
            value_gate: AlignedBuf::zeros(if config.gate { 2 * size } else { size }),
            query_key: AlignedBuf::zeros(2 * size),
            rotated: AlignedBuf::zeros(2 * rotary),
            mixed: AlignedBuf::zeros(size),
            inner: AlignedBuf::zeros(config.inner_size),
            cos: AlignedBuf::zeros(rotary),
            sin: AlignedBuf::zeros(rotary),
        }
    }
}
