//! Where a step keeps its intermediate results.

use crate::aligned::AlignedBuf;
use crate::{Config, Positions};

/// Buffers that live as long as a session or a fleet, so that a step allocates nothing. Their
/// contents mean nothing between steps. The shapes are those of one user of a tile, of which there
/// are as many as the buffers were made for.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    /// The input of the next layer. `[D]`
    pub(super) normed: AlignedBuf,
    /// Value, and the gate where there is one. `[D]` or `[2D]`
    pub(super) value_gate: AlignedBuf,
    /// `[2D]`
    pub(super) query_key: AlignedBuf,
    /// The same, rotated, of one user only. `[2D]`, empty where the model does not rotate.
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
    /// For tiles of up to `users` users.
    pub(crate) fn new(config: &Config, users: usize) -> Self {
        let size = config.hidden_size;
        let rotary = if config.positions == Positions::Rotary { size } else { 0 };
        let outputs = if config.gate { 2 * size } else { size };
        Self {
            normed: AlignedBuf::zeros(users * size),
            value_gate: AlignedBuf::zeros(users * outputs),
            query_key: AlignedBuf::zeros(users * 2 * size),
            rotated: AlignedBuf::zeros(2 * rotary),
            mixed: AlignedBuf::zeros(users * size),
            inner: AlignedBuf::zeros(users * config.inner_size),
            cos: AlignedBuf::zeros(users * rotary),
            sin: AlignedBuf::zeros(users * rotary),
        }
    }
}
