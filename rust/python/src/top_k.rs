//! The result of a recommendation.

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};
use recgrela::{Scored, Vocabulary};

use crate::convert::ids_of;

/// The best items, best first. Iterating gives pairs of id and score.
#[pyclass(frozen, module = "recgrela")]
pub(crate) struct TopK {
    /// The items' ids, as in the user's data.
    #[pyo3(get)]
    ids: Py<PyList>,
    /// Their scores, float32.
    #[pyo3(get)]
    scores: Py<PyArray1<f32>>,
}

impl TopK {
    pub(crate) fn new(
        py: Python<'_>,
        vocabulary: Vocabulary<'_>,
        items: &[Scored],
    ) -> PyResult<Self> {
        let ids = ids_of(py, vocabulary, items.iter().map(|scored| scored.item))?;
        let scores = PyArray1::from_iter(py, items.iter().map(|scored| scored.score));
        Ok(Self { ids: ids.unbind(), scores: scores.unbind() })
    }
}

#[pymethods]
impl TopK {
    fn __len__(&self, py: Python<'_>) -> usize {
        self.ids.bind(py).len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let scores = self.scores.bind(py).call_method0("tolist")?;
        py.import("builtins")?.call_method1("zip", (&self.ids, scores))?.try_iter()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let ids = self.ids.bind(py).repr()?;
        let scores = self.scores.bind(py).call_method0("tolist")?.repr()?;
        Ok(format!("TopK(ids={ids}, scores={scores})"))
    }
}
