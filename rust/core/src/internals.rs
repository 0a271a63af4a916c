//! Single kernels for `benches/kernels.rs`; the kernels themselves stay private.
//!
//! Behind the feature `internals` and not part of the API: it changes without notice.

use crate::aligned::AlignedBuf;
use crate::isa::choose;
use crate::kernels::activation::{FeatureMap, Gelu, Silu};
use crate::kernels::block_scores::BLOCK;
use crate::kernels::samples::{self, Sample, Work, compute_samples, noise, sample};
use crate::kernels::{CONV_HISTORY, lanes, lanes_mut};
use crate::simd::{Backend, Row, Simd};
use crate::{Isa, Result};

const SIZE: usize = 64;
const HEAD_SIZE: usize = 16;
const INNER_SIZE: usize = 256;

/// Blocks of the scanned catalogue: 100,000 items.
const BLOCKS: usize = 100_000 / BLOCK;

/// A kernel with its inputs.
pub struct Workload {
    /// The kernel's name.
    pub name: &'static str,
    /// The bytes that a run reads: weights, state and input, each once.
    pub bytes: usize,
    /// Runs the kernel once.
    pub run: Box<dyn FnMut()>,
}

/// Every kernel, on one instruction set.
pub fn workloads(isa: Isa) -> Result<Vec<Workload>> {
    let backend = choose(Some(isa), compute_samples)?;
    let half = |x: f32| half::f16::from_f32(x).to_bits();
    let (matrix, table) = (SIZE * INNER_SIZE, BLOCKS * BLOCK * SIZE);
    let (ends, sums) = (4 * (SIZE + INNER_SIZE), SIZE * (HEAD_SIZE + 1));
    let conv = SIZE * (2 * (CONV_HISTORY + 1) + 2);
    let mut all = Workloads { backend, all: Vec::new() };
    all.add("read", 4 * matrix, read(matrix));
    all.add("linear_f32", 4 * matrix + ends, samples::linear(1, SIZE, INNER_SIZE, |x| x));
    all.add("linear_f16", 2 * matrix + ends, samples::linear(1, SIZE, INNER_SIZE, half));
    all.add("linear_int8", matrix + ends, samples::integer_linear(1, SIZE, INNER_SIZE));
    all.add("norm", 4 * 3 * SIZE, samples::norm(SIZE));
    all.add("silu", 4 * SIZE, samples::activation::<Silu>(noise(SIZE, 1)));
    all.add("gelu", 4 * INNER_SIZE, samples::activation::<Gelu>(noise(INNER_SIZE, 1)));
    all.add("feature_map", 8 * SIZE, samples::activation::<FeatureMap>(noise(2 * SIZE, 1)));
    all.add("attention", 4 * (sums + 6 * SIZE), samples::attention(SIZE, HEAD_SIZE));
    all.add("conv", 4 * conv, samples::convolution(SIZE));
    all.add("rotation", 12 * SIZE, samples::rotation(SIZE));
    all.add("scan_f32", 4 * table, samples::scan(1, BLOCKS, SIZE, |x| x));
    all.add("scan_f16", 2 * table, samples::scan(1, BLOCKS, SIZE, half));
    all.add("scan_int8", table + 4 * BLOCKS * BLOCK, samples::integer_scan(1, BLOCKS, SIZE));
    Ok(all.all)
}

struct Workloads {
    backend: Backend,
    all: Vec<Workload>,
}

impl Workloads {
    fn add(&mut self, name: &'static str, bytes: usize, mut sample: Sample<impl Work + 'static>) {
        let backend = self.backend;
        let run = Box::new(move || backend.run(&mut sample));
        self.all.push(Workload { name, bytes, run });
    }
}

// Memory throughput: sums as many bytes as a matrix has.
sample! { read(count: usize) {
    numbers: AlignedBuf = noise(count, 1).into();
} vec![0.0; BLOCK], |simd, out| {
    let mut sums = [S::Row::splat(simd, 0.0); 2];
    for pair in lanes(numbers).as_chunks().0.as_chunks::<2>().0 {
        for (sum, row) in sums.iter_mut().zip(pair) {
            *sum = *sum + S::Row::load(simd, row);
        }
    }
    (sums[0] + sums[1]).store(&mut lanes_mut(out).as_chunks_mut().0[0]);
}}
