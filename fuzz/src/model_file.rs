//! Model files: refused with a message, or loaded as a function of their bytes alone.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use recgrela::{Event, Filter, Isa, Kind, Model, ModelOptions, Session};
use serde_json::Value;

use crate::checks::{all_scores, assert_ranked, restorable, text};
use crate::common::ModelFile;
use crate::edits::FileSplice;
use crate::models;
use crate::tensors::TensorEdit;

/// Maximum size of a file in bytes.
const LARGEST: usize = 1 << 16;

/// The maximum length of a header (`docs/format.md`).
const MAX_HEADER: u64 = 1 << 18;

/// A valid file and the changes to it.
#[derive(Arbitrary, Debug)]
struct Recipe<'a> {
    base: u8,
    edits: Vec<Edit<'a>>,
    /// Whether the engine's scores are written into the self-test, so that `verify` passes.
    answers: bool,
    splices: Vec<FileSplice<'a>>,
}

/// A change before the file is written; the fingerprint is that of the changed file. Keys are
/// chosen by any number modulo their count.
#[derive(Arbitrary, Debug)]
enum Edit<'a> {
    Config { key: u8, value: u64 },
    ConfigText(&'a str),
    Format(&'a str),
    Fingerprint(&'a str),
    Padding(u8),
    Tensors(TensorEdit<'a>),
}

/// A model file is refused, with the same message on scalar code and the best instruction set.
/// Otherwise rankings match the scores, and scores are bit-identical on both and at every alignment
/// of the file's tensors.
///
/// `data` is a plain file, recognised by its header's `{` in the ninth byte, or a recipe for one.
pub fn model_file(data: &[u8]) {
    if data.get(8) == Some(&b'{') {
        return check(data);
    }
    let Ok(recipe) = Recipe::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let mut file = models::file(recipe.base).clone();
    for edit in &recipe.edits {
        edit.apply(&mut file);
    }
    if recipe.answers {
        answer(&mut file);
    }
    let mut bytes = file.to_bytes();
    for splice in &recipe.splices {
        splice.apply(&mut bytes);
    }
    if bytes.len() <= LARGEST {
        check(&bytes);
    }
}

fn check(bytes: &[u8]) {
    let observed = |bytes: &[u8], isa| {
        let model = ModelOptions::new().isa(isa).from_bytes(bytes.to_vec());
        model.map(|model| observe(&Arc::new(model))).map_err(|error| text(&error))
    };
    let best = Isa::available().next().expect("at least the scalar one");
    let expected = observed(bytes, best);
    let moved = if expected.is_ok() { moved(bytes) } else { None };
    assert_eq!(observed(moved.as_deref().unwrap_or(bytes), Isa::Scalar), expected);
}

/// A model's results for a few histories.
#[derive(Debug, PartialEq)]
struct Observed {
    verified: Result<u32, String>,
    scores: Vec<Vec<u32>>,
    snapshots: Vec<Option<Vec<u8>>>,
}

fn observe(model: &Arc<Model>) -> Observed {
    let count = model.num_items() as u32;
    let catalog = model.catalog();
    for item in 0..count {
        let id = catalog.id(item).expect("every item has an id");
        assert_eq!(catalog.index_of(id), Some(item));
    }
    let verified = model.verify().map(|report| report.largest_difference.to_bits());
    let mut session = Session::new(Arc::clone(model));
    let (mut scores, mut snapshots) = (vec![all_scores(&session)], vec![]);
    if model.config().start {
        assert_ranked(&session, 3, &Filter::unseen());
    }
    for item in [0, count / 2, count - 1, 0, 1 % count] {
        session.append(models::event(model, item)).expect("an item of the model");
        scores.push(all_scores(&session));
        snapshots.push(restorable(&session));
        assert_ranked(&session, 3, &Filter::unseen());
    }
    let few = [count - 1, 0, count / 3];
    assert_ranked(&session, 40, &Filter::default());
    let listed = Filter::default().allow(&few).deny(&few[2..]);
    assert_ranked(&session, 2, &listed);
    Observed { verified: verified.map_err(|error| text(&error)), scores, snapshots }
}

/// The same file with its data shifted by one byte, if it has room for that.
fn moved(bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = u64::from_le_bytes(*length);
    let (header, data) = rest.split_at(length as usize);
    (length < MAX_HEADER).then(|| [&(length + 1).to_le_bytes(), header, b" ", data].concat())
}

/// Writes the engine's scores into the file's self-test, if it loads.
fn answer(file: &mut ModelFile) {
    let Ok(model) = Model::from_bytes(file.to_bytes()) else { return };
    let indices = |name: &str| -> Vec<u32> {
        file.tensors[name].bytes.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b)).collect()
    };
    let (items, ends) = (indices("selftest.items"), indices("selftest.end"));
    let candidates = indices("selftest.candidates");
    let kinds = match model.config().kinds.is_empty() {
        true => vec![],
        false => indices("selftest.kinds"),
    };
    let times: Vec<i64> = match model.config().gaps {
        false => vec![],
        true => {
            let bytes = file.tensors["selftest.times"].bytes.as_chunks().0;
            bytes.iter().map(|&time| i64::from_le_bytes(time)).collect()
        }
    };
    let event = |index: usize| {
        let kind = kinds.get(index).map(|&kind| Kind::new(kind as u8));
        Event::from((items[index], kind, times.get(index).copied()))
    };
    let mut session = Session::new(Arc::new(model));
    let (mut start, mut scores) = (0, vec![]);
    for (&end, candidates) in ends.iter().zip(candidates.chunks(candidates.len() / ends.len())) {
        session.reset();
        let events: Vec<_> = (start..end as usize).map(event).collect();
        session.extend(&events).expect("a self-test that was checked");
        scores.extend(session.score(candidates).expect("a self-test that was checked"));
        start = end as usize;
    }
    let shape = file.tensors["selftest.candidates"].shape.clone();
    file.put_f32("selftest.scores", &shape, &scores);
}

impl Edit<'_> {
    fn apply(&self, file: &mut ModelFile) {
        match self {
            Self::Config { key, value } => set_config(&mut file.config, *key, *value),
            Self::ConfigText(text) => (*text).clone_into(&mut file.config),
            Self::Format(text) => (*text).clone_into(&mut file.format),
            Self::Fingerprint(text) => file.fingerprint = Some((*text).to_owned()),
            Self::Padding(spaces) => file.padding = usize::from(*spaces),
            Self::Tensors(edit) => edit.apply(&mut file.tensors),
        }
    }
}

fn set_config(config: &mut String, key: u8, value: u64) {
    let Ok(Value::Object(mut map)) = serde_json::from_str(config) else { return };
    let Some(entry) = map.values_mut().nth(usize::from(key) % 12) else {
        map.insert("new".to_owned(), value.into());
        *config = Value::Object(map).to_string();
        return;
    };
    *entry = match entry {
        Value::Bool(_) => (value & 1 == 1).into(),
        Value::String(_) => ["rotary", "learned", "none", "RoPE"][value as usize % 4].into(),
        Value::Array(_) => ["view", "buy", "\u{1b}"][..value as usize % 4].into(),
        _ => value.into(),
    };
    *config = Value::Object(map).to_string();
}
