//! Whether an instruction set gives the bits that portable code gives, checked where it is going to
//! be used: CPUs, emulators and compilers have faults too.
//!
//! Every kernel runs once on fixed numbers, on the instruction set and portably.

use std::sync::OnceLock;

use super::activation::{self, FeatureMap, Gelu, Silu};
use super::attention::Event;
use super::block_scores::{BLOCK, block_scores};
use super::conv::Conv;
use super::element::Element;
use super::integer_scores::{Rounded, item_score};
use super::linear::Linear;
use super::norm::Norm;
use super::{CONV_HISTORY, add_assign, lanes_mut, mul_assign, rotary};
use crate::simd::{Backend, GROUP, GroupRow, Isa, Kernel, ROW_VECTORS, Row, Simd};

/// D: whole groups of four vectors, and one vector left over.
const SIZE: usize = 40;

/// Users that a Linear layer is applied to: whole tiles and a rest.
const USERS: usize = 5;

/// Outputs of a Linear layer that has panels of every width.
const OUTPUTS: usize = (8 + 4 + 2 + 1) * 8;

/// The first kernel that gives other bits than portable code. Found out once in a process.
pub(crate) fn difference(backend: Backend) -> Option<&'static str> {
    static FOUND: [OnceLock<Option<&'static str>>; Isa::ALL.len()] =
        [const { OnceLock::new() }; Isa::ALL.len()];
    *FOUND[backend.isa() as usize].get_or_init(|| match backend.isa() {
        Isa::Scalar => None,
        _ => first_difference(&backend.run(Samples), &Backend::SCALAR.run(Samples)),
    })
}

/// The first kernel whose results differ.
pub(super) fn first_difference(found: &[Sample], expected: &[Sample]) -> Option<&'static str> {
    let bits = |sample: &Sample| sample.1.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let mut pairs = found.iter().zip(expected);
    pairs.find(|(found, expected)| bits(found) != bits(expected)).map(|(found, _)| found.0)
}

/// A kernel's name and what it computed; no number is NaN, whose bits are not promised.
pub(super) type Sample = (&'static str, Vec<f32>);

/// Runs every kernel.
pub(super) struct Samples;

impl Kernel for Samples {
    type Output = Vec<Sample>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<Sample> {
        vec![
            ("elementwise sum and product", elementwise(simd)),
            ("linear f32", linear(simd, |x| x)),
            ("linear f16", linear(simd, half)),
            ("activation", activations(simd)),
            ("norm", norm(simd)),
            ("attention, heads of 20", attention(simd, 20)),
            ("attention, heads of 8", attention(simd, 8)),
            ("convolution", convolution(simd)),
            ("rotary", rotation(simd)),
            ("block scores f32", scan(simd, |x| x)),
            ("block scores f16", scan(simd, half)),
            ("block scores int8", integer_scan(simd)),
        ]
    }
}

#[inline(always)]
fn elementwise<S: Simd>(simd: S) -> Vec<f32> {
    let mut x = noise(SIZE, 1);
    add_assign(simd, &mut x, &noise(SIZE, 2));
    mul_assign(simd, &mut x, &noise(SIZE, 3));
    x
}

#[inline(always)]
fn linear<S: Simd, E: Element>(simd: S, element: fn(f32) -> E) -> Vec<f32> {
    let mut out = vec![0.0; USERS * OUTPUTS];
    let layer = Linear::new(&[(elements(SIZE * OUTPUTS, 4, element), noise(OUTPUTS, 5))]);
    layer.apply(simd, USERS, &noise(USERS * SIZE, 6), SIZE, &mut out);
    out
}

#[inline(always)]
fn activations<S: Simd>(simd: S) -> Vec<f32> {
    let x = activation_inputs();
    let mut all = x.repeat(3);
    let mut parts = all.chunks_exact_mut(x.len());
    let mut next = || parts.next().unwrap_or_default();
    activation::apply::<S, Silu>(simd, next());
    activation::apply::<S, Gelu>(simd, next());
    activation::apply::<S, FeatureMap>(simd, next());
    all
}

/// From where e^x underflows to where it overflows, both zeros and both infinities.
fn activation_inputs() -> Vec<f32> {
    let mut x: Vec<f32> = (-68..68).map(|n| n as f32 * 1.937).collect();
    x.extend(noise(4 * SIZE, 7));
    x.extend([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-40, 1e-5, -1e-5]);
    x
}

#[inline(always)]
fn norm<S: Simd>(simd: S) -> Vec<f32> {
    let norm = Norm { weight: noise(SIZE, 8).into(), bias: noise(SIZE, 9).into() };
    let mut out = vec![0.0; SIZE];
    norm.apply(simd, &noise(SIZE, 10), &mut out);
    out
}

/// State, normaliser and output after an event.
#[inline(always)]
fn attention<S: Simd>(simd: S, head_size: usize) -> Vec<f32> {
    let mut sums = [noise(SIZE * head_size, 11), positive(SIZE, 12)].concat();
    let mut out = vec![0.0; SIZE];
    let event = Event {
        query: &positive(SIZE, 13),
        key: &positive(SIZE, 14),
        query_rotated: &noise(SIZE, 15),
        key_rotated: &noise(SIZE, 16),
        value: &noise(SIZE, 17),
        decay: &[0.97; SIZE],
        head_size,
    };
    event.attend(simd, &mut sums, &mut out);
    [sums, out].concat()
}

/// History and output.
#[inline(always)]
fn convolution<S: Simd>(simd: S) -> Vec<f32> {
    let weight = noise((CONV_HISTORY + 1) * SIZE, 18).into();
    let conv = Conv { weight, bias: noise(SIZE, 19).into() };
    let (mut history, mut out) = (noise(CONV_HISTORY * SIZE, 20), noise(SIZE, 21));
    conv.add(simd, &mut history, &mut noise(SIZE, 22), &mut out);
    [history, out].concat()
}

/// Cosines, sines and a rotated vector.
#[inline(always)]
fn rotation<S: Simd>(simd: S) -> Vec<f32> {
    let (mut cos, mut sin, mut out) = (vec![0.0; SIZE], vec![0.0; SIZE], vec![0.0; SIZE]);
    rotary::fill(123_456_789, &frequencies(), &mut cos, &mut sin);
    rotary::rotate(simd, &noise(SIZE, 23), &cos, &sin, &mut out);
    [cos, sin, out].concat()
}

#[inline(always)]
fn scan<S: Simd, E: Element>(simd: S, element: fn(f32) -> E) -> Vec<f32> {
    let table = elements(SIZE * BLOCK, 24, element);
    let (features, _) = table.as_chunks().0.as_chunks();
    let [scores] = block_scores(simd, features, [&noise(SIZE, 25)]);
    compared(simd, scores)
}

/// Bounds, and the scores that they are bounds of.
#[inline(always)]
fn integer_scan<S: Simd>(simd: S) -> Vec<f32> {
    let block = integer_block();
    let (hidden, scales) = (noise(SIZE, 26), positive(BLOCK, 27));
    let mut codes = Vec::new();
    let rounded = Rounded::new(&hidden, &mut codes);
    let (rows, _) = scales.as_chunks().0.as_chunks::<ROW_VECTORS>();
    let mut out = compared(simd, rounded.at_most(simd, &block, &rows[0]));
    out.extend((0..BLOCK).map(|at| item_score(simd, &block, at, scales[at], &hidden)));
    out
}

/// A block of integers, the smallest and the largest among them.
fn integer_block() -> Vec<GroupRow> {
    let item = |group: usize, item: usize| -> [i8; GROUP] {
        std::array::from_fn(|feature| match (group * 7 + item * 3 + feature) % 6 {
            0 => -128,
            1 => 127,
            step => (step * 37 + group * 11 + item * 5) as i8,
        })
    };
    (0..SIZE / GROUP).map(|group| std::array::from_fn(|at| item(group, at))).collect()
}

/// The numbers of a row, and which of them are above zero.
#[inline(always)]
fn compared<S: Simd>(simd: S, row: S::Row) -> Vec<f32> {
    let mut out = vec![0.0; BLOCK];
    let (rows, _) = lanes_mut(&mut out).as_chunks_mut();
    row.store(&mut rows[0]);
    let above = row.greater_mask(S::Row::splat(simd, 0.0));
    out.extend([above & 0xffff, above >> 16].map(|half| half as f32));
    out
}

// What follows depends on no instruction set, and is kept out of the code that does.

/// Numbers of a matrix or a table.
#[inline(never)]
fn elements<E>(count: usize, seed: u32, element: fn(f32) -> E) -> Vec<E> {
    noise(count, seed).into_iter().map(element).collect()
}

/// Numbers in [0, 2].
#[inline(never)]
fn positive(count: usize, seed: u32) -> Vec<f32> {
    elements(count, seed, f32::abs)
}

/// Turns a position of each rotated pair.
#[inline(never)]
fn frequencies() -> Vec<f64> {
    (0..SIZE / 2).map(|pair| 0.16 / (1 + pair * pair) as f64).collect()
}

/// As half precision. Small numbers are made so small that they are subnormal there.
fn half(x: f32) -> u16 {
    half::f16::from_f32(if x.abs() < 0.5 { x / 65_536.0 } else { x }).to_bits()
}

/// Numbers in [-2, 2) without a pattern. There are many calls, and they need not be fast.
#[inline(never)]
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(97);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 22) as f32 - 2.0
    };
    (0..count).map(|_| next()).collect()
}
