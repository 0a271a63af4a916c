//! Each kernel alone, for `benches/kernels.rs`: the kernels themselves stay private.
//!
//! This is behind the feature `internals` and no part of the API; it changes without notice.

use std::marker::PhantomData;

use crate::aligned::AlignedBuf;
use crate::isa::choose;
use crate::kernels::activation::{self, Activation, FeatureMap, Gelu, Silu};
use crate::kernels::attention::Event;
use crate::kernels::block_scores::{BLOCK, Features, block_scores};
use crate::kernels::conv::Conv;
use crate::kernels::element::Element;
use crate::kernels::integer_scores::Rounded;
use crate::kernels::linear::Linear;
use crate::kernels::norm::Norm;
use crate::kernels::{CONV_HISTORY, rotary};
use crate::simd::{Backend, GROUP, GroupRow, Kernel, LANES, ROW_VECTORS, Row, Simd};
use crate::{Isa, Result};

/// D, d and F of the benchmarks' model.
const SIZE: usize = 64;
const HEAD_SIZE: usize = 16;
const INNER_SIZE: usize = 256;

/// Blocks of the catalogue that is scanned: 100,000 items.
const BLOCKS: usize = 100_000 / BLOCK;

/// A kernel with the data that it works on.
pub struct Workload {
    /// The kernel.
    pub name: &'static str,
    /// Bytes that a run reads: weights, state and input, each once.
    pub bytes: usize,
    /// Runs it once.
    pub run: Box<dyn FnMut()>,
}

/// A [`Workload`] from a [`Backend`], its name, its bytes, and an expression over `simd` and
/// variables that the workload takes.
macro_rules! workload {
    ($backend:expr, $name:expr, $bytes:expr, $(<$generic:ident: $bound:path>)?
     |$simd:ident $(, $field:ident: $type:ty)*| $body:expr) => {{
        struct Run<'a $(, $generic)?> {
            $($field: &'a mut $type,)*
        }
        impl$(<$generic: $bound>)? Kernel for Run<'_ $(, $generic)?> {
            type Output = ();

            #[inline(always)]
            fn run<S: Simd>(self, $simd: S) {
                let Self { $($field),* } = self;
                $body
            }
        }
        let (backend, name, bytes) = ($backend, $name, $bytes);
        $(let mut $field: $type = $field;)*
        Workload { name, bytes, run: Box::new(move || backend.run(Run { $($field: &mut $field),* })) }
    }};
}

/// Every kernel, on one instruction set.
pub fn workloads(isa: Isa) -> Result<Vec<Workload>> {
    let backend = choose(Some(isa))?;
    let half = |x: f32| half::f16::from_f32(x).to_bits();
    Ok(vec![
        read(backend),
        linear("linear_f32", backend, |x| x),
        linear("linear_f16", backend, half),
        norm(backend),
        activation::<Silu>("silu", backend, SIZE),
        activation::<Gelu>("gelu", backend, INNER_SIZE),
        activation::<FeatureMap>("feature_map", backend, 2 * SIZE),
        attention(backend),
        conv(backend),
        rotation(backend),
        scan("scan_f32", backend, |x| x),
        scan("scan_f16", backend, half),
        scan_int8(backend),
    ])
}

/// What the memory gives: as many bytes as a matrix of [`linear`], added up.
fn read(backend: Backend) -> Workload {
    let numbers = noise(SIZE * INNER_SIZE);
    let out = [[0.0; LANES]; ROW_VECTORS];
    let bytes = size_of_val(&numbers[..]);
    workload!(backend, "read", bytes, |simd, numbers: AlignedBuf, out: Features<f32>| {
        let mut sums = [S::Row::splat(simd, 0.0); 2];
        for pair in rows(numbers).as_chunks::<2>().0 {
            for (sum, row) in sums.iter_mut().zip(pair) {
                *sum = *sum + S::Row::load(simd, row);
            }
        }
        (sums[0] + sums[1]).store(out);
    })
}

/// D inputs, F outputs.
fn linear<E: Element>(
    name: &'static str,
    backend: Backend,
    element: impl Fn(f32) -> E,
) -> Workload {
    let weight: Vec<_> = noise(SIZE * INNER_SIZE).iter().map(|&x| element(x)).collect();
    let (x, out) = (noise(SIZE), noise(INNER_SIZE));
    let bytes = size_of_val(&weight[..]) + size_of_val(&x[..]) + size_of_val(&out[..]);
    let layer = Linear::new(&[(weight, noise(INNER_SIZE).to_vec())]);
    workload!(backend, name, bytes, <E: Element>
        |simd, layer: Linear<E>, x: AlignedBuf, out: AlignedBuf| layer.apply(simd, 1, x, x.len(), out))
}

fn norm(backend: Backend) -> Workload {
    let norm = Norm { weight: noise(SIZE), bias: noise(SIZE) };
    let (x, out) = (noise(SIZE), noise(SIZE));
    workload!(
        backend,
        "norm",
        3 * size_of_val(&x[..]),
        |simd, norm: Norm, x: AlignedBuf, out: AlignedBuf| norm.apply(simd, x, out)
    )
}

/// In place, so the numbers are renewed each time: a function applied to its own values ends in
/// zeros or infinities.
fn activation<A: Activation + 'static>(
    name: &'static str,
    backend: Backend,
    count: usize,
) -> Workload {
    let (fresh, x) = (noise(count), noise(count));
    let function = PhantomData;
    workload!(backend, name, size_of_val(&x[..]), <A: Activation>
    |simd, function: PhantomData<A>, fresh: AlignedBuf, x: AlignedBuf| {
        let _ = function;
        x.copy_from_slice(fresh);
        activation::apply::<S, A>(simd, x);
    })
}

/// One event on the state of one block.
fn attention(backend: Backend) -> Workload {
    let event = [SIZE; 5].map(noise);
    let decay = AlignedBuf::from(vec![0.99; SIZE]);
    let (mut sums, out) = (noise(SIZE * (HEAD_SIZE + 1)), noise(SIZE));
    sums[SIZE * HEAD_SIZE..].fill(1.0); // z
    let bytes = size_of::<f32>() * SIZE * (HEAD_SIZE + 1 + event.len() + 1);
    workload!(
        backend,
        "attention",
        bytes,
        |simd, event: [AlignedBuf; 5], decay: AlignedBuf, sums: AlignedBuf, out: AlignedBuf| {
            let [query, key, query_rotated, key_rotated, value] = event;
            let head_size = HEAD_SIZE;
            Event { query, key, query_rotated, key_rotated, value, decay, head_size }
                .attend(simd, sums, out);
        }
    )
}

fn conv(backend: Backend) -> Workload {
    let conv = Conv { weight: noise((CONV_HISTORY + 1) * SIZE), bias: noise(SIZE) };
    let (history, given) = (noise(CONV_HISTORY * SIZE), noise(SIZE));
    let (value, out) = (given.clone(), noise(SIZE));
    let bytes = size_of::<f32>() * SIZE * (2 * (CONV_HISTORY + 1) + 2);
    workload!(backend, "conv", bytes, |simd,
                                       conv: Conv,
                                       history: AlignedBuf,
                                       given: AlignedBuf,
                                       value: AlignedBuf,
                                       out: AlignedBuf| {
        value.copy_from_slice(given);
        out.fill(0.0);
        conv.add(simd, history, value, out);
    })
}

/// The angles of one event, then the rotation of its query and key.
fn rotation(backend: Backend) -> Workload {
    let frequency: Vec<f64> = (1..=SIZE / 2).map(|pair| 0.1 / pair as f64).collect();
    let (cos, sin) = (noise(SIZE), noise(SIZE));
    let (x, out) = ([SIZE; 2].map(noise), [SIZE; 2].map(noise));
    let position = 0;
    let bytes = size_of_val(&frequency[..]) + 2 * size_of_val(&cos[..]);
    workload!(
        backend,
        "rotation",
        bytes,
        |simd,
         position: u64,
         frequency: Vec<f64>,
         cos: AlignedBuf,
         sin: AlignedBuf,
         x: [AlignedBuf; 2],
         out: [AlignedBuf; 2]| {
            *position += 1;
            rotary::fill(*position, frequency, cos, sin);
            for (x, out) in x.iter().zip(out) {
                rotary::rotate(simd, x, cos, sin, out);
            }
        }
    )
}

/// Scores of a whole catalogue, all added up.
fn scan<E: Element>(name: &'static str, backend: Backend, element: impl Fn(f32) -> E) -> Workload {
    let table: Vec<_> = noise(BLOCKS * SIZE * BLOCK).iter().map(|&x| element(x)).collect();
    let bytes = size_of_val(&table[..]);
    let (table, hidden) = (AlignedBuf::from(table), noise(SIZE));
    let out = [[0.0; LANES]; ROW_VECTORS];
    workload!(backend, name, bytes, <E: Element>
    |simd, table: AlignedBuf<E>, hidden: AlignedBuf, out: Features<f32>| {
        let mut sum = S::Row::splat(simd, 0.0);
        for block in rows(table).chunks_exact(SIZE) {
            let [scores] = block_scores(simd, block, [hidden]);
            sum = sum + scores;
        }
        sum.store(out);
    })
}

/// The bounds of a whole catalogue's scores, all added up.
fn scan_int8(backend: Backend) -> Workload {
    let code = |x: &f32| (x * 127.0) as i8;
    let table: Vec<_> = noise(BLOCKS * SIZE * BLOCK).iter().map(code).collect();
    let scales = AlignedBuf::from(vec![0.01; BLOCKS * BLOCK]);
    let bytes = size_of_val(&table[..]) + size_of_val(&scales[..]);
    let (table, hidden, codes) = (AlignedBuf::from(table), noise(SIZE), Vec::new());
    let out = [[0.0; LANES]; ROW_VECTORS];
    workload!(
        backend,
        "scan_int8",
        bytes,
        |simd,
         table: AlignedBuf<i8>,
         scales: AlignedBuf,
         hidden: AlignedBuf,
         codes: Vec<[i8; GROUP]>,
         out: Features<f32>| {
            let rounded = Rounded::new(hidden, codes);
            let groups: &[GroupRow] = table.as_chunks().0.as_chunks().0;
            let mut sum = S::Row::splat(simd, 0.0);
            for (block, scales) in groups.chunks_exact(SIZE / GROUP).zip(rows(scales)) {
                sum = sum + rounded.at_most(simd, block, scales);
            }
            sum.store(out);
        }
    )
}

/// The slice in rows of 32.
#[inline(always)]
fn rows<T>(x: &[T]) -> &[Features<T>] {
    x.as_chunks().0.as_chunks().0
}

/// Numbers in [-1, 1) without a pattern, the same each time.
fn noise(count: usize) -> AlignedBuf {
    let mut state = 97_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    AlignedBuf::from((0..count).map(|_| next()).collect::<Vec<_>>())
}
