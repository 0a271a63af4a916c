//! The architecture, for apps.

/// The architecture of a model.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Config {
    /// D, the size of the hidden vector.
    pub hidden_size: i32,
    /// The number of attention heads.
    pub num_heads: i32,
    /// The number of blocks.
    pub num_layers: i32,
    /// The inner size of the feed-forward part.
    pub inner_size: i32,
    /// The number of items in the file, without added ones.
    pub num_items: i32,
    /// Whether the output of attention is gated.
    pub gate: bool,
    /// Whether a convolution over the last four values is added.
    pub local_conv: bool,
    /// How the order of events enters: `rotary`, `learned` or `none`.
    pub positions: String,
    /// Whether there is a LayerNorm after the last block.
    pub final_norm: bool,
    /// Whether there is a start vector, which answers before the first event.
    pub start: bool,
    /// The names of the kinds of events; empty if events have no kinds.
    pub kinds: Vec<String>,
    /// Whether the time between events is an input.
    pub gaps: bool,
}

impl From<&recgrela::Config> for Config {
    fn from(config: &recgrela::Config) -> Self {
        // The sizes belong to tensors of a file that was loaded, so they are below 2^31.
        Self {
            hidden_size: config.hidden_size as i32,
            num_heads: config.num_heads as i32,
            num_layers: config.num_layers as i32,
            inner_size: config.inner_size as i32,
            num_items: config.num_items as i32,
            gate: config.gate,
            local_conv: config.local_conv,
            positions: config.positions.name().to_owned(),
            final_norm: config.final_norm,
            start: config.start,
            kinds: config.kinds.clone(),
            gaps: config.gaps,
        }
    }
}
