//! Times each kernel and a whole session on every instruction set of this CPU.
//!
//! Run by `make bench-kernels`; criterion prints time and bytes read per second.

use std::sync::Arc;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group};
use criterion::{criterion_main, measurement::WallTime};
use recgrela::internals::workloads;
use recgrela::{Filter, Isa, ModelOptions, Session, TopK};

#[path = "../tests/common/mod.rs"]
mod common;
use common::{F16, F32, I8, ModelFile, Rng, Shape};

/// The benchmarks' model.
const SHAPE: Shape = Shape { layers: 4, items: 3416, ..Shape::BASE };
const LARGE: usize = 50_000;
const K: usize = 10;

fn kernels(criterion: &mut Criterion) {
    for isa in Isa::available() {
        let mut group = criterion.benchmark_group(format!("kernel/{isa}"));
        for mut workload in workloads(isa).expect("the CPU has it") {
            group.throughput(Throughput::Bytes(workload.bytes as u64));
            group.bench_function(workload.name, |bencher| bencher.iter(&mut workload.run));
        }
    }
}

/// The bytes are those of the weights and the state that an event touches.
fn append(criterion: &mut Criterion) {
    for (name, matrices) in [("append_f32", F32), ("append_f16", F16), ("append_int8", I8)] {
        let file = ModelFile::random(&Shape { matrices, ..SHAPE });
        let weights = file.tensors.iter().filter(|(name, _)| !name.starts_with("catalog."));
        let weights = weights.filter(|(name, _)| !name.starts_with("selftest."));
        let bytes: usize = weights.map(|(_, tensor)| tensor.bytes.len()).sum();
        for_each_isa(criterion, name, &file, |group, id, mut session| {
            let items = Rng::new(1).items(1000, SHAPE.items);
            session.extend(&items).expect("the items exist");
            let bytes = bytes + session.state_bytes() - 4 * session.seen().len();
            group.throughput(Throughput::Bytes(bytes as u64));
            let mut items = items.iter().cycle();
            group.bench_function(id, |bencher| {
                bencher.iter(|| session.append(*items.next().expect("a cycle has no end")));
            });
        });
    }
}

/// The bytes are those of the table and its scales.
fn top_k(criterion: &mut Criterion) {
    for items in [SHAPE.items, LARGE] {
        for (name, table) in [("f32", F32), ("f16", F16), ("int8", I8)] {
            let file = ModelFile::random(&Shape { items, table, ..SHAPE });
            let tensors = ["catalog.table", "catalog.scale"];
            let tensors = tensors.iter().filter_map(|&name| file.tensors.get(name));
            let bytes: usize = tensors.map(|tensor| tensor.bytes.len()).sum();
            let name = format!("top_k_{name}_{items}");
            for_each_isa(criterion, &name, &file, |group, id, mut session| {
                session.extend(&Rng::new(1).items(100, items)).expect("the items exist");
                group.throughput(Throughput::Bytes(bytes as u64));
                let (filter, mut ranking) = (Filter::unseen(), TopK::new());
                group.bench_function(id, |bencher| {
                    bencher.iter(|| session.top_k_into(K, &filter, &mut ranking));
                });
            });
        }
    }
}

fn for_each_isa(
    criterion: &mut Criterion,
    name: &str,
    file: &ModelFile,
    run: impl Fn(&mut BenchmarkGroup<'_, WallTime>, BenchmarkId, Session),
) {
    let bytes = file.to_bytes();
    let mut group = criterion.benchmark_group(name);
    for isa in Isa::available() {
        let model = ModelOptions::new().isa(isa).from_bytes(bytes.clone()).expect("a valid file");
        run(&mut group, BenchmarkId::from_parameter(isa), Session::new(Arc::new(model)));
    }
}

criterion_group!(benches, kernels, append, top_k);
criterion_main!(benches);
