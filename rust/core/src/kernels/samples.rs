//! Every kernel with sample inputs, for the agreement check and for benchmarks.

use std::marker::PhantomData;

use super::activation::{self, Activation, FeatureMap, Gelu, Silu};
use super::attention::Event;
use super::block_scores::{BLOCK, block_scores};
use super::conv::Conv;
use super::element::Element;
use super::integer_linear::{Codes, IntegerLayer, IntegerLinear};
use super::integer_scores::{Quantize, QuantizedHidden, item_score};
use super::linear::Linear;
use super::norm::Norm;
use super::{CONV_HISTORY, add_assign, lanes_mut, mul_assign, rotary};
use crate::aligned::AlignedBuf;
use crate::isa::Computed;
use crate::simd::{Backend, GROUP, GROUPS_AT_ONCE, Kernel, LANES, Row, Simd, TILE};

/// D: whole rows of four vectors, and one more vector.
const SIZE: usize = 40;

/// Outputs of a linear layer with panels of every width.
const OUTPUTS: usize = (8 + 4 + 2 + 1) * LANES;

/// More inputs than an integer sum takes.
const LONG: usize = GROUP * GROUPS_AT_ONCE + 24;

/// Users of a batch: whole tiles and a remainder.
const USERS: usize = 5;

/// Runs each kernel on its sample inputs. Inputs are made here, in code that does not depend on the
/// instruction set.
pub(crate) fn compute_samples<R: Runner>(runner: R) -> Vec<Computed> {
    vec![
        ("elementwise sum and product", elementwise(SIZE).once(runner)),
        ("linear f32", linear(USERS, SIZE, OUTPUTS, |x| x).once(runner)),
        ("linear f16", linear(USERS, SIZE, OUTPUTS, half).once(runner)),
        ("activation", activation::<Silu>(activation_inputs()).once(runner)),
        ("activation", activation::<Gelu>(activation_inputs()).once(runner)),
        ("activation", activation::<FeatureMap>(activation_inputs()).once(runner)),
        ("norm", norm(SIZE).once(runner)),
        ("attention, heads of 20", attention(SIZE, 20).once(runner)),
        ("attention, heads of 8", attention(SIZE, 8).once(runner)),
        ("convolution", convolution(SIZE).once(runner)),
        ("rotary", rotation(SIZE).once(runner)),
        ("linear int8", integer_linear(USERS, SIZE, OUTPUTS).once(runner)),
        ("linear int8, long", integer_linear(1, LONG, BLOCK).once(runner)),
        ("block scores f32", scan(1, 1, SIZE, |x| x).once(runner)),
        ("block scores f16", scan(1, 1, SIZE, half).once(runner)),
        ("block scores f32, several users", scan(USERS, 1, SIZE, |x| x).once(runner)),
        ("block scores f16, several users", scan(USERS, 1, SIZE, half).once(runner)),
        ("block scores int8", integer_scan(1, 1, SIZE).once(runner)),
        ("block scores int8, several users", integer_scan(USERS, 1, SIZE).once(runner)),
        ("item scores int8", integer_items(SIZE).once(runner)),
    ]
}

/// Runs kernels: the choice of an instruction set, or in tests one of its own.
pub(crate) trait Runner: Copy {
    fn run<K: Kernel>(self, kernel: K) -> K::Output;
}

impl Runner for Backend {
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        Backend::run(self, kernel)
    }
}

/// A kernel with its inputs, and its output. The output holds no NaN, whose bits are unspecified.
pub(crate) struct Sample<W> {
    pub(crate) work: W,
    pub(crate) out: AlignedBuf,
}

pub(crate) trait Work {
    fn run<S: Simd>(&mut self, simd: S, out: &mut [f32]);
}

impl<W: Work> Kernel for &mut Sample<W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.work.run(simd, &mut self.out);
    }
}

impl<W: Work> Sample<W> {
    #[inline(never)]
    fn once<R: Runner>(mut self, runner: R) -> Vec<f32> {
        runner.run(&mut self);
        self.out.to_vec()
    }
}

/// Defines a function that makes a [`Sample`]: its inputs, the initial `out`, and the kernel as an
/// expression over `simd`, `out` and the inputs.
macro_rules! sample {
    ($name:ident $(<$generic:ident: $bound:path>)? ($($argument:ident: $argument_type:ty),*)
     { $($field:ident: $type:ty = $value:expr;)* } $start:expr,
     |$simd:ident, $out:ident| $body:expr) => {
        pub(crate) fn $name$(<$generic: $bound + 'static>)?(
            $($argument: $argument_type),*
        ) -> $crate::kernels::samples::Sample<impl $crate::kernels::samples::Work + 'static> {
            struct Numbers$(<$generic>)? { $($field: $type,)* }
            impl$(<$generic: $bound>)? $crate::kernels::samples::Work for Numbers$(<$generic>)? {
                #[inline(always)]
                fn run<S: Simd>(&mut self, $simd: S, $out: &mut [f32]) {
                    let Self { $($field),* } = self;
                    $body;
                }
            }
            $(let $field: $type = $value;)*
            let out = AlignedBuf::from($start);
            $crate::kernels::samples::Sample { work: Numbers { $($field),* }, out }
        }
    };
}
#[cfg(feature = "internals")]
pub(crate) use sample;

sample! { elementwise(size: usize) {
    y: [AlignedBuf; 2] = [2, 3].map(|seed| buffer(size, seed));
} noise(size, 1), |simd, out| {
    add_assign(simd, out, &y[0]);
    mul_assign(simd, out, &y[1]);
}}

sample! { linear<E: Element>(users: usize, inputs: usize, outputs: usize, element: fn(f32) -> E) {
    layer: Linear<E> =
        Linear::new(&[(elements(inputs * outputs, 4, element), noise(outputs, 5))]);
    x: AlignedBuf = buffer(users * inputs, 6);
    users: usize = users;
} vec![0.0; users * outputs], |simd, out| {
    layer.apply(simd, *users, x, x.len() / *users, out)
}}

sample! { integer_linear(users: usize, inputs: usize, outputs: usize) {
    layer: IntegerLinear = IntegerLinear::new(&[IntegerLayer {
        weight: integers(inputs * outputs).iter().map(|&weight| weight.max(-127)).collect(),
        scale: positive(outputs, 33),
        bias: noise(outputs, 5),
    }]);
    x: AlignedBuf = buffer(users * inputs, 6);
    users: usize = users;
    codes: Codes = Codes::new(users, inputs);
} vec![0.0; users * outputs], |simd, out| {
    layer.apply(simd, *users, x, x.len() / *users, codes, out)
}}

// The inputs are copied each time: repeated application ends in zeros or infinities.
sample! { activation<A: Activation>(numbers: Vec<f32>) {
    x: AlignedBuf = numbers.into();
    function: PhantomData<A> = PhantomData;
} vec![0.0; x.len()], |simd, out| {
    let _ = function;
    out.copy_from_slice(x);
    activation::apply::<S, A>(simd, out);
}}

sample! { norm(size: usize) {
    norm: Norm = Norm { weight: buffer(size, 8), bias: buffer(size, 9) };
    x: AlignedBuf = buffer(size, 10);
} vec![0.0; size], |simd, out| norm.apply(simd, x, out)}

// One event on the state of one block. `out` is S, z and the output.
sample! { attention(size: usize, head_size: usize) {
    rotated: [AlignedBuf; 3] = [15, 16, 17].map(|seed| buffer(size, seed));
    mapped: [AlignedBuf; 2] = [13, 14].map(|seed| positive(size, seed).into());
    decay: AlignedBuf = vec![0.97; size].into();
    head_size: usize = head_size;
} [noise(size * head_size, 11), positive(size, 12), vec![0.0; size]].concat(), |simd, out| {
    let (sums, out) = out.split_at_mut(decay.len() * (*head_size + 1));
    let ([query, key], [query_rotated, key_rotated, value]) = (&*mapped, &*rotated);
    let head_size = *head_size;
    Event { query, key, query_rotated, key_rotated, value, decay, head_size }
        .attend(simd, sums, out);
}}

// `out` is the history and the output.
sample! { convolution(size: usize) {
    conv: Conv = Conv { weight: buffer((CONV_HISTORY + 1) * size, 18), bias: buffer(size, 19) };
    given: AlignedBuf = buffer(size, 22);
    value: AlignedBuf = AlignedBuf::zeros(size);
} noise((CONV_HISTORY + 1) * size, 20), |simd, out| {
    let (history, out) = out.split_at_mut(CONV_HISTORY * given.len());
    value.copy_from_slice(given);
    out.fill(0.5);
    conv.add(simd, history, value, out);
}}

// `out` is the cosines and sines of one event, then its rotated query and key.
sample! { rotation(size: usize) {
    position: u64 = 123_456_789;
    frequency: Vec<f64> = (0..size / 2).map(|pair| 0.16 / (1 + pair * pair) as f64).collect();
    x: [AlignedBuf; 2] = [23, 24].map(|seed| buffer(size, seed));
} vec![0.0; 4 * size], |simd, out| {
    let size = x[0].len();
    let (angles, out) = out.split_at_mut(2 * size);
    let (cos, sin) = angles.split_at_mut(size);
    *position += 1;
    rotary::fill(simd, *position, frequency, cos, sin);
    for (x, out) in x.iter().zip(out.chunks_exact_mut(size)) {
        rotary::rotate(simd, x, cos, sin, out);
    }
}}

// The summed scores of a whole catalogue for several users, in tiles and one by one.
sample! { scan<E: Element>(users: usize, blocks: usize, size: usize, element: fn(f32) -> E) {
    table: AlignedBuf<E> = elements(blocks * size * BLOCK, 25, element).into();
    hidden: Vec<AlignedBuf> = (0..users).map(|user| buffer(size, 26 + user as u32)).collect();
} vec![0.0; users * COMPARED], |simd, out| {
    let tiled = match S::TILES {
        true => scan_tiles::<S, E, TILE>(simd, table, hidden, out),
        false => 0,
    };
    scan_tiles::<S, E, 1>(simd, table, &hidden[tiled..], &mut out[tiled * COMPARED..]);
}}

/// Scores U users at a time. Returns the number of users processed.
#[inline(always)]
fn scan_tiles<S: Simd, E: Element, const U: usize>(
    simd: S,
    table: &[E],
    hidden: &[AlignedBuf],
    out: &mut [f32],
) -> usize {
    let (tiles, _) = hidden.as_chunks::<U>();
    for (tile, out) in tiles.iter().zip(out.chunks_exact_mut(U * COMPARED)) {
        let mut hidden: [&[f32]; U] = [&[]; U];
        for u in 0..U {
            hidden[u] = &tile[u];
        }
        let mut sums = [S::Row::splat(simd, 0.0); U];
        let (features, _) = table.as_chunks().0.as_chunks();
        for block in features.chunks_exact(hidden[0].len()) {
            let scores = block_scores(simd, block, hidden);
            for u in 0..U {
                sums[u] = sums[u] + scores[u];
            }
        }
        for (sum, out) in sums.into_iter().zip(out.chunks_exact_mut(COMPARED)) {
            compare(simd, sum, out);
        }
    }
    tiles.len() * U
}

// The score bounds of a whole catalogue, summed, for several users, in tiles and one by one.
sample! { integer_scan(users: usize, blocks: usize, size: usize) {
    table: AlignedBuf<i8> = integers(blocks * size * BLOCK);
    scales: AlignedBuf = positive(blocks * BLOCK, 31).into();
    hidden: Vec<AlignedBuf> = (0..users).map(|user| buffer(size, 32 + user as u32)).collect();
    codes: Vec<Vec<[i8; GROUP]>> = vec![Vec::new(); users];
} vec![0.0; users * COMPARED], |simd, out| {
    let mut users = Vec::with_capacity(hidden.len());
    for (hidden, codes) in hidden.iter().zip(codes) {
        users.push(simd.run(Quantize { hidden, codes }));
    }
    let tiled = match S::TILES {
        true => integer_tiles::<S, TILE>(simd, table, scales, &users, out),
        false => 0,
    };
    let out = &mut out[tiled * COMPARED..];
    integer_tiles::<S, 1>(simd, table, scales, &users[tiled..], out);
}}

/// [`scan_tiles`] for an 8-bit table.
#[inline(always)]
fn integer_tiles<S: Simd, const U: usize>(
    simd: S,
    table: &[i8],
    scales: &[f32],
    users: &[QuantizedHidden<'_>],
    out: &mut [f32],
) -> usize {
    let (groups, _) = table.as_chunks().0.as_chunks();
    let (scales, _) = scales.as_chunks().0.as_chunks();
    let (tiles, _) = users.as_chunks::<U>();
    for (&tile, out) in tiles.iter().zip(out.chunks_exact_mut(U * COMPARED)) {
        let mut sums = [S::Row::splat(simd, 0.0); U];
        for (block, scales) in groups.chunks_exact(groups.len() / scales.len()).zip(scales) {
            let bounds = QuantizedHidden::bounds(tile, simd, block, scales);
            for u in 0..U {
                sums[u] = sums[u] + bounds[u].least + bounds[u].most;
            }
        }
        for (sum, out) in sums.into_iter().zip(out.chunks_exact_mut(COMPARED)) {
            compare(simd, sum, out);
        }
    }
    tiles.len() * U
}

sample! { integer_items(size: usize) {
    block: AlignedBuf<i8> = integers(size * BLOCK);
    hidden: AlignedBuf = buffer(size, 32);
} positive(BLOCK, 31), |simd, out| {
    for (item, scale) in out.iter_mut().enumerate() {
        *scale = item_score(simd, block.as_chunks().0.as_chunks().0, item, *scale, hidden);
    }
}}

/// The length of what [`compare`] writes.
const COMPARED: usize = BLOCK + LANES;

/// Writes the lanes of a row, which of them are above zero, and which are if some are replaced.
#[inline(always)]
fn compare<S: Simd>(simd: S, row: S::Row, out: &mut [f32]) {
    let (row_out, rest) = out.split_at_mut(BLOCK);
    row.store(&mut lanes_mut(row_out).as_chunks_mut().0[0]);
    let zero = S::Row::splat(simd, 0.0);
    let above = row.greater_mask(zero);
    let less = row.replace(0x1e58_93a6, zero).greater_mask(zero);
    let halves = [above & 0xffff, above >> 16, less & 0xffff, less >> 16];
    rest[..4].copy_from_slice(&halves.map(|half| half as f32));
}

/// From below the underflow of e^x to above its overflow, with both zeros and both infinities.
#[inline(never)]
fn activation_inputs() -> Vec<f32> {
    let mut x: Vec<f32> = (-68..68).map(|n| n as f32 * 1.937).collect();
    x.extend(noise(4 * SIZE, 7));
    x.extend([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-40, 1e-5, -1e-5]);
    x
}

/// Includes the smallest and the largest integer.
#[inline(never)]
fn integers(count: usize) -> AlignedBuf<i8> {
    let integer =
        |(i, x): (usize, f32)| [-128, 127].get(i % 6).copied().unwrap_or((x * 64.0) as i8);
    noise(count, 30).into_iter().enumerate().map(integer).collect::<Vec<_>>().into()
}

fn half(x: f32) -> u16 {
    half::f16::from_f32(if x.abs() < 0.5 { x / 65_536.0 } else { x }).to_bits()
}

#[inline(never)]
fn elements<E>(count: usize, seed: u32, element: fn(f32) -> E) -> Vec<E> {
    noise(count, seed).into_iter().map(element).collect()
}

fn positive(count: usize, seed: u32) -> Vec<f32> {
    elements(count, seed, f32::abs)
}

#[inline(never)]
fn buffer(count: usize, seed: u32) -> AlignedBuf {
    noise(count, seed).into()
}

/// Pseudorandom values in [-2, 2). Called from many places, and need not be fast.
#[inline(never)]
pub(crate) fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(97);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 22) as f32 - 2.0
    };
    (0..count).map(|_| next()).collect()
}
