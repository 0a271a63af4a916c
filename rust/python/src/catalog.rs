//! `Catalog`: adds, replaces and retires items while sessions run.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::{AllowTypeChange, PyArrayLike2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use recgrela::{ItemId, Model, Overlay};

use crate::convert::{ITEMS, Unknown, find, ids_of, in_file, item_id, set_of, to_python};
use crate::sequence::{each_of, ordered};

/// The items of a model, and changes to them: an overlay that all sessions on the model share.
///
/// A change takes effect with the next call on a session and leaves session states unchanged. Get
/// one from EdgeScorer.catalog.
#[pyclass(frozen, module = "recgrela")]
pub(crate) struct Catalog {
    model: Arc<Model>,
}

impl Catalog {
    pub(crate) fn new(model: Arc<Model>) -> Self {
        Self { model }
    }

    fn overlay(&self) -> Option<Arc<Overlay>> {
        self.model.overlay()
    }
}

#[pymethods]
impl Catalog {
    /// Add items with their vectors, float32 of shape [len(ids), D]. If an id exists already, its
    /// vector is replaced. Retired items are reinstated.
    ///
    /// Raises ValueError for ids of the wrong type, duplicate ids, and vectors that have another
    /// shape or are not finite; then nothing changes.
    fn add(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: PyArrayLike2<'_, f32, AllowTypeChange>,
    ) -> PyResult<()> {
        let ids: Vec<_> = each_of(ordered(ids, ITEMS)?, ITEMS)?.collect::<PyResult<_>>()?;
        let ids: Vec<ItemId<'_>> = ids.iter().map(item_id).collect::<PyResult<_>>()?;
        let (found, size) = (vectors.shape(), self.model.config().hidden_size);
        if found != [ids.len(), size] {
            return Err(PyValueError::new_err(format!(
                "vectors: found shape {found:?}, expected [{}, {size}]",
                ids.len()
            )));
        }
        let vectors: Vec<f32> = vectors.as_array().iter().copied().collect();
        let add = || self.model.update_overlay(|overlay| overlay.add(&ids, &vectors));
        py.detach(add).map_err(to_python)?;
        Ok(())
    }

    /// Retire items: they are no longer recommended. Histories may still contain them.
    fn retire(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let items = set_of(&self.model.catalog(), ids, Unknown::Error)?;
        py.detach(|| self.model.update_overlay(|overlay| overlay.retire(&items))).map_err(to_python)
    }

    /// Reinstate retired items.
    fn reinstate(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let items = set_of(&self.model.catalog(), ids, Unknown::Error)?;
        py.detach(|| self.model.update_overlay(|overlay| overlay.reinstate(&items)))
            .map_err(to_python)
    }

    /// Write the changes to a safetensors file; an existing file is replaced atomically.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let overlay = self.overlay();
        py.detach(|| match overlay {
            Some(overlay) => overlay.save(path),
            None => Overlay::new(&self.model).save(path),
        })
        .map_err(to_python)
    }

    /// Replace all changes by those of a file.
    ///
    /// Raises ValueError for a damaged file, for one of another model, and for one that lacks items
    /// added here, which sessions may have seen.
    fn load(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.model.set_overlay(Overlay::open(&self.model, &path)?))
            .map_err(|error| in_file(py, Some(&path), error))
    }

    /// The ids of added items, in the order they were added.
    #[getter]
    fn added<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let catalog = self.model.catalog();
        let first = self.model.num_items() as u32;
        ids_of(py, &catalog, first..catalog.len() as u32)
    }

    /// The ids of the model's own items whose vector was replaced.
    #[getter]
    fn replaced<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let overlay = self.overlay();
        let items = overlay.as_ref().map_or(&[][..], |overlay| overlay.replaced());
        ids_of(py, &self.model.catalog(), items.iter().copied())
    }

    /// The ids of retired items.
    #[getter]
    fn retired<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let overlay = self.overlay();
        let items = overlay.as_ref().map_or(&[][..], |overlay| overlay.retired());
        ids_of(py, &self.model.catalog(), items.iter().copied())
    }

    /// Number of items, including added and retired ones.
    fn __len__(&self) -> usize {
        self.model.catalog().len()
    }

    /// Whether an item exists, retired or not.
    fn __contains__(&self, item: &Bound<'_, PyAny>) -> bool {
        matches!(find(&self.model.catalog(), item), Ok(Some(_)))
    }

    fn __repr__(&self) -> String {
        let catalog = self.model.catalog();
        let (replaced, retired) = catalog
            .overlay()
            .map_or((0, 0), |overlay| (overlay.replaced().len(), overlay.retired().len()));
        let added = catalog.len() - self.model.num_items();
        format!(
            "Catalog({} items, {added} added, {replaced} replaced, {retired} retired)",
            catalog.len()
        )
    }
}
