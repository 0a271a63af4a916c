//! Model files: refused in words, or loaded and then a function of their bytes alone.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use half::f16;
use recgrela::{Filter, Isa, Model, Session};
use serde_json::Value;

use crate::checks::{NUMBERS, all_scores, assert_ranked, restorable, text};
use crate::common::{F16, F32, F64, I8, I32, I64, ModelFile, Tensor, U8};
use crate::edits;
use crate::models;

/// Bytes above which no file is made.
const LARGEST: usize = 1 << 16;

/// The longest header that is read, as `docs/format.md` has it.
const MAX_HEADER: u64 = 1 << 18;

/// A valid file and what is changed in it.
#[derive(Arbitrary, Debug)]
struct Recipe<'a> {
    base: u8,
    edits: Vec<Edit<'a>>,
    /// Puts the scores that the engine gives into the self-test, so that `verify` accepts.
    answers: bool,
    splices: Vec<Splice<'a>>,
}

/// A change before the file is written; the fingerprint is that of the changed file. Tensors, keys and
/// dtypes are chosen by any number.
#[derive(Arbitrary, Debug)]
enum Edit<'a> {
    Config {
        key: u8,
        value: u64,
    },
    ConfigText(&'a str),
    Format(&'a str),
    Fingerprint(&'a str),
    Padding(u8),
    Remove(u8),
    Rename {
        tensor: u8,
        name: &'a str,
    },
    Retype {
        tensor: u8,
        dtype: u8,
    },
    Reshape {
        tensor: u8,
        shape: Vec<u64>,
    },
    /// The shape, and as many bytes as it takes.
    Resize {
        tensor: u8,
        shape: Vec<u8>,
    },
    Swap(u8, u8),
    Bytes {
        tensor: u8,
        at: u16,
        bytes: &'a [u8],
    },
    Number {
        tensor: u8,
        at: u16,
        number: u8,
    },
    Fill {
        tensor: u8,
        number: u8,
    },
}

/// A change of the written file.
#[derive(Arbitrary, Debug)]
struct Splice<'a> {
    bytes: edits::Splice<'a>,
    /// Whether the header's length goes along with a change in it.
    adjust: bool,
}

/// A model file is refused, with the same words by scalar code and the best instruction set, or loads
/// and gives rankings that are those of its scores, and scores that are the same bits by both, and
/// wherever the file's tensors lie in memory.
///
/// `data` is a file as it is (its header's `{` is the ninth byte), or a recipe for one.
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
        let model = Model::from_bytes_with(bytes.to_vec(), Some(isa));
        model.map(|model| observe(&Arc::new(model))).map_err(|error| text(&error))
    };
    let best = Isa::available().next().expect("at least the scalar one");
    let expected = observed(bytes, best);
    let moved = if expected.is_ok() { moved(bytes) } else { None };
    assert_eq!(observed(moved.as_deref().unwrap_or(bytes), Isa::Scalar), expected);
}

/// What a model says about a few histories.
#[derive(Debug, PartialEq)]
struct Observed {
    verified: Result<u32, String>,
    scores: Vec<Vec<u32>>,
    snapshots: Vec<Option<Vec<u8>>>,
}

fn observe(model: &Arc<Model>) -> Observed {
    let count = model.num_items() as u32;
    let vocabulary = model.vocabulary();
    for item in 0..count {
        let id = vocabulary.id(item).expect("every item has an id");
        assert_eq!(vocabulary.index_of(id), Some(item));
    }
    let verified = model.verify().map(|report| report.largest_difference.to_bits());
    let mut session = Session::new(Arc::clone(model));
    let (mut scores, mut snapshots) = (vec![], vec![]);
    for item in [0, count / 2, count - 1, 0, 1 % count] {
        session.append(item).expect("an item of the model");
        scores.push(all_scores(&session));
        snapshots.push(restorable(&session));
        assert_ranked(&session, 3, &Filter::unseen());
    }
    let few = [count - 1, 0, count / 3];
    assert_ranked(&session, 40, &Filter::default());
    let listed = Filter { allow: Some(&few), deny: &few[2..], ..Filter::default() };
    assert_ranked(&session, 2, &listed);
    Observed { verified: verified.map_err(|error| text(&error)), scores, snapshots }
}

/// The same file with its data one byte further on, where it has room for that.
fn moved(bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = u64::from_le_bytes(*length);
    let (header, data) = rest.split_at(length as usize);
    (length < MAX_HEADER).then(|| [&(length + 1).to_le_bytes(), header, b" ", data].concat())
}

/// Puts the engine's scores into the file's self-test, if it loads.
fn answer(file: &mut ModelFile) {
    let Ok(model) = Model::from_bytes(file.to_bytes()) else { return };
    let indices = |name: &str| -> Vec<u32> {
        file.tensors[name].bytes.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b)).collect()
    };
    let (items, ends) = (indices("selftest.items"), indices("selftest.end"));
    let candidates = indices("selftest.candidates");
    let mut session = Session::new(Arc::new(model));
    let (mut start, mut scores) = (0, vec![]);
    for (&end, candidates) in ends.iter().zip(candidates.chunks(candidates.len() / ends.len())) {
        session.reset();
        session.extend(&items[start..end as usize]).expect("a self-test that was checked");
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
            Self::Remove(tensor) => {
                take(file, *tensor);
            }
            Self::Rename { tensor, name } => {
                if let Some((_, tensor)) = take(file, *tensor) {
                    file.tensors.insert((*name).to_owned(), tensor);
                }
            }
            Self::Swap(a, b) => {
                if let (Some((a, first)), Some((b, second))) = (take(file, *a), take(file, *b)) {
                    file.tensors.extend([(a, second), (b, first)]);
                }
            }
            Self::Retype { tensor, .. }
            | Self::Reshape { tensor, .. }
            | Self::Resize { tensor, .. }
            | Self::Bytes { tensor, .. }
            | Self::Number { tensor, .. }
            | Self::Fill { tensor, .. } => {
                if let Some((name, mut tensor)) = take(file, *tensor) {
                    self.change(&mut tensor);
                    file.tensors.insert(name, tensor);
                }
            }
        }
    }

    fn change(&self, tensor: &mut Tensor) {
        match self {
            Self::Retype { dtype, .. } => {
                let dtypes = [U8, I8, F16, I32, F32, I64, F64, "BF16", "BOOL", "F4"];
                dtypes[usize::from(*dtype) % dtypes.len()].clone_into(&mut tensor.dtype);
            }
            Self::Reshape { shape, .. } => {
                tensor.shape = shape.iter().map(|&n| n as usize).collect();
            }
            Self::Resize { shape, .. } => resize(tensor, shape),
            Self::Bytes { at, bytes, .. } => {
                let at = usize::from(*at) % tensor.bytes.len().max(1);
                for (to, from) in tensor.bytes[at..].iter_mut().zip(*bytes) {
                    *to = *from;
                }
            }
            Self::Number { at, number, .. } => {
                let number = encoded(*number, &tensor.dtype);
                let count = (tensor.bytes.len() / number.len()).max(1);
                let at = usize::from(*at) % count;
                let element = tensor.bytes.chunks_exact_mut(number.len()).nth(at);
                element.into_iter().for_each(|element| element.copy_from_slice(&number));
            }
            Self::Fill { number, .. } => {
                let number = encoded(*number, &tensor.dtype);
                let elements = tensor.bytes.chunks_exact_mut(number.len());
                elements.for_each(|element| element.copy_from_slice(&number));
            }
            _ => {}
        }
    }
}

impl Splice<'_> {
    fn apply(&self, file: &mut Vec<u8>) {
        let length = file.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
        let (at, removed, inserted) = self.bytes.apply(file);
        if self.adjust && at >= 8 && (at as u64) < length.saturating_add(8) {
            let length = length.saturating_add(inserted as u64).saturating_sub(removed as u64);
            file[..8].copy_from_slice(&length.to_le_bytes());
        }
    }
}

fn take(file: &mut ModelFile, tensor: u8) -> Option<(String, Tensor)> {
    let name = file.tensors.keys().nth(usize::from(tensor) % file.tensors.len().max(1))?.clone();
    file.tensors.remove_entry(&name)
}

fn set_config(config: &mut String, key: u8, value: u64) {
    let Ok(Value::Object(mut map)) = serde_json::from_str(config) else { return };
    let Some(entry) = map.values_mut().nth(usize::from(key) % 10) else {
        map.insert("new".to_owned(), value.into());
        *config = Value::Object(map).to_string();
        return;
    };
    *entry = match entry {
        Value::Bool(_) => (value & 1 == 1).into(),
        Value::String(_) => ["rotary", "learned", "none", "RoPE"][value as usize % 4].into(),
        _ => value.into(),
    };
    *config = Value::Object(map).to_string();
}

/// The old bytes, repeated or cut.
fn resize(tensor: &mut Tensor, shape: &[u8]) {
    let element = match tensor.dtype.as_str() {
        F64 | I64 => 8,
        F32 | I32 => 4,
        F16 => 2,
        _ => 1,
    };
    let sizes = shape.iter().map(|&n| usize::from(n));
    let Some(count) = sizes.clone().try_fold(element, usize::checked_mul) else { return };
    if count <= LARGEST && !tensor.bytes.is_empty() {
        tensor.bytes = tensor.bytes.iter().copied().cycle().take(count).collect();
        tensor.shape = sizes.collect();
    }
}

/// A number with an edge to it, as an element of a tensor.
fn encoded(number: u8, dtype: &str) -> Vec<u8> {
    let number = NUMBERS[usize::from(number) % NUMBERS.len()];
    match dtype {
        F64 => f64::from(number).to_le_bytes().to_vec(),
        F32 => number.to_le_bytes().to_vec(),
        F16 => f16::from_f32(number).to_le_bytes().to_vec(),
        I64 => (number as i64).to_le_bytes().to_vec(),
        I32 => (number as i32).to_le_bytes().to_vec(),
        _ => vec![number as i8 as u8],
    }
}
