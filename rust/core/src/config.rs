//! The architecture, as stated by the model file.

use serde::{Deserialize, Deserializer};

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

impl Positions {
    /// The name, as in a model file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rotary => "rotary",
            Self::Learned => "learned",
            Self::None => "none",
        }
    }
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
    /// Whether there is a start vector, which scores items before the first event. Format 2.
    pub start: bool,
    /// The names of the kinds of events; none if events have no kinds. Format 2.
    pub kinds: Vec<String>,
    /// Whether the time since the previous event is an input, so that events have times. Format 2.
    pub gaps: bool,
}

/// The versions of the model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    One,
    Two,
}

/// [`Positions`] as spelled in the file. Public deserialisable types would bypass the checks.
#[derive(Deserialize)]
#[serde(remote = "Positions", rename = "Positions", rename_all = "lowercase")]
enum StatedPositions {
    Rotary,
    Learned,
    None,
}

/// The longest name of a kind, in bytes.
const LONGEST_NAME: usize = 64;

/// [`Config`] as stated by the file. Unknown keys are an error: they could change the function.
#[derive(Deserialize)]
#[serde(rename = "Config", deny_unknown_fields)]
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
    #[serde(default, deserialize_with = "stated")]
    start: Option<bool>,
    #[serde(default, deserialize_with = "stated")]
    kinds: Option<Vec<String>>,
    #[serde(default, deserialize_with = "stated")]
    gaps: Option<bool>,
}

/// The value of a key that is there: null is none.
fn stated<'de, D, T>(value: D) -> std::result::Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(value).map(Some)
}

impl Stated {
    /// The config, if it has the keys of its format.
    fn of_format(self, format: Format) -> Result<Config> {
        let Self { start, kinds, gaps, .. } = self;
        let (start, kinds) = match (format, start, kinds) {
            (Format::One, None, None) if gaps.is_none() => (false, Vec::new()),
            (Format::Two, ..) if gaps == Some(false) => {
                let text = "`gaps`: found false, expected true or no such field".to_owned();
                return Err(Cause::Config(text).into());
            }
            (Format::Two, Some(start), Some(kinds)) => (start, kinds),
            (Format::One, Some(_), _) => return unknown("start"),
            (Format::One, _, Some(_)) => return unknown("kinds"),
            (Format::One, ..) => return unknown("gaps"),
            (Format::Two, None, _) => return missing("start"),
            (Format::Two, ..) => return missing("kinds"),
        };
        Ok(Config {
            hidden_size: self.hidden_size,
            num_heads: self.num_heads,
            num_layers: self.num_layers,
            inner_size: self.inner_size,
            num_items: self.num_items,
            gate: self.gate,
            local_conv: self.local_conv,
            positions: self.positions,
            final_norm: self.final_norm,
            start,
            kinds,
            gaps: gaps.unwrap_or(false),
        })
    }
}

fn unknown(key: &str) -> Result<Config> {
    Err(Cause::Config(format!("unknown field `{key}`: format 1 does not have it")).into())
}

fn missing(key: &str) -> Result<Config> {
    Err(Cause::Config(format!("missing field `{key}`: format 2 needs it")).into())
}

impl Config {
    /// Parses and checks the text of `recgrela.config`.
    pub(crate) fn from_json(text: &str, format: Format) -> Result<Self> {
        let mut json = serde_json::Deserializer::from_str(text);
        let config = Stated::deserialize(&mut json).and_then(|config| json.end().map(|()| config));
        let config = config.map_err(|error| Cause::Config(error.to_string()))?;
        let config = config.of_format(format)?;
        config.check()?;
        config.check_kinds()?;
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

    fn check_kinds(&self) -> Result<()> {
        let most = usize::from(u8::MAX);
        let refuse = |found: String, expected: String| {
            Err(Cause::Config(format!("`kinds`: found {found}, expected {expected}")).into())
        };
        if self.kinds.len() > most {
            return refuse(format!("{} names", self.kinds.len()), format!("at most {most}"));
        }
        for (index, name) in self.kinds.iter().enumerate() {
            if !(1..=LONGEST_NAME).contains(&name.len()) {
                let expected = format!("1 to {LONGEST_NAME}");
                return refuse(format!("a name of {} bytes", name.len()), expected);
            }
            if self.kinds[..index].contains(name) {
                return refuse(format!("`{name}` twice"), "distinct names".to_owned());
            }
        }
        Ok(())
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
