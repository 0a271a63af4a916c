//! The 8-bit scan is a filter with a proven bound: its results equal sorting all scores, even for
//! tables designed to break it.

mod common;

use std::sync::Arc;

use common::{I8, ModelFile, Rng, Shape, brute_force, catalogue};
use recgrela::{Filter, Isa, ModelOptions, Session};

const SHAPE: Shape =
    Shape { hidden: 16, heads: 2, inner: 16, items: 300, table: I8, ..Shape::TINY };

/// A table with integers from `integer(item, feature)` and scales from `scale(item)`.
fn with_table(
    shape: &Shape,
    integer: impl Fn(usize, usize) -> i8,
    scale: impl Fn(usize) -> f32,
) -> ModelFile {
    let mut file = ModelFile::random(shape);
    let bytes = &mut file.tensor("catalog.table").bytes;
    let size = shape.hidden;
    for (index, byte) in bytes.iter_mut().enumerate() {
        let item = index / (32 * size) * 32 + index / 4 % 32;
        let feature = index / 128 % (size / 4) * 4 + index % 4;
        *byte = if item < shape.items { integer(item, feature).cast_unsigned() } else { 0 };
    }
    let scales = shape.items.div_ceil(32) * 32;
    let scale = |item| if item < shape.items { scale(item) } else { 0.0 };
    let scales: Vec<f32> = (0..scales).map(scale).collect();
    file.put_f32("catalog.scale", &[scales.len() / 32, 32], &scales);
    file
}

/// A hash of two numbers, as an 8-bit integer.
fn noise(a: usize, b: usize) -> i8 {
    (Rng::new((a * 1000 + b) as u64).next() >> 20) as i8
}

fn tables() -> Vec<(&'static str, ModelFile)> {
    let table = |integer: fn(usize, usize) -> i8, scale: fn(usize) -> f32| {
        with_table(&SHAPE, integer, scale)
    };
    let mut far = table(noise, |_| 0.01);
    // One feature of the hidden vector dwarfs the others, which the filter then rounds to zero.
    let weights: Vec<_> = (0..16).map(|i| if i == 5 { 1e4 } else { 1.0 }).collect();
    far.put_f32("final_norm.weight", &[16], &weights);
    let mut vanishing = table(noise, |_| 0.01);
    vanishing.put_f32("final_norm.weight", &[16], &[1e-42; 16]);
    vanishing.put_f32("final_norm.bias", &[16], &[0.0; 16]);
    let mut huge = table(noise, |_| 1e30);
    huge.put_f32("final_norm.weight", &[16], &[3e36; 16]);
    vec![
        ("noise", table(noise, |_| 0.01)),
        ("all equal", table(|_, feature| noise(1, feature), |_| 0.01)),
        ("apart by one integer of one feature", {
            table(|item, feature| if feature == item % 16 { 1 } else { 0 }, |_| 0.01)
        }),
        ("near the best and apart by one", {
            table(|item, feature| 100 + i8::from(feature == item % 16), |_| 0.01)
        }),
        ("extremes", table(|item, feature| noise(item, feature).signum() * 127, |_| 0.01)),
        (
            "the most negative number",
            table(|item, feature| noise(item, feature).min(-100), |_| 0.01),
        ),
        ("only that", table(|_, _| -128, |item| item as f32)),
        ("zero", table(|_, _| 0, |_| 1.0)),
        ("scales of zero", table(noise, |item| if item % 3 == 0 { 0.01 } else { 0.0 })),
        ("scales apart by a rounding", {
            table(
                |_, feature| noise(1, feature),
                |item| f32::from_bits(0x3c23_d70a + item as u32 % 7),
            )
        }),
        ("ascending scales", table(noise, |item| item as f32 / 1000.0)),
        ("subnormal scales", table(noise, |item| f32::from_bits(item as u32))),
        ("scores that overflow", table(noise, |item| if item % 2 == 0 { f32::MAX } else { 1.0 })),
        ("one large feature", far),
        ("a hidden vector that vanishes", vanishing),
        ("a hidden vector that overflows", huge),
    ]
}

/// Over all tables and instruction sets there are more than 10,000 users.
#[test]
fn top_k_is_that_of_the_stored_table() {
    for (name, file) in tables() {
        let bytes = file.to_bytes();
        for isa in Isa::available() {
            let model = Arc::new(ModelOptions::new().isa(isa).from_bytes(bytes.clone()).unwrap());
            let items = catalogue(&model);
            let rng = &mut Rng::new(5);
            for user in 0..800 {
                let mut session = Session::new(Arc::clone(&model));
                let events = 1 + rng.below(4);
                session.extend(&rng.items(events, SHAPE.items)).unwrap();
                let k = [1, 10, 40][user % 3];
                let filter = Filter::default();
                let found = session.top_k(k, &filter).unwrap();
                let expected = brute_force(&session, &items, k, &filter, None);
                assert_eq!(found, expected, "{name}, {isa}, user {user}");
            }
        }
    }
}

#[test]
fn wide_models_too() {
    let shape = Shape { hidden: 1024, heads: 16, items: 70, ..SHAPE };
    for integer in [noise as fn(usize, usize) -> i8, |_, _| -128, |item, _| 127 - item as i8] {
        let bytes = with_table(&shape, integer, |item| 0.01 + item as f32 / 1e6).to_bytes();
        for isa in Isa::available() {
            let model = Arc::new(ModelOptions::new().isa(isa).from_bytes(bytes.clone()).unwrap());
            for user in 0..20 {
                let session = common::session(&model, 1, user);
                let filter = Filter::default();
                let expected = brute_force(&session, &catalogue(&model), 5, &filter, None);
                assert_eq!(session.top_k(5, &filter).unwrap(), expected);
            }
        }
    }
}

/// The bounds of the filter overflow before the scores do.
#[test]
fn hidden_vectors_out_of_a_forged_snapshot() {
    let bytes = ModelFile::random(&SHAPE).to_bytes();
    for isa in Isa::available() {
        let model = Arc::new(ModelOptions::new().isa(isa).from_bytes(bytes.clone()).unwrap());
        let good = common::session(&model, 5, 1).snapshot();
        let state = u32::from_le_bytes(good[16..20].try_into().unwrap()) as usize;
        let hidden = common::SNAPSHOT_HEADER + 4 * state;
        for feature in 0..SHAPE.hidden {
            for number in [f32::MAX, -f32::MAX, 1e38, 1e37, 1e30] {
                let offset = hidden + 4 * feature;
                let blob = common::forged(&good, offset, &number.to_le_bytes());
                let mut session = Session::new(Arc::clone(&model));
                session.restore(&blob).unwrap();
                for k in [1, 5, 20] {
                    let filter = Filter::unseen();
                    let items = catalogue(&model);
                    let expected = brute_force(&session, &items, k, &filter, None);
                    assert_eq!(session.top_k(k, &filter).unwrap(), expected, "{number}, {isa}");
                }
            }
        }
    }
}
