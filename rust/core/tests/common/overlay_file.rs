//! Writes overlay files as specified in `docs/format.md`.

use std::collections::BTreeMap;

use recgrela::Overlay;

use super::{F32, I32, I64, Tensor, fingerprint};

/// An overlay's file before it is written; tests change parts of it.
#[derive(Clone)]
pub struct OverlayFile {
    pub metadata: BTreeMap<String, String>,
    pub tensors: BTreeMap<String, Tensor>,
}

impl OverlayFile {
    pub fn of(overlay: &Overlay) -> Self {
        let bytes = overlay.to_bytes();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let parsed = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensor = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
            let (dtype, shape) = (view.dtype().to_string(), view.shape().to_vec());
            (name.to_owned(), Tensor { dtype, shape, bytes: view.data().to_vec() })
        };
        let metadata = header.metadata().clone().unwrap().into_iter().collect();
        Self { metadata, tensors: parsed.iter().map(tensor).collect() }
    }

    /// The file with the correct fingerprint of its tensors.
    pub fn sealed(mut self) -> Vec<u8> {
        let fingerprint = fingerprint(&self.metadata["recgrela.model"], &self.tensors);
        self.metadata.insert("recgrela.fingerprint".to_owned(), fingerprint);
        self.to_bytes()
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        super::safetensors(serde_json::json!(self.metadata), &self.tensors, 0)
    }

    pub fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.get_mut(name).unwrap()
    }

    pub fn put<const W: usize>(
        &mut self,
        name: &str,
        dtype: &str,
        shape: &[usize],
        values: &[[u8; W]],
    ) {
        let bytes = values.as_flattened().to_vec();
        let tensor = Tensor { dtype: dtype.to_owned(), shape: shape.to_vec(), bytes };
        self.tensors.insert(name.to_owned(), tensor);
    }

    pub fn put_i32(&mut self, name: &str, values: &[i32]) {
        let values: Vec<_> = values.iter().map(|value| value.to_le_bytes()).collect();
        self.put(name, I32, &[values.len()], &values);
    }

    pub fn put_i64(&mut self, name: &str, values: &[i64]) {
        let values: Vec<_> = values.iter().map(|value| value.to_le_bytes()).collect();
        self.put(name, I64, &[values.len()], &values);
    }
}
