//! Buffers for the intermediate results of a step.

use crate::aligned::AlignedBuf;
use crate::kernels::integer_linear::Codes;
use crate::{Config, Positions};

/// Reusable buffers, owned by a session or a fleet, so that a step does not allocate. Their
/// contents are unspecified between steps. Shapes are per user of a tile; each buffer has room for
/// as many users as it was made for.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    /// The input of the next layer. `[D]`
    pub(super) normed: AlignedBuf,
    /// Value, and gate if the model has one. `[D]` or `[2D]`
    pub(super) value_gate: AlignedBuf,
    /// `[2D]`
    pub(super) query_key: AlignedBuf,
    /// The rotated query and key, of one user at a time. `[2D]`, or empty without rotation.
    pub(super) rotated: AlignedBuf,
    /// The output of attention and convolution. `[D]`
    pub(super) mixed: AlignedBuf,
    /// `[F]`
    pub(super) inner: AlignedBuf,
    /// Each cosine twice. `[D]`, or empty without rotation.
    pub(super) cos: AlignedBuf,
    /// Each sine twice, with opposite signs. `[D]`, or empty without rotation.
    pub(super) sin: AlignedBuf,
    /// The input of a layer with 8-bit weights.
    pub(super) codes: Codes,
}

impl Scratch {
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
            codes: Codes::new(users, size.max(config.inner_size)),
        }
    }
}
