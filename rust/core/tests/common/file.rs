//! Writes model files as specified in `docs/format.md`.

use std::collections::BTreeMap;

use half::f16;
use sha2::{Digest, Sha256};

use super::{Reference, Rng, Shape};

pub const U8: &str = "U8";
pub const I8: &str = "I8";
pub const I32: &str = "I32";
pub const I64: &str = "I64";
pub const F16: &str = "F16";
pub const F32: &str = "F32";
pub const F64: &str = "F64";

#[derive(Clone, Debug)]
pub struct Tensor {
    pub dtype: String,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// A model file before it is written; tests change parts of it.
#[derive(Clone, Debug)]
pub struct ModelFile {
    pub format: String,
    pub config: String,
    /// Computed at writing unless given.
    pub fingerprint: Option<String>,
    pub tensors: BTreeMap<String, Tensor>,
    /// Spaces after the header beyond those that align the data.
    pub padding: usize,
}

impl ModelFile {
    /// Random weights, with activations of a magnitude at which every part of the model matters.
    pub fn random(shape: &Shape) -> Self {
        let mut file = Self {
            format: shape.format().to_owned(),
            config: shape.config(),
            fingerprint: None,
            tensors: BTreeMap::new(),
            padding: 0,
        };
        let rng = &mut Rng::new(shape.items as u64 * 1000 + shape.hidden as u64);
        file.random_catalogue(shape, rng);
        file.random_norm("input_norm", shape.hidden, rng);
        if shape.final_norm {
            file.random_norm("final_norm", shape.hidden, rng);
        }
        let pairs = shape.hidden / 2;
        match shape.positions {
            "rotary" => {
                let turns = |i| 10_000_f64.powf(-(i as f64) / pairs as f64) / std::f64::consts::TAU;
                let bytes = (0..pairs).flat_map(|i| turns(i).to_le_bytes()).collect();
                file.put("rotary.frequency", F64, &[pairs], bytes);
            }
            "learned" => file.random_f32("positions.weight", &[7, shape.hidden], 0.5, rng),
            _ => {}
        }
        for block in 0..shape.layers {
            file.random_block(block, shape, rng);
        }
        if shape.start {
            file.random_f32("start", &[shape.hidden], 1.0, rng);
        }
        if shape.kinds > 0 {
            file.random_f32("kinds.weight", &[shape.kinds, shape.hidden], 0.5, rng);
        }
        if shape.gaps {
            file.random_f32("gaps.weight", &[32, shape.hidden], 0.5, rng);
        }
        file.random_selftest(shape, rng);
        file
    }

    fn random_catalogue(&mut self, shape: &Shape, rng: &mut Rng) {
        self.random_table(shape, rng);
        // Ids in a different order from the items: item j has id (7919 j) mod 65537 - 30000.
        let ids: Vec<_> = (0..shape.items as i64).map(|j| 7919 * j % 65537 - 30_000).collect();
        let text = |id| if shape.text { format!("é{id}") } else { format!("{id}") };
        self.put_ids(&ids.into_iter().map(text).collect::<Vec<_>>(), shape.text);
    }

    /// The ids, as text or as the numbers in the text.
    pub fn put_ids(&mut self, texts: &[String], as_text: bool) {
        let mut order: Vec<_> = (0..texts.len()).collect();
        if as_text {
            order.sort_by_key(|&item| texts[item].as_bytes());
            let end = texts.iter().scan(0, |end, text| {
                *end += text.len() as i64;
                Some(*end)
            });
            self.put_i64("catalog.ids_end", &end.collect::<Vec<_>>());
            let text = texts.concat().into_bytes();
            self.put("catalog.ids_utf8", U8, &[text.len()], text);
        } else {
            let ids: Vec<i64> = texts.iter().map(|text| text.parse().unwrap()).collect();
            order.sort_by_key(|&item| ids[item]);
            self.put_i64("catalog.ids", &ids);
        }
        let order: Vec<_> = order.into_iter().map(|item| item as i32).collect();
        self.put_i32("catalog.order", &[texts.len()], &order);
    }

    fn random_table(&mut self, shape: &Shape, rng: &mut Rng) {
        let (blocks, size) = (shape.items.div_ceil(32), shape.hidden);
        let count = blocks * size * 32;
        if shape.table == I8 {
            let item = |index: usize| index / (32 * size) * 32 + index / 4 % 32;
            let mut integer = |index| if item(index) < shape.items { rng.next() as u8 } else { 0 };
            self.put(
                "catalog.table",
                I8,
                &[blocks, size / 4, 32, 4],
                (0..count).map(&mut integer).collect(),
            );
            let mut scale = |item| if item < shape.items { rng.unit().abs() / 100.0 } else { 0.0 };
            let scales: Vec<_> = (0..blocks * 32).map(&mut scale).collect();
            return self.put_f32("catalog.scale", &[blocks, 32], &scales);
        }
        let item = |index: usize| index / (32 * size) * 32 + index % 32;
        let values: Vec<_> = (0..count)
            .map(|index| if item(index) < shape.items { rng.unit() } else { 0.0 })
            .collect();
        self.put_floats("catalog.table", shape.table, &[blocks, size, 32], &values);
    }

    fn random_block(&mut self, block: usize, shape: &Shape, rng: &mut Rng) {
        let (d, f) = (shape.hidden, shape.inner);
        let name = |part: &str| format!("blocks.{block}.{part}");
        let mut linears = vec![
            ("input", d, d),
            ("query_key", d, 2 * d),
            ("output", d, d),
            ("ffn_in", d, f),
            ("ffn_out", f, d),
        ];
        if shape.gate {
            linears.push(("gate", d, d));
        }
        for (part, inputs, outputs) in linears {
            let scale = 2.0 / (inputs as f32).sqrt();
            let weight: Vec<_> = (0..inputs * outputs).map(|_| rng.unit() * scale).collect();
            self.put_matrix(&name(part), shape.matrices, [inputs, outputs], &weight);
            self.random_f32(&name(&format!("{part}.bias")), &[outputs], 0.3, rng);
        }
        if shape.conv {
            self.random_f32(&name("conv.weight"), &[4, d], 0.7, rng);
            self.random_f32(&name("conv.bias"), &[d], 0.3, rng);
        }
        self.random_norm(&name("norm1"), d, rng);
        self.random_norm(&name("norm2"), d, rng);
        let decay: Vec<_> = (0..shape.heads)
            .map(|head| if head % 3 == 2 { 1.0 } else { 0.85 + 0.149 * rng.unit().abs() })
            .collect();
        self.put_f32(&name("decay"), &[shape.heads], &decay);
    }

    fn random_selftest(&mut self, shape: &Shape, rng: &mut Rng) {
        let mut end = 0;
        let (mut items, mut ends, mut candidates, mut scores) = (vec![], vec![], vec![], vec![]);
        let reference = Reference::new(self, shape);
        // Inputs of 8-bit matrices are rounded to 16 bits. What is tolerated is a share of the
        // largest score, so there have to be enough of them.
        let count = if shape.matrices == I8 { 32 } else { 4 };
        let (mut kinds, mut times) = (vec![], vec![]);
        for length in [0, 1, 5, 30].into_iter().skip(usize::from(!shape.start)) {
            let events = rng.events(length, shape);
            let scored = rng.items(count, shape.items);
            let mut state = reference.start();
            events.iter().for_each(|&event| state.append(event));
            scores.extend(scored.iter().map(|&item| state.score(item) as f32));
            items.extend(events.iter().map(|event| event.item as i32));
            kinds.extend(events.iter().filter_map(|event| Some(i32::from(event.kind?.index()))));
            times.extend(events.iter().filter_map(|event| event.time));
            candidates.extend(scored.into_iter().map(|item| item as i32));
            end += length as i32;
            ends.push(end);
        }
        self.put_i32("selftest.items", &[items.len()], &items);
        if shape.kinds > 0 {
            self.put_i32("selftest.kinds", &[kinds.len()], &kinds);
        }
        if shape.gaps {
            self.put_i64("selftest.times", &times);
        }
        self.put_i32("selftest.end", &[ends.len()], &ends);
        self.put_i32("selftest.candidates", &[ends.len(), count], &candidates);
        self.put_f32("selftest.scores", &[ends.len(), count], &scores);
    }

    fn random_norm(&mut self, name: &str, size: usize, rng: &mut Rng) {
        let weight: Vec<_> = (0..size).map(|_| 1.0 + 0.5 * rng.unit()).collect();
        self.put_f32(&format!("{name}.weight"), &[size], &weight);
        self.random_f32(&format!("{name}.bias"), &[size], 0.3, rng);
    }

    fn random_f32(&mut self, name: &str, shape: &[usize], scale: f32, rng: &mut Rng) {
        let numbers: Vec<_> = (0..shape.iter().product()).map(|_| scale * rng.unit()).collect();
        self.put_f32(name, shape, &numbers);
    }

    pub fn put(&mut self, name: &str, dtype: &str, shape: &[usize], bytes: Vec<u8>) {
        let tensor = Tensor { dtype: dtype.to_owned(), shape: shape.to_vec(), bytes };
        self.tensors.insert(name.to_owned(), tensor);
    }

    pub fn put_f32(&mut self, name: &str, shape: &[usize], numbers: &[f32]) {
        self.put(name, F32, shape, numbers.iter().flat_map(|n| n.to_le_bytes()).collect());
    }

    /// Numbers as `dtype`, F32 or F16.
    pub fn put_floats(&mut self, name: &str, dtype: &str, shape: &[usize], numbers: &[f32]) {
        if dtype == F32 {
            return self.put_f32(name, shape, numbers);
        }
        let halves = numbers.iter().flat_map(|&n| f16::from_f32(n).to_le_bytes());
        self.put(name, F16, shape, halves.collect());
    }

    /// A matrix as `dtype`, F32, F16 or I8, the last with a scale per output.
    fn put_matrix(&mut self, layer: &str, dtype: &str, shape: [usize; 2], numbers: &[f32]) {
        let name = format!("{layer}.weight");
        if dtype != I8 {
            return self.put_floats(&name, dtype, &shape, numbers);
        }
        let outputs = shape[1];
        let column = |output: usize| numbers.iter().skip(output).step_by(outputs);
        let largest = |output| column(output).fold(0.0, |largest: f32, x| largest.max(x.abs()));
        let scales: Vec<_> = (0..outputs).map(|output| largest(output) / 127.0).collect();
        let integer = |(index, x): (usize, &f32)| {
            (x / scales[index % outputs]).round().clamp(-127.0, 127.0) as i8
        };
        let integers = numbers.iter().enumerate().map(integer).map(i8::cast_unsigned);
        self.put(&name, I8, &shape, integers.collect());
        self.put_f32(&format!("{layer}.scale"), &[outputs], &scales);
    }

    pub fn put_i32(&mut self, name: &str, shape: &[usize], numbers: &[i32]) {
        self.put(name, I32, shape, numbers.iter().flat_map(|n| n.to_le_bytes()).collect());
    }

    pub fn put_i64(&mut self, name: &str, numbers: &[i64]) {
        let bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.put(name, I64, &[numbers.len()], bytes);
    }

    /// A tensor of floating-point numbers, as f64.
    pub fn numbers(&self, name: &str) -> Vec<f64> {
        let tensor = &self.tensors[name];
        let bytes = &tensor.bytes;
        match tensor.dtype.as_str() {
            I8 => bytes.iter().map(|&b| f64::from(b.cast_signed())).collect(),
            F16 => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f64()).collect(),
            F32 => bytes.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
            F64 => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            other => panic!("{name} is {other}"),
        }
    }

    pub fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.get_mut(name).unwrap()
    }

    /// The file: header, then the tensors with the table first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let computed = || fingerprint(&self.config, &self.tensors);
        let metadata = serde_json::json!({
            "recgrela.format": self.format,
            "recgrela.config": self.config,
            "recgrela.fingerprint": self.fingerprint.clone().unwrap_or_else(computed),
        });
        safetensors(metadata, &self.tensors, self.padding)
    }
}

/// The fingerprint of a config text and tensors.
pub fn fingerprint(text: &str, tensors: &BTreeMap<String, Tensor>) -> String {
    let mut hash = Sha256::new_with_prefix(text);
    for (name, tensor) in tensors {
        let shape: Vec<_> = tensor.shape.iter().map(|n| n.to_string()).collect();
        hash.update(format!("{name}\0{}\0{}\0", tensor.dtype, shape.join(",")));
        hash.update(&tensor.bytes);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A safetensors file, with the catalogue's table first and `padding` spaces after the header
/// beyond those that align the data.
pub fn safetensors(
    metadata: serde_json::Value,
    tensors: &BTreeMap<String, Tensor>,
    padding: usize,
) -> Vec<u8> {
    let mut names: Vec<_> = tensors.keys().collect();
    names.sort_by_key(|name| (*name != "catalog.table", name.as_str()));
    let mut header = serde_json::json!({"__metadata__": metadata});
    let mut data = Vec::new();
    for name in names {
        let tensor = &tensors[name];
        let offsets = [data.len(), data.len() + tensor.bytes.len()];
        header[name] = serde_json::json!({
            "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": offsets,
        });
        data.extend(&tensor.bytes);
    }
    let mut header = header.to_string();
    while !(header.len() + 8).is_multiple_of(64) {
        header.push(' ');
    }
    header.push_str(&" ".repeat(padding));
    with_header(&header, &data)
}

/// A safetensors file from a header's text and data.
pub fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}
