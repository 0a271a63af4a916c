//! The architecture, as stated by the model file.

use serde::Deserialize;

use crate::Result;
use crate::error::Cause;

/// How the order of events enters the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Positions {
    /// Queries and keys are rotated by an angle that grows with the position.
    Rotary,
    /// An embedding of the position is added to that of the item.
    Learned,
    /// Position enters only through the decay and the convolution.
    None,
}

/// The architecture of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// D, the size of the hidden vector: a multiple of 8, at most 4096.
    pub hidden_size: usize,
    /// H, the number of attention heads, a divisor of D.
    pub num_heads: usize,
    /// L, the number of blocks: 1 to 64.
    pub num_layers: usize,
    /// F, the inner size of the feed-forward part: a multiple of 8.
    pub inner_size: usize,
    /// N, the number of items: from 1 to 2^31 - 1.
    pub num_items: usize,
    /// Whether the output of attention is gated.
    pub gate: bool,
    /// Whether a causal convolution over the last four values is added.
    pub local_conv: bool,
    /// How the order of events enters.
    pub positions: Positions,
    /// Whether there is a LayerNorm after the last block.
    pub final_norm: bool,
}

/// [`Positions`] as spelled in the file. Public deserialisable types would bypass the checks.
#[derive(Deserialize)]
#[serde(remote = "Positions", rename = "Positions", rename_all = "lowercase")]
enum StatedPositions {
    Rotary,
    Learned,
    None,
}

/// [`Config`] as stated by the file. Unknown keys are an error: they could change the function.
#[derive(Deserialize)]
#[serde(remote = "Config", rename = "Config", deny_unknown_fields)]
struct Stated {
    hidden_size: usize,
    num_heads: usize,
    num_layers: usize,
    inner_size: usize,
    num_items: usize,
    gate: bool,
    local_conv: bool,
    #[serde(with = "StatedPositions")]
    positions: Positions,
    final_norm: bool,
}

impl Config {
    /// Parses and checks the text of `recgrela.config`.
    pub(crate) fn from_json(text: &str) -> Result<Self> {
        let mut json = serde_json::Deserializer::from_str(text);
        let config = Stated::deserialize(&mut json).and_then(|config| json.end().map(|()| config));
        let config = config.map_err(|error| Cause::Config(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let d = self.hidden_size;
        let rules = [
            ("hidden_size", d, "a multiple of 8 from 8 to 4096", eights(d) && d <= 4096),
            (
                "num_heads",
                self.num_heads,
                "a divisor of hidden_size",
                self.num_heads > 0 && d.is_multiple_of(self.num_heads),
            ),
            ("num_layers", self.num_layers, "1 to 64", (1..=64).contains(&self.num_layers)),
            ("inner_size", self.inner_size, "a multiple of 8, at least 8", eights(self.inner_size)),
            ("num_items", self.num_items, "1 to 2^31 - 1", (1..1 << 31).contains(&self.num_items)),
        ];
        match rules.into_iter().find(|(.., holds)| !holds) {
            None => Ok(()),
            Some((key, found, expected, _)) => {
                Err(Cause::Config(format!("`{key}`: found {found}, expected {expected}")).into())
            }
        }
    }

    /// d, the size of a head.
    pub(crate) fn head_size(&self) -> usize {
        self.hidden_size / self.num_heads
    }

    /// The length of one block's attention sums: S and z, and a carry for each without rotation.
    ///
    /// Rotation keeps S bounded, so rounding errors of z matter less and less. Without rotation both
    /// grow with the history, and their quotient would drift.
    pub(crate) fn sums_len(&self) -> usize {
        let each = if self.positions == Positions::Rotary { 1 } else { 2 };
        each * self.hidden_size * (self.head_size() + 1)
    }

    /// The length of one block's state: the sums and the last three values.
    pub(crate) fn block_state_len(&self) -> usize {
        let conv = if self.local_conv { crate::kernels::CONV_HISTORY } else { 0 };
        self.sums_len() + conv * self.hidden_size
    }

    pub(crate) fn state_len(&self) -> usize {
        self.num_layers * self.block_state_len()
    }
}

fn eights(n: usize) -> bool {
    n > 0 && n.is_multiple_of(8)
}
