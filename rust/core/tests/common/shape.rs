//! The architectures under test.

use super::{F16, F32, I8};

/// The parameters of a random model.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub hidden: usize,
    pub heads: usize,
    pub layers: usize,
    pub inner: usize,
    pub items: usize,
    pub gate: bool,
    pub conv: bool,
    pub positions: &'static str,
    pub final_norm: bool,
    /// The dtype of the table: f32, f16 or int8.
    pub table: &'static str,
    /// The dtype of the matrices: f32, f16 or int8.
    pub matrices: &'static str,
    pub text: bool,
    /// Whether there is a start vector.
    pub start: bool,
    /// The number of kinds of events, at most that of [`KINDS`].
    pub kinds: usize,
    /// Whether the time between events is an input.
    pub gaps: bool,
}

/// The names of kinds.
pub const KINDS: [&str; 4] = ["view", "Kauf 電影", "skip", "c\u{7f}"];

impl Shape {
    pub const BASE: Self = Self {
        hidden: 64,
        heads: 4,
        layers: 2,
        inner: 256,
        items: 100,
        gate: true,
        conv: true,
        positions: "rotary",
        final_norm: true,
        table: F32,
        matrices: F32,
        text: false,
        start: false,
        kinds: 0,
        gaps: false,
    };

    /// The smallest shape: quick to load, with a short file.
    pub const TINY: Self =
        Self { hidden: 8, heads: 2, layers: 1, inner: 8, items: 33, ..Self::BASE };

    /// The version of the smallest format that has what the model needs.
    pub fn format(&self) -> &'static str {
        let new = self.start || self.kinds > 0 || self.gaps || self.matrices == I8;
        if new { "2" } else { "1" }
    }

    pub fn config(&self) -> String {
        let kinds = serde_json::to_string(&KINDS[..self.kinds]).unwrap();
        let gaps = if self.gaps { r#","gaps":true"# } else { "" };
        let more = match self.format() {
            "1" => String::new(),
            _ => format!(r#","start":{},"kinds":{kinds}{gaps}"#, self.start),
        };
        format!(
            r#"{{"hidden_size":{},"num_heads":{},"num_layers":{},"inner_size":{},"num_items":{},"gate":{},"local_conv":{},"positions":"{}","final_norm":{}{more}}}"#,
            self.hidden,
            self.heads,
            self.layers,
            self.inner,
            self.items,
            self.gate,
            self.conv,
            self.positions,
            self.final_norm
        )
    }
}

/// Models of format 2: with a start vector, with kinds, with times, and with more than one of these;
/// each type of table and of positions.
pub const FORMAT_2: [Shape; 7] = [
    Shape { start: true, ..Shape::BASE },
    Shape { kinds: 2, positions: "learned", table: F16, matrices: F16, ..Shape::BASE },
    Shape { start: true, kinds: 4, hidden: 24, heads: 3, table: I8, text: true, ..Shape::BASE },
    Shape { start: true, kinds: 1, positions: "none", final_norm: false, ..Shape::BASE },
    Shape { kinds: 3, hidden: 40, heads: 5, inner: 72, gate: false, conv: false, ..Shape::BASE },
    Shape { gaps: true, hidden: 24, heads: 3, inner: 40, table: F16, ..Shape::BASE },
    Shape { start: true, kinds: 2, gaps: true, positions: "learned", table: I8, ..Shape::BASE },
];

/// Head sizes of 16, 1, 8, 1, 2, 12 and 40; each switch on and off; tables that end inside a block.
pub const SHAPES: [Shape; 15] = [
    Shape::BASE,
    Shape { hidden: 8, heads: 8, inner: 32, ..Shape::BASE },
    Shape { hidden: 24, heads: 3, inner: 40, table: F16, ..Shape::BASE },
    Shape { heads: 64, items: 31, ..Shape::BASE },
    Shape { hidden: 16, heads: 8, inner: 8, gate: false, text: true, ..Shape::BASE },
    Shape {
        hidden: 24,
        heads: 2,
        inner: 96,
        conv: false,
        table: F16,
        matrices: F16,
        ..Shape::BASE
    },
    Shape { hidden: 40, heads: 1, inner: 72, positions: "learned", items: 64, ..Shape::BASE },
    Shape { positions: "none", final_norm: false, ..Shape::BASE },
    Shape { items: 1, layers: 4, ..Shape::BASE },
    Shape { table: I8, items: 300, ..Shape::BASE },
    Shape { hidden: 40, heads: 5, inner: 72, table: I8, matrices: F16, ..Shape::BASE },
    Shape { table: I8, matrices: I8, ..Shape::BASE },
    Shape { hidden: 24, heads: 3, inner: 520, gate: false, matrices: I8, ..Shape::BASE },
    Shape { hidden: 104, heads: 13, inner: 120, gate: false, conv: false, ..Shape::BASE },
    Shape { final_norm: false, table: F16, text: true, items: 257, ..Shape::BASE },
];
