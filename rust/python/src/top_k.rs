//! The result of a recommendation.

use numpy::PyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyIterator, PyList, PyType};
use recgrela::{Catalog, Scored};

use crate::convert::ids_of;

/// The best items, best first. Iterating yields pairs of id and score.
#[pyclass(frozen, module = "recgrela")]
pub(crate) struct TopK {
    /// The items' ids.
    #[pyo3(get)]
    ids: Py<PyList>,
    values: Vec<f32>,
    /// Created on demand: an array takes longer than the rest of a small result.
    array: PyOnceLock<Py<PyArray1<f32>>>,
}

impl TopK {
    pub(crate) fn new(py: Python<'_>, catalog: &Catalog<'_>, items: &[Scored]) -> PyResult<Self> {
        let ids = ids_of(py, catalog, items.iter().map(|scored| scored.item))?;
        let values = items.iter().map(|scored| scored.score).collect();
        Ok(Self { ids: ids.unbind(), values, array: PyOnceLock::new() })
    }
}

#[pymethods]
impl TopK {
    /// Creates a result from ids and scores, such as pickled ones.
    #[new]
    fn from_lists(ids: Bound<'_, PyList>, scores: Vec<f32>) -> PyResult<Self> {
        if ids.len() != scores.len() {
            let (found, expected) = (scores.len(), ids.len());
            let message = format!("scores: found {found}, expected {expected}, one for each id");
            return Err(PyValueError::new_err(message));
        }
        Ok(Self { ids: ids.unbind(), values: scores, array: PyOnceLock::new() })
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> (Bound<'py, PyType>, (Bound<'py, PyList>, Vec<f32>)) {
        (py.get_type::<Self>(), (self.ids.bind(py).clone(), self.values.clone()))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.ids.bind(py).len()
    }

    /// The items' scores, float32 of shape [len(ids)].
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        let make = || PyArray1::from_slice(py, &self.values).unbind();
        self.array.get_or_init(py, make).bind(py).clone()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let zip = py.import("builtins")?.getattr("zip")?;
        zip.call1((&self.ids, self.values.as_slice()))?.try_iter()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let ids = self.ids.bind(py).repr()?;
        Ok(format!("TopK(ids={ids}, scores={:?})", self.values))
    }
}
