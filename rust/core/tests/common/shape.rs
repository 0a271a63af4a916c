//! The architectures that the tests run.

/// What a random model is made of.
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
    pub half: bool,
    pub text: bool,
}

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
        half: false,
        text: false,
    };

    /// The smallest: quick to load, and its file is short.
    pub const TINY: Self =
        Self { hidden: 8, heads: 2, layers: 1, inner: 8, items: 33, ..Self::BASE };

    pub fn config(&self) -> String {
        format!(
            r#"{{"hidden_size":{},"num_heads":{},"num_layers":{},"inner_size":{},"num_items":{},"gate":{},"local_conv":{},"positions":"{}","final_norm":{}}}"#,
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

/// Head sizes of 16, 1, 8, 1, 2, 12 and 40; each switch on and off; tables that end inside a block.
pub const SHAPES: [Shape; 11] = [
    Shape::BASE,
    Shape { hidden: 8, heads: 8, inner: 32, ..Shape::BASE },
    Shape { hidden: 24, heads: 3, inner: 40, half: true, ..Shape::BASE },
    Shape { heads: 64, items: 31, ..Shape::BASE },
    Shape { hidden: 16, heads: 8, inner: 8, gate: false, text: true, ..Shape::BASE },
    Shape { hidden: 24, heads: 2, inner: 96, conv: false, half: true, ..Shape::BASE },
    Shape { hidden: 40, heads: 1, inner: 72, positions: "learned", items: 64, ..Shape::BASE },
    Shape { positions: "none", final_norm: false, ..Shape::BASE },
    Shape { items: 1, layers: 4, ..Shape::BASE },
    Shape { hidden: 104, heads: 13, inner: 120, gate: false, conv: false, ..Shape::BASE },
    Shape { final_norm: false, half: true, text: true, items: 257, ..Shape::BASE },
];
