//! The tensors of a file. Each is taken by name, dtype and shape, and none may remain.

use std::collections::BTreeMap;
use std::ops::Range;

use super::header::{Entries, Header};
use crate::error::Cause;
use crate::fingerprint::Fingerprinter;
use crate::kernels::element::Element;
use crate::{Error, Fingerprint, Kind, Result};

/// The element types of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dtype {
    U8,
    I8,
    F16,
    I32,
    F32,
    I64,
    F64,
}

impl Dtype {
    const ALL: [Self; 7] =
        [Self::U8, Self::I8, Self::F16, Self::I32, Self::F32, Self::I64, Self::F64];

    const fn name(self) -> &'static str {
        match self {
            Self::U8 => "U8",
            Self::I8 => "I8",
            Self::F16 => "F16",
            Self::I32 => "I32",
            Self::F32 => "F32",
            Self::I64 => "I64",
            Self::F64 => "F64",
        }
    }
}

/// The element type of a weight, as stored. Memory and file have the same bytes: the crate supports
/// little-endian targets only.
pub(crate) trait Stored: Element {
    const DTYPE: Dtype;
}

impl Stored for f32 {
    const DTYPE: Dtype = Dtype::F32;
}

impl Stored for u16 {
    const DTYPE: Dtype = Dtype::F16;
}

#[derive(Clone, Debug)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    range: Range<usize>,
    taken: bool,
}

/// A tensor of the requested dtype.
#[derive(Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) range: Range<usize>,
    bytes: &'a [u8],
}

/// A parsed file, whose tensors are taken one by one.
#[derive(Debug)]
pub(crate) struct TensorFile<'a> {
    file: &'a [u8],
    tensors: BTreeMap<String, Entry>,
}

impl<'a> TensorFile<'a> {
    /// Parses the header. Returns the metadata as well.
    pub(crate) fn parse(file: &'a [u8]) -> Result<(Self, Entries)> {
        let Header { metadata, data_start } = Header::parse(file)?;
        let entry = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
            let (start, end) = info.data_offsets;
            // Does not overflow: the header's end plus the last offset is the file's length.
            let range = data_start + start..data_start + end;
            let dtype = info.dtype.to_string();
            (name, Entry { dtype, shape: info.shape.clone(), range, taken: false })
        };
        // Not collected: `collect` sorts first, which costs 8 KB of code for some thirty names.
        let mut tensors = BTreeMap::new();
        for (name, entry) in metadata.tensors().into_iter().map(entry) {
            tensors.insert(name, entry);
        }
        Ok((Self { file, tensors }, Entries::of(&metadata)))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The dtype of a tensor. Must be one of `allowed`.
    pub(crate) fn dtype(
        &self,
        name: &str,
        allowed: &[Dtype],
        expected: &'static str,
    ) -> Result<Dtype> {
        let entry = self.tensors.get(name).ok_or_else(|| Cause::MissingTensor(name.to_owned()))?;
        let known = Dtype::ALL.into_iter().find(|dtype| dtype.name() == entry.dtype);
        known.filter(|dtype| allowed.contains(dtype)).ok_or_else(|| {
            let found = entry.dtype.clone();
            Cause::Dtype { name: name.to_owned(), found, expected }.into()
        })
    }

    /// Takes a tensor whose shape the caller checks.
    pub(crate) fn take_any_shape(&mut self, name: &str, dtype: Dtype) -> Result<Tensor<'a>> {
        self.dtype(name, &[dtype], dtype.name())?;
        let Some(entry) = self.tensors.get_mut(name) else {
            return Err(Cause::MissingTensor(name.to_owned()).into());
        };
        entry.taken = true;
        Ok(Tensor {
            name: name.to_owned(),
            shape: entry.shape.clone(),
            range: entry.range.clone(),
            bytes: &self.file[entry.range.clone()],
        })
    }

    pub(crate) fn take(&mut self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Tensor<'a>> {
        let tensor = self.take_any_shape(name, dtype)?;
        if tensor.shape == shape {
            Ok(tensor)
        } else {
            Err(tensor.wrong_shape(format!("{shape:?}")))
        }
    }

    pub(crate) fn take_finite<E: Stored>(&mut self, name: &str, shape: &[usize]) -> Result<Vec<E>> {
        self.take(name, E::DTYPE, shape)?.finite()
    }

    pub(crate) fn expect_all_taken(&self) -> Result<()> {
        match self.tensors.iter().find(|(_, entry)| !entry.taken) {
            None => Ok(()),
            Some((name, _)) => Err(Cause::UnexpectedTensor(name.clone()).into()),
        }
    }

    pub(crate) fn compute_fingerprint(&self, text: &str) -> Fingerprint {
        let mut fingerprinter = Fingerprinter::new(text);
        for (name, entry) in &self.tensors {
            let bytes = &self.file[entry.range.clone()];
            fingerprinter.tensor(name, &entry.dtype, &entry.shape, bytes);
        }
        fingerprinter.finish()
    }
}

impl<'a> Tensor<'a> {
    pub(crate) fn elements<const N: usize>(&self) -> &'a [[u8; N]] {
        self.bytes.as_chunks().0
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The elements. All must be finite.
    pub(crate) fn finite<E: Stored>(&self) -> Result<Vec<E>> {
        let elements: Vec<E> = bytemuck::allocation::pod_collect_to_vec(self.bytes);
        match elements.iter().position(|element| !element.to_f32().is_finite()) {
            None => Ok(elements),
            Some(index) => Err(self.invalid(index, elements[index].to_f32(), "a finite number")),
        }
    }

    /// The elements of an F32 tensor of scales: finite and not negative.
    pub(crate) fn scales(&self) -> Result<Vec<f32>> {
        let values = self.elements().iter().map(|&bytes| f32::from_le_bytes(bytes));
        let valid = |scale: &f32| (0.0..f32::INFINITY).contains(scale);
        self.checked(values, valid, "a finite number, not negative")
    }

    /// The elements of an I8 tensor, which must not contain -128.
    pub(crate) fn symmetric_integers(&self) -> Result<Vec<i8>> {
        let values = self.bytes.iter().map(|&byte| byte.cast_signed());
        self.checked(values, |&value| value != i8::MIN, "-127 to 127")
    }

    pub(crate) fn finite_f64(&self) -> Result<Vec<f64>> {
        let values = self.elements().iter().map(|&bytes| f64::from_le_bytes(bytes));
        self.checked(values, |value| value.is_finite(), "a finite number")
    }

    /// The elements of an I32 tensor. All must be valid item indices.
    pub(crate) fn item_indices(&self, num_items: usize) -> Result<Vec<u32>> {
        let values = self.elements().iter().map(|&bytes| i32::from_le_bytes(bytes));
        let valid = |&item: &i32| usize::try_from(item).is_ok_and(|item| item < num_items);
        let items = self.checked(values, valid, "an item index")?;
        Ok(items.into_iter().map(i32::cast_unsigned).collect())
    }

    /// The elements of an I32 tensor. All must be below `num_kinds`, which is at most 255.
    pub(crate) fn kinds(&self, num_kinds: usize) -> Result<Vec<Kind>> {
        let values = self.elements().iter().map(|&bytes| i32::from_le_bytes(bytes));
        let valid = |&kind: &i32| usize::try_from(kind).is_ok_and(|kind| kind < num_kinds);
        let kinds = self.checked(values, valid, "the index of a kind")?;
        Ok(kinds.into_iter().map(|kind| Kind::new(kind as u8)).collect())
    }

    fn checked<T: std::fmt::Display>(
        &self,
        values: impl Iterator<Item = T>,
        valid: impl Fn(&T) -> bool,
        expected: &'static str,
    ) -> Result<Vec<T>> {
        let check = |(index, value)| match valid(&value) {
            true => Ok(value),
            false => Err(self.invalid(index, value, expected)),
        };
        values.enumerate().map(check).collect()
    }

    pub(crate) fn invalid(
        &self,
        index: usize,
        found: impl std::fmt::Display,
        expected: &'static str,
    ) -> Error {
        Cause::Value { name: self.name.clone(), index, found: found.to_string(), expected }.into()
    }

    pub(crate) fn wrong_shape(&self, expected: String) -> Error {
        Cause::Shape { name: self.name.clone(), found: self.shape.clone(), expected }.into()
    }
}
