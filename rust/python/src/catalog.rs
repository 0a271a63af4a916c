//! `Catalog`: items added, replaced and retired while sessions run.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::{AllowTypeChange, PyArrayLike2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use recgrela::{ItemId, Model, Overlay};

use crate::convert::{
    Unknown, each_of, find, ids_of, in_file, item_id, ordered, set_of, to_python,
};

/// The items of a model, and changes to them: an overlay that all sessions on the model share.
///
/// A session uses it from its next call on; its state is not touched. EdgeScorer.catalog gives one.
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
    /// Add items with their vectors, float32 of shape [len(ids), D]; for an id that is there
    /// already, replace its vector. What was retired comes back.
    ///
    /// Raises ValueError for ids of the wrong kind or given twice and for vectors of another shape
    /// or not finite; nothing is changed then.
    fn add(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: PyArrayLike2<'_, f32, AllowTypeChange>,
    ) -> PyResult<()> {
        let ids: Vec<_> = each_of(ordered(ids)?)?.collect::<PyResult<_>>()?;
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

    /// Retire items: they are not recommended any more. Histories may still hold them.
    fn retire(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let items = set_of(&self.model.catalog(), ids, Unknown::Error)?;
        py.detach(|| self.model.update_overlay(|overlay| overlay.retire(&items))).map_err(to_python)
    }

    /// Take back that items were retired.
    fn reinstate(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let items = set_of(&self.model.catalog(), ids, Unknown::Error)?;
        py.detach(|| self.model.update_overlay(|overlay| overlay.reinstate(&items)))
            .map_err(to_python)
    }

    /// Write the changes to a safetensors file of their own; an earlier file is replaced whole.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let overlay = self.overlay();
        py.detach(|| match overlay {
            Some(overlay) => overlay.save(path),
            None => Overlay::new(&self.model).save(path),
        })
        .map_err(to_python)
    }

    /// Take over the changes of a file, in place of those there are.
    ///
    /// Raises ValueError for a damaged file, for one of another model, and for one that lacks items
    /// that were added here: sessions may hold them.
    fn load(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.model.set_overlay(Overlay::open(&self.model, &path)?))
            .map_err(|error| in_file(py, Some(&path), error))
    }

    /// The ids of added items, in the order of adding.
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

    /// Number of items, added ones included; retired ones count.
    fn __len__(&self) -> usize {
        self.model.catalog().len()
    }

    /// Whether an item is there, retired or not.
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
