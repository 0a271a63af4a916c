//! Norm, linear, attention, convolution and scan at valid sizes around the lane count.

use half::f16;

use super::{assert_close, noise, on_every_isa, wide};
use crate::kernels::attention::{Event, dot};
use crate::kernels::block_scores::{BLOCK, Features, block_scores};
use crate::kernels::conv::Conv;
use crate::kernels::integer_linear::{Codes, IntegerLayer, IntegerLinear};
use crate::kernels::linear::Linear;
use crate::kernels::norm::Norm;
use crate::kernels::{add_assign, lanes_mut, mul_assign};
use crate::simd::{LANES, Row};

/// Valid sizes: around one, two and eight vectors, and past the widest panel.
const SIZES: [usize; 9] = [8, 16, 24, 32, 40, 64, 72, 120, 136];

#[test]
fn dot_at_every_length() {
    for length in 0..=2 * LANES + 1 {
        let (x, y) = (noise(length, 1), noise(length, 2));
        let found = on_every_isa!(|simd, out, x: Vec<f32>, y: Vec<f32>|
            vec![0.0] => out[0] = dot(simd, x, y));
        let expected = wide(&x).iter().zip(wide(&y)).map(|(x, y)| x * y).sum();
        assert_close(&found, &[expected], "dot");
    }
}

#[test]
fn elementwise() {
    for size in SIZES {
        let (x, y) = (noise(size, 1), noise(size, 2));
        let pairs = || wide(&x).into_iter().zip(wide(&y));
        let found =
            on_every_isa!(|simd, out, y: Vec<f32>| x.clone() => add_assign(simd, &mut out, y));
        assert_close(&found, &pairs().map(|(x, y)| x + y).collect::<Vec<_>>(), "add");
        let found =
            on_every_isa!(|simd, out, y: Vec<f32>| x.clone() => mul_assign(simd, &mut out, y));
        assert_close(&found, &pairs().map(|(x, y)| x * y).collect::<Vec<_>>(), "mul");
    }
}

#[test]
fn layer_norm() {
    for size in SIZES {
        let x = noise(size, 1);
        let (weight, bias) = (noise(size, 2), noise(size, 3));
        let norm = Norm { weight: weight.clone().into(), bias: bias.clone().into() };
        let found = on_every_isa!(|simd, out, norm: Norm, x: Vec<f32>|
            vec![0.0; size] => norm.apply(simd, x, &mut out));
        let (x, n) = (wide(&x), size as f64);
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let one = |i: usize| {
            (x[i] - mean) / (variance + 1e-12).sqrt() * f64::from(weight[i]) + f64::from(bias[i])
        };
        assert_close(&found, &(0..size).map(one).collect::<Vec<_>>(), "norm");
    }
}

#[test]
fn layer_norm_of_equal_numbers_is_the_bias() {
    let norm = Norm { weight: noise(16, 2).into(), bias: noise(16, 3).into() };
    let x = vec![0.75; 16];
    let found = on_every_isa!(|simd, out, norm: Norm, x: Vec<f32>|
        vec![0.0; 16] => norm.apply(simd, x, &mut out));
    assert_eq!(found, noise(16, 3));
}

/// Several users, whose inputs start `stride` elements apart.
#[test]
fn linear() {
    for inputs in [8, 24, 64] {
        for (outputs, users) in SIZES.into_iter().zip([1, 2, 3, 4, 5, 6, 7, 8, 9]) {
            let part =
                |outputs: usize, seed| (noise(inputs * outputs, seed), noise(outputs, seed + 1));
            let parts = [part(outputs, 1), part(24, 3)];
            let stride = inputs + 8;
            let x = noise(users * stride, 5);
            let expected = |parts: &[(Vec<f32>, Vec<f32>)]| {
                let mut expected = vec![];
                for (x, (weight, bias)) in
                    x.chunks_exact(stride).flat_map(|x| parts.iter().map(move |part| (x, part)))
                {
                    let n = bias.len();
                    expected.extend((0..n).map(|j| {
                        let products =
                            (0..inputs).map(|i| f64::from(x[i]) * f64::from(weight[i * n + j]));
                        f64::from(bias[j]) + products.sum::<f64>()
                    }));
                }
                expected
            };
            let out = vec![0.0; users * (outputs + 24)];
            let linear = Linear::new(&parts);
            let found = on_every_isa!(|simd, out, linear: Linear<f32>, x: Vec<f32>, stride: usize|
                out.clone() => linear.apply(simd, x.len() / stride, x, *stride, &mut out));
            assert_close(&found, &expected(&parts), "f32");

            let half = |x: &f32| f16::from_f32(*x);
            let halves = parts.clone().map(|(weight, bias)| {
                (weight.iter().map(|x| half(x).to_bits()).collect::<Vec<_>>(), bias)
            });
            let rounded = parts.clone().map(|(weight, bias)| {
                (weight.iter().map(|x| half(x).to_f32()).collect::<Vec<_>>(), bias)
            });
            let linear = Linear::new(&halves);
            let found = on_every_isa!(|simd, out, linear: Linear<u16>, x: Vec<f32>, stride: usize|
                out.clone() => linear.apply(simd, x.len() / stride, x, *stride, &mut out));
            assert_close(&found, &expected(&rounded), "f16");
        }
    }
}

fn integers(count: usize, seed: u32) -> Vec<i8> {
    noise(count, seed).into_iter().map(|x| (x * 63.5) as i8).collect()
}

fn layer(inputs: usize, outputs: usize, seed: u32) -> IntegerLayer {
    let scale = noise(outputs, seed + 1).into_iter().map(|x| x.abs() / 60.0).collect();
    let (weight, bias) = (integers(inputs * outputs, seed), noise(outputs, seed + 2));
    IntegerLayer { weight, scale, bias }
}

/// An output from its definition, with integers and roundings as documented.
fn integer_output(x: &[f32], layer: &IntegerLayer, output: usize) -> f32 {
    let largest = x.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
    let factor = if largest < 2_f32.powi(-100) { 0.0 } else { 32767.0 / largest };
    let code = |x: f32| i64::from((x * factor).round_ties_even() as i32);
    let outputs = layer.bias.len();
    let weight = |input: usize| i64::from(layer.weight[input * outputs + output]);
    let sum = |inputs: std::ops::Range<usize>| -> i64 {
        inputs.map(|input| code(x[input]) * weight(input)).sum()
    };
    let parts = (0..x.len()).step_by(512).map(|start| sum(start..x.len().min(start + 512)) as f32);
    let dot = parts.reduce(|a, b| a + b).unwrap();
    dot * (largest / 32767.0) * layer.scale[output] + layer.bias[output]
}

/// Every bit is that of the definition. Inputs end within a sum, and outputs within a row.
#[test]
fn integer_linear() {
    for (inputs, first, second, users) in
        [(8, 8, 24, 1), (24, 64, 8, 2), (64, 128, 64, 5), (512, 40, 8, 9), (1048, 24, 72, 3)]
    {
        let stride = inputs + 8;
        for scale in [1.0, 2_f32.powi(-99), 2_f32.powi(-103), 0.0, 1e37] {
            let x: Vec<_> = noise(users * stride, 5).iter().map(|x| x * scale).collect();
            let parts = [layer(inputs, first, 1), layer(inputs, second, 7)];
            let mut expected = vec![];
            for x in x.chunks_exact(stride) {
                for (part, outputs) in parts.iter().zip([first, second]) {
                    let x = &x[..inputs];
                    expected.extend((0..outputs).map(|j| integer_output(x, part, j)));
                }
            }
            let linear = IntegerLinear::new(&parts);
            let found = on_every_isa!(
            |simd, out, linear: IntegerLinear, x: Vec<f32>, stride: usize|
            vec![0.0; users * (first + second)] => {
                let users = x.len() / stride;
                let mut codes = Codes::new(users, *stride);
                linear.apply(simd, users, x, *stride, &mut codes, &mut out);
            });
            assert_eq!(found, expected, "{inputs} inputs, {users} users, times {scale}");
        }
    }
}

/// The largest sums that 512 inputs can have: one too many would wrap.
#[test]
fn integer_linear_of_extremes() {
    for weight in [127, -127] {
        let layer =
            IntegerLayer { weight: vec![weight; 512 * 8], scale: vec![1.0; 8], bias: vec![0.0; 8] };
        let linear = IntegerLinear::new(&[layer]);
        let x = vec![1.0; 512];
        let found = on_every_isa!(|simd, out, linear: IntegerLinear, x: Vec<f32>|
            vec![0.0; 8] => linear.apply(simd, 1, x, 512, &mut Codes::new(1, 512), &mut out));
        assert_close(&found, &[512.0 * f64::from(weight); 8], "extremes");
    }
}

#[test]
fn attention() {
    for (size, head_size) in
        [(8, 1), (8, 8), (8, 2), (16, 16), (24, 3), (24, 12), (40, 8), (40, 20), (72, 24), (72, 72)]
    {
        let positive =
            |seed| noise(size, seed).into_iter().map(|x| x.abs() + 0.1).collect::<Vec<_>>();
        let (query, key, value) = (positive(1), positive(2), noise(size, 3));
        let (query_rotated, key_rotated) = (noise(size, 4), noise(size, 5));
        let decay: Vec<_> = (0..size).map(|c| 1.0 - (c / head_size) as f32 / 100.0).collect();
        let event = Event {
            query: &query,
            key: &key,
            query_rotated: &query_rotated,
            key_rotated: &key_rotated,
            value: &value,
            decay: &decay,
            head_size,
        };
        let z_start: Vec<_> = noise(size, 6).into_iter().map(f32::abs).collect();
        let start = [noise(size * head_size, 7), z_start].concat();
        // Larger than rounding errors, so that a lost carry shows.
        let carries: Vec<_> = noise(start.len(), 8).into_iter().map(|x| 1e-5 * x).collect();
        for carries in [vec![], carries] {
            let sums = start.len();
            let buffer = [&start[..], &carries, &vec![0.0; size]].concat();
            let mut found = on_every_isa!(|simd, all, event: Event<'a>| buffer.clone() => {
                let sums = all.len() - event.value.len();
                let (sums, out) = all.split_at_mut(sums);
                event.attend(simd, sums, out);
            });
            let mut expected = wide(&start);
            for (sum, carry) in expected.iter_mut().zip(&carries) {
                *sum += f64::from(*carry);
            }
            let out = attended(&event, &mut expected);
            expected.extend(out);
            // The value is the sum plus its carry.
            let carries: Vec<_> = found.drain(sums..sums + carries.len()).collect();
            for (i, carry) in carries.into_iter().enumerate() {
                found[i] += carry;
            }
            assert_close(&found, &expected, "attention");
        }
    }
}

/// Computes one event from the equations. Updates S and z in `sums` and returns the output.
fn attended(event: &Event<'_>, sums: &mut [f64]) -> Vec<f64> {
    let (size, head_size) = (event.value.len(), event.head_size);
    let (s, z) = sums.split_at_mut(size * head_size);
    for (z, (&decay, &key)) in z.iter_mut().zip(event.decay.iter().zip(event.key)) {
        *z = f64::from(decay) * *z + f64::from(key);
    }
    let one = |c: usize| {
        let head = c / head_size * head_size;
        let mut sum = 0.0;
        for i in 0..head_size {
            let cell = &mut s[i * size + c];
            *cell = f64::from(event.decay[c]) * *cell
                + f64::from(event.key_rotated[head + i]) * f64::from(event.value[c]);
            sum += f64::from(event.query_rotated[head + i]) * *cell;
        }
        let below = |i: usize| f64::from(event.query[head + i]) * z[head + i];
        sum / ((0..head_size).map(below).sum::<f64>() + 1e-6)
    };
    (0..size).map(one).collect()
}

#[test]
fn convolution() {
    for size in SIZES {
        let (weight, bias) = (noise(4 * size, 1), noise(size, 2));
        let conv = Conv { weight: weight.clone().into(), bias: bias.clone().into() };
        let value = noise(size, 3);
        let start = [noise(3 * size, 4), noise(size, 5)].concat();
        let found = on_every_isa!(|simd, all, conv: Conv, value: Vec<f32>| start.clone() => {
            let (history, out) = all.split_at_mut(3 * value.len());
            conv.add(simd, history, &mut value.clone(), out);
        });
        let values = [&start[..3 * size], &value].concat();
        assert_eq!(found[..3 * size], values[size..]);
        let one = |j: usize| {
            let tap = |r: usize| f64::from(weight[r * size + j]) * f64::from(values[r * size + j]);
            let sum = f64::from(bias[j]) + (0..4).map(tap).sum::<f64>();
            f64::from(start[3 * size + j]) + sum / (1.0 + (-sum).exp())
        };
        assert_close(&found[3 * size..], &(0..size).map(one).collect::<Vec<_>>(), "conv");
    }
}

#[test]
fn scan() {
    for size in SIZES {
        let (table, hidden) = (noise(size * BLOCK, 1), noise(size, 2));
        let halves: Vec<_> = table.iter().map(|&x| f16::from_f32(x).to_bits()).collect();
        let rounded: Vec<_> = halves.iter().map(|&x| f16::from_bits(x).to_f32()).collect();
        let expected = |table: &[f32]| -> Vec<f64> {
            let one = |lane: usize| {
                (0..size).map(|i| f64::from(table[i * BLOCK + lane]) * f64::from(hidden[i])).sum()
            };
            (0..BLOCK).map(one).collect()
        };
        macro_rules! check {
            ($element:ty, $table:expr, $expected:expr) => {{
                let rows: Vec<Features<$element>> = $table.as_chunks().0.as_chunks().0.to_vec();
                let found = on_every_isa!(|simd, out, rows: Vec<Features<$element>>, hidden: Vec<f32>|
                    vec![0.0; BLOCK] => {
                        let [_, scores] = block_scores(simd, rows, [&[0.5; 136], hidden]);
                        scores.store(&mut lanes_mut(&mut out).as_chunks_mut().0[0]);
                    });
                assert_close(&found, &$expected, stringify!($element));
            }};
        }
        check!(f32, table, expected(&table));
        check!(u16, halves, expected(&rounded));
    }
}
