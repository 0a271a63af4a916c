//! One block: gated attention and a feed-forward network, each with LayerNorm and a residual.

use super::scratch::Scratch;
use super::users::Users;
use crate::kernels::activation::{self, FeatureMap, Gelu, Silu};
use crate::kernels::attention::Event;
use crate::kernels::rotary::rotate;
use crate::kernels::{add_assign, mul_assign};
use crate::model::Block;
use crate::simd::Simd;

impl Block {
    /// Computes each user's next hidden vector, and advances its state by one event.
    #[inline(always)]
    pub(super) fn step<S: Simd>(&self, simd: S, users: &mut Users<'_>, scratch: &mut Scratch) {
        let size = self.norm1.size();
        let (value_gates, inners) = (self.value_gate.outputs(), self.ffn_in.outputs());
        let count = users.tile.len();
        let Scratch { normed, value_gate, query_key, rotated, mixed, inner, cos, sin, codes } =
            scratch;

        for u in 0..count {
            let range = u * size..(u + 1) * size;
            self.norm1.apply(simd, users.hidden(u, size), &mut normed[range]);
        }
        self.value_gate.apply(simd, count, normed, size, codes, value_gate);
        self.query_key.apply(simd, count, value_gate, value_gates, codes, query_key);
        activation::apply::<S, FeatureMap>(simd, &mut query_key[..count * 2 * size]);
        for u in 0..count {
            let range = u * size..(u + 1) * size;
            let value_gate = &mut value_gate[u * value_gates..(u + 1) * value_gates];
            let query_key = &query_key[2 * range.start..2 * range.end];
            let rotation = match users.rotates {
                true => {
                    Some(Rotation { cos: &cos[range.clone()], sin: &sin[range.clone()], rotated })
                }
                false => None,
            };
            users.prefetch(simd, u);
            self.mix(simd, value_gate, query_key, rotation, users.state(u), &mut mixed[range]);
        }
        self.output.apply(simd, count, mixed, size, codes, normed);
        for u in 0..count {
            let (hidden, range) = (users.hidden(u, size), u * size..(u + 1) * size);
            add_assign(simd, hidden, &normed[range.clone()]);
            self.norm2.apply(simd, hidden, &mut normed[range]);
        }
        self.ffn_in.apply(simd, count, normed, size, codes, inner);
        activation::apply::<S, Gelu>(simd, &mut inner[..count * inners]);
        self.ffn_out.apply(simd, count, inner, inners, codes, normed);
        for u in 0..count {
            add_assign(simd, users.hidden(u, size), &normed[u * size..(u + 1) * size]);
        }
    }

    #[inline(always)]
    fn mix<S: Simd>(
        &self,
        simd: S,
        value_gate: &mut [f32],
        query_key: &[f32],
        rotation: Option<Rotation<'_>>,
        state: &mut [f32],
        mixed: &mut [f32],
    ) {
        let size = mixed.len();
        let (value, gate) = value_gate.split_at_mut(size);
        let (query, key) = query_key.split_at(size);
        let (query_rotated, key_rotated) = match rotation {
            Some(Rotation { cos, sin, rotated }) => {
                let (query_rotated, key_rotated) = rotated.split_at_mut(size);
                rotate(simd, query, cos, sin, query_rotated);
                rotate(simd, key, cos, sin, key_rotated);
                (&*query_rotated, &*key_rotated)
            }
            None => (query, key),
        };
        let (sums, history) = state.split_at_mut(self.sums_len);
        let (decay, head_size) = (&*self.decay, self.head_size);
        let event = Event { query, key, query_rotated, key_rotated, value, decay, head_size };
        event.attend(simd, sums, mixed);
        if let Some(conv) = &self.conv {
            conv.add(simd, history, value, mixed);
        }
        if !gate.is_empty() {
            activation::apply::<S, Silu>(simd, gate);
            mul_assign(simd, mixed, gate);
        }
    }
}

struct Rotation<'a> {
    cos: &'a [f32],
    sin: &'a [f32],
    /// The rotated query and key. `[2D]`
    rotated: &'a mut [f32],
}
