//! Overlay files. `docs/format.md` describes the layout.

use std::io::Write;
use std::path::Path;

use super::{MAX_ITEMS, Overlay};
use crate::error::Cause;
use crate::loading::{Dtype, Tensor, TensorFile};
use crate::model::vocabulary::{IdsLayout, Vocabulary};
use crate::saving::{self, NamedTensor, Readers};
use crate::{Model, Result};

const FORMAT_KEY: &str = "recgrela.overlay";
const MODEL_KEY: &str = "recgrela.model";
const FINGERPRINT_KEY: &str = "recgrela.fingerprint";

impl Overlay {
    /// Reads a file written by [`Overlay::save`]. The file is untrusted input and checked like a
    /// model file, including its fingerprint. An overlay of another model is an error.
    pub fn open(model: &Model, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(Cause::reading(path))?;
        Self::from_bytes(model, &bytes)
    }

    /// [`Overlay::open`] from bytes.
    pub fn from_bytes(model: &Model, bytes: &[u8]) -> Result<Self> {
        let (mut tensors, entries) = TensorFile::parse(bytes)?;
        entries.one_of(FORMAT_KEY, &["1"], "\"1\"")?;
        model.check_fingerprint("overlay", entries.fingerprint(MODEL_KEY)?)?;
        let found = tensors.compute_fingerprint(&model.fingerprint().to_string());
        let expected = entries.fingerprint(FINGERPRINT_KEY)?;
        if found != expected {
            return Err(Cause::FingerprintMismatch { found, expected }.into());
        }
        let mut overlay = Self::new(model);
        overlay.take(&mut tensors, bytes)?;
        tensors.expect_all_taken()?;
        Ok(overlay)
    }

    fn take(&mut self, tensors: &mut TensorFile<'_>, file: &[u8]) -> Result<()> {
        let (num_items, size) = (self.base().len(), self.rows.size());
        let replaced = take_items(tensors, "overlay.replaced", num_items)?;
        let vectors = tensors.take_any_shape("overlay.vectors", Dtype::F32)?;
        let rows = replaced.len()..replaced.len() + MAX_ITEMS - num_items;
        let added = match vectors.shape[..] {
            [count, width] if rows.contains(&count) && width == size => count - replaced.len(),
            _ => {
                let expected = format!("[R + A, {size}], where R is {}", replaced.len());
                return Err(vectors.wrong_shape(expected));
            }
        };
        self.take_ids(tensors, file, added)?;
        let numbers = vectors.finite::<f32>()?;
        let added = num_items as u32..(num_items + added) as u32;
        let items: Vec<_> = replaced.into_iter().chain(added).collect();
        self.rows = self.rows.with(&items, &numbers);
        self.retired = take_items(tensors, "overlay.retired", self.len())?;
        self.update_masks();
        Ok(())
    }

    /// Takes the ids of added items. They must be distinct and unknown to the model.
    fn take_ids(&mut self, tensors: &mut TensorFile<'_>, file: &[u8], count: usize) -> Result<()> {
        let layout = IdsLayout::take(tensors, "overlay", self.base().is_text(), count)?;
        let vocabulary = Vocabulary::new(layout.view(file), &[]);
        let ids: Vec<_> = (0..count as u32).filter_map(|item| vocabulary.id(item)).collect();
        self.check_ids(&ids)?;
        if let Some(id) = ids.iter().find(|&&id| self.base().index_of(id).is_some()) {
            return super::refuse(format!("added id `{id}`"), "one that the model does not have");
        }
        self.added.extend(&ids);
        Ok(())
    }

    /// Serialises the overlay. Equal overlays have equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (rows, size) = (self.rows.len(), self.rows.size());
        let bytes_of = |items: &[u32]| items.iter().flat_map(|item| item.to_le_bytes()).collect();
        let tensor = |name, dtype, shape: &[usize], bytes| NamedTensor {
            name,
            dtype,
            shape: shape.to_vec(),
            bytes,
        };
        let (replaced, retired) = (self.replaced(), self.retired());
        let numbers = (0..rows).flat_map(|row| self.rows.vector(row)).flat_map(f32::to_le_bytes);
        let mut tensors = vec![
            tensor("overlay.vectors", "F32", &[rows, size], numbers.collect()),
            tensor("overlay.replaced", "I32", &[replaced.len()], bytes_of(replaced)),
            tensor("overlay.retired", "I32", &[retired.len()], bytes_of(retired)),
        ];
        for (name, dtype, len, bytes) in self.added.tensors() {
            tensors.push(tensor(name, dtype, &[len], bytes));
        }
        let model = self.model.to_string();
        let fingerprint = saving::fingerprint(&model, &tensors).to_string();
        let metadata = [(FORMAT_KEY, "1"), (MODEL_KEY, &model), (FINGERPRINT_KEY, &fingerprint)];
        saving::safetensors(&metadata, &tensors)
    }

    /// Writes the overlay to a new file and renames it into place: readers find the old file or the
    /// new one, never a part.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        saving::replace(path, Readers::Anyone, |mut file| {
            file.write_all(&self.to_bytes()).map_err(Cause::writing(path))
        })
    }
}

fn take_items(tensors: &mut TensorFile<'_>, name: &str, num_items: usize) -> Result<Vec<u32>> {
    let tensor = tensors.take_any_shape(name, Dtype::I32)?;
    if tensor.shape.len() != 1 {
        return Err(tensor.wrong_shape("[n]".to_owned()));
    }
    let items = tensor.item_indices(num_items)?;
    check_ascending(&tensor, &items)?;
    Ok(items)
}

fn check_ascending(tensor: &Tensor<'_>, items: &[u32]) -> Result<()> {
    match items.windows(2).position(|pair| pair[0] >= pair[1]) {
        None => Ok(()),
        Some(before) => {
            let index = before + 1;
            Err(tensor.invalid(index, items[index], "more than the previous item"))
        }
    }
}
