//! The models that the targets start from.

use std::sync::{Arc, LazyLock};

use recgrela::{Event, Isa, Kind, Model, ModelOptions};

use crate::common::{F16, I8, ModelFile, Shape};

/// Small models, so that an input takes microseconds. They cover both values of each switch, every
/// dtype, head sizes of 1, 4, 8, 12 and 40, catalogues that end inside and at the end of a block, and
/// format 2 with and without a start vector, kinds of events and times.
pub(crate) const SHAPES: [Shape; 13] = [
    Shape::TINY,
    Shape { gate: false, positions: "none", items: 1, text: true, ..Shape::TINY },
    Shape { hidden: 16, heads: 16, items: 70, table: I8, matrices: F16, ..Shape::TINY },
    Shape {
        hidden: 24,
        heads: 3,
        layers: 2,
        items: 64,
        conv: false,
        positions: "learned",
        table: F16,
        ..Shape::TINY
    },
    Shape { hidden: 24, heads: 2, inner: 40, table: I8, final_norm: false, ..Shape::TINY },
    Shape { hidden: 40, heads: 1, items: 31, text: true, matrices: F16, ..Shape::TINY },
    Shape { layers: 3, items: 100, gate: false, table: F16, matrices: F16, ..Shape::TINY },
    Shape { conv: false, positions: "none", final_norm: false, items: 3, ..Shape::TINY },
    Shape { start: true, matrices: I8, ..Shape::TINY },
    Shape { kinds: 3, items: 40, positions: "learned", table: F16, ..Shape::TINY },
    Shape { start: true, kinds: 2, gaps: true, hidden: 24, table: I8, text: true, ..Shape::TINY },
    Shape {
        kinds: 4,
        hidden: 40,
        heads: 1,
        items: 31,
        positions: "none",
        matrices: I8,
        ..Shape::TINY
    },
    Shape { gaps: true, start: true, items: 40, ..Shape::TINY },
];

static FILES: LazyLock<Vec<ModelFile>> =
    LazyLock::new(|| SHAPES.iter().map(ModelFile::random).collect());

static BYTES: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| FILES.iter().map(ModelFile::to_bytes).collect());

static MODELS: LazyLock<Vec<Vec<Arc<Model>>>> =
    LazyLock::new(|| (0..SHAPES.len() as u8).map(fresh).collect());

/// A file, chosen by any number modulo their count.
pub(crate) fn file(choice: u8) -> &'static ModelFile {
    &FILES[usize::from(choice) % FILES.len()]
}

/// The same file as [`file`], loaded for each instruction set of this CPU, without an overlay.
pub(crate) fn models(choice: u8) -> &'static [Arc<Model>] {
    &MODELS[usize::from(choice) % MODELS.len()]
}

/// The same as [`models`], freshly loaded, so that overlays can be activated.
pub(crate) fn fresh(choice: u8) -> Vec<Arc<Model>> {
    Isa::available().map(|isa| loaded(choice, isa)).collect()
}

/// The same, for one instruction set.
pub(crate) fn loaded(choice: u8, isa: Isa) -> Arc<Model> {
    let bytes = BYTES[usize::from(choice) % BYTES.len()].clone();
    Arc::new(ModelOptions::new().isa(isa).from_bytes(bytes).expect("a valid file"))
}

/// An event of an item. If the model has kinds or uses times, an item always has the same, so that
/// those that are not of their items are found.
pub(crate) fn event(model: &Model, item: u32) -> Event {
    let config = model.config();
    let mut event = match config.kinds.len() as u32 {
        0 => Event::from(item),
        kinds => (item, Kind::new((item % kinds) as u8)).into(),
    };
    event.time = config.gaps.then(|| i64::from(item).wrapping_pow(3));
    event
}

/// [`event`] for each item.
pub(crate) fn events(model: &Model, items: &[u32]) -> Vec<Event> {
    items.iter().map(|&item| event(model, item)).collect()
}

/// The model after `choice`, of other sizes than that one, with the fingerprint that `like` states.
pub(crate) fn stranger(choice: u8, like: &Model) -> Model {
    let mut file = file(choice % SHAPES.len() as u8 + 1).clone();
    file.fingerprint = Some(like.fingerprint().to_string());
    Model::from_bytes(file.to_bytes()).expect("a valid file")
}
