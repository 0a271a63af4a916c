//! The model in f64 and plain loops, head by head, from the equations. It shares only the file with
//! the engine.

use std::collections::HashMap;

use recgrela::Event;

use super::{ModelFile, Shape};

/// The weights, by their names in the file.
pub struct Reference {
    shape: Shape,
    weights: HashMap<String, Vec<f64>>,
}

/// One user.
pub struct State<'a> {
    model: &'a Reference,
    position: usize,
    last_time: Option<i64>,
    blocks: Vec<BlockState>,
    pub hidden: Vec<f64>,
}

#[derive(Clone)]
struct BlockState {
    /// `s[h][i][j]`
    s: Vec<Vec<Vec<f64>>>,
    /// `z[h][i]`
    z: Vec<Vec<f64>>,
    /// At most the last four values, oldest first.
    values: Vec<Vec<f64>>,
}

impl Reference {
    pub fn new(file: &ModelFile, shape: &Shape) -> Self {
        let floats = |name: &&String| {
            !name.starts_with("catalog.i")
                && *name != "catalog.order"
                && !name.starts_with("selftest")
        };
        let names = file.tensors.keys().filter(floats);
        let weights = names.map(|name| (name.clone(), file.numbers(name))).collect();
        Self { shape: *shape, weights }
    }

    pub fn start(&self) -> State<'_> {
        let (h, d) = (self.shape.heads, self.shape.hidden / self.shape.heads);
        let block = BlockState {
            s: vec![vec![vec![0.0; d]; d]; h],
            z: vec![vec![0.0; d]; h],
            values: vec![],
        };
        let hidden = if self.shape.start { self.w("start").to_vec() } else { vec![] };
        let blocks = vec![block; self.shape.layers];
        State { model: self, position: 0, last_time: None, blocks, hidden }
    }

    fn w(&self, name: &str) -> &[f64] {
        &self.weights[name]
    }

    fn embedding(&self, item: u32) -> Vec<f64> {
        let (block, lane) = (item as usize / 32, item as usize % 32);
        let size = self.shape.hidden;
        if let Some(scales) = self.weights.get("catalog.scale") {
            let table = self.w("catalog.table");
            let index = |i: usize| ((block * size / 4 + i / 4) * 32 + lane) * 4 + i % 4;
            return (0..size).map(|i| scales[item as usize] * table[index(i)]).collect();
        }
        (0..size).map(|i| self.w("catalog.table")[(block * size + i) * 32 + lane]).collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let (weight, bias) = (self.w(&format!("{name}.weight")), self.w(&format!("{name}.bias")));
        let one = |i: usize| (x[i] - mean) / (variance + 1e-12).sqrt() * weight[i] + bias[i];
        (0..x.len()).map(one).collect()
    }

    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (weight, bias) = (self.w(&format!("{name}.weight")), self.w(&format!("{name}.bias")));
        let n = bias.len();
        let scale = self.weights.get(&format!("{name}.scale"));
        let output = |j: usize| {
            let sum = (0..x.len()).map(|i| x[i] * weight[i * n + j]).sum::<f64>();
            bias[j] + sum * scale.map_or(1.0, |scale| scale[j])
        };
        (0..n).map(output).collect()
    }

    fn rotated(&self, x: &[f64], position: usize) -> Vec<f64> {
        if self.shape.positions != "rotary" {
            return x.to_vec();
        }
        let mut out = x.to_vec();
        for (i, frequency) in self.w("rotary.frequency").iter().enumerate() {
            let turns = position as f64 * frequency;
            let (sin, cos) = (std::f64::consts::TAU * (turns - turns.floor())).sin_cos();
            out[2 * i] = x[2 * i] * cos - x[2 * i + 1] * sin;
            out[2 * i + 1] = x[2 * i] * sin + x[2 * i + 1] * cos;
        }
        out
    }
}

impl State<'_> {
    /// The row of `gaps.weight`.
    fn bucket(&self, time: i64) -> usize {
        let Some(before) = self.last_time else { return 31 };
        let seconds = time - before;
        (0..30).find(|bits| seconds < 1 << bits).unwrap_or(30)
    }

    pub fn append(&mut self, event: impl Into<Event>) {
        let (model, event) = (self.model, event.into());
        let mut x = model.embedding(event.item);
        let size = x.len();
        if let Some(kind) = event.kind {
            let row = usize::from(kind.index()) * size;
            (0..size).for_each(|i| x[i] += model.w("kinds.weight")[row + i]);
        }
        if let Some(time) = event.time {
            let row = self.bucket(time) * size;
            (0..size).for_each(|i| x[i] += model.w("gaps.weight")[row + i]);
            self.last_time = Some(time);
        }
        if model.shape.positions == "learned" {
            let table = model.w("positions.weight");
            let row = self.position.min(table.len() / size - 1);
            (0..size).for_each(|i| x[i] += table[row * size + i]);
        }
        let mut h = model.norm("input_norm", &x);
        for l in 0..model.shape.layers {
            h = self.block(l, &h);
        }
        self.hidden = if model.shape.final_norm { model.norm("final_norm", &h) } else { h };
        self.position += 1;
    }

    pub fn score(&self, item: u32) -> f64 {
        self.model.embedding(item).iter().zip(&self.hidden).map(|(e, h)| e * h).sum()
    }

    /// S, z and the last three values of a block, each laid out as in the engine's state.
    pub fn parts(&self, l: usize) -> [Vec<f64>; 3] {
        let BlockState { s, z, values } = &self.blocks[l];
        let rows = 0..s[0].len();
        let s = rows.flat_map(|i| s.iter().flat_map(move |head| head[i].iter().copied()));
        [s.collect(), z.concat(), values[values.len().saturating_sub(3)..].concat()]
    }

    fn block(&mut self, l: usize, h: &[f64]) -> Vec<f64> {
        let model = self.model;
        let name = |part: &str| format!("blocks.{l}.{part}");
        let size = h.len();
        let y = model.norm(&name("norm1"), h);
        let v = model.linear(&name("input"), &y);
        let qk = model.linear(&name("query_key"), &v);
        let qk: Vec<_> = qk.into_iter().map(|x| if x > 0.0 { x + 1.0 } else { x.exp() }).collect();
        let mut mixed = self.attend(l, &qk[..size], &qk[size..], &v);
        let values = &mut self.blocks[l].values;
        values.push(v);
        if values.len() > 4 {
            values.remove(0);
        }
        if model.shape.conv {
            let (weight, bias) = (model.w(&name("conv.weight")), model.w(&name("conv.bias")));
            for j in 0..size {
                let tap =
                    |r: usize| (values.len() + r).checked_sub(4).map_or(0.0, |t| values[t][j]);
                let sum = bias[j] + (0..4).map(|r| weight[r * size + j] * tap(r)).sum::<f64>();
                mixed[j] += silu(sum);
            }
        }
        if model.shape.gate {
            let gate = model.linear(&name("gate"), &y);
            (0..size).for_each(|j| mixed[j] *= silu(gate[j]));
        }
        let h = add(h, &model.linear(&name("output"), &mixed));
        let inner = model.linear(&name("ffn_in"), &model.norm(&name("norm2"), &h));
        let inner: Vec<_> = inner.into_iter().map(gelu).collect();
        add(&h, &model.linear(&name("ffn_out"), &inner))
    }

    fn attend(&mut self, l: usize, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
        let model = self.model;
        let d = model.shape.hidden / model.shape.heads;
        let (qr, kr) = (model.rotated(q, self.position), model.rotated(k, self.position));
        let gamma = model.w(&format!("blocks.{l}.decay"));
        let mut out = vec![];
        for head in 0..model.shape.heads {
            let BlockState { s, z, .. } = &mut self.blocks[l];
            let (s, z) = (&mut s[head], &mut z[head]);
            let index = |i: usize| head * d + i;
            for i in 0..d {
                for j in 0..d {
                    s[i][j] = gamma[head] * s[i][j] + kr[index(i)] * v[index(j)];
                }
                z[i] = gamma[head] * z[i] + k[index(i)];
            }
            let below = (0..d).map(|i| q[index(i)] * z[i]).sum::<f64>() + 1e-6;
            out.extend((0..d).map(|j| (0..d).map(|i| qr[index(i)] * s[i][j]).sum::<f64>() / below));
        }
        out
    }
}

fn add(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x + y).collect()
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

fn gelu(x: f64) -> f64 {
    x * 0.5 * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

/// Computed by a series with only positive terms, so no digits cancel.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..150 {
        term *= 2.0 * x * x / (2 * n + 1) as f64;
        sum += term;
        if term.abs() < 1e-18 * sum.abs() {
            break;
        }
    }
    sum * (-x * x).exp() * 2.0 / std::f64::consts::PI.sqrt()
}
