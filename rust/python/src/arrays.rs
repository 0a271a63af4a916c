//! Recommendations for many users, as arrays.

use std::collections::HashMap;

use numpy::{PyArray1, PyArrayMethods};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use recgrela::{Catalog, ItemId, Scored};

/// The best items of many users: row i belongs to user i, best first.
///
/// counts[i] items of row i are filled. The rest of the row has score -inf, and -1 (int ids) or
/// None (str ids) as id.
#[pyclass(frozen, module = "recgrela")]
pub(crate) struct TopKArrays {
    /// Item ids of shape [users, k]: int64, or object for str.
    #[pyo3(get)]
    ids: Py<PyAny>,
    /// Scores, float32 of shape [users, k].
    #[pyo3(get)]
    scores: Py<PyAny>,
    /// Items per user, int64 of shape [users].
    #[pyo3(get)]
    counts: Py<PyArray1<i64>>,
}

#[pymethods]
impl TopKArrays {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.counts.bind(py).len()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shape = self.ids.bind(py).getattr("shape")?;
        Ok(format!("TopKArrays(shape {shape})"))
    }
}

/// The rows so far.
pub(crate) struct Rows {
    k: usize,
    items: Vec<Option<u32>>,
    scores: Vec<f32>,
    counts: Vec<i64>,
}

impl Rows {
    pub(crate) fn new(k: usize) -> Self {
        Self { k, items: Vec::new(), scores: Vec::new(), counts: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: &[Scored]) {
        self.counts.push(row.len() as i64);
        let cells = self.counts.len() * self.k;
        self.items.extend(row.iter().map(|scored| Some(scored.item)));
        self.items.resize(cells, None);
        self.scores.extend(row.iter().map(|scored| scored.score));
        self.scores.resize(cells, f32::NEG_INFINITY);
    }

    pub(crate) fn finish(self, py: Python<'_>, catalog: &Catalog<'_>) -> PyResult<TopKArrays> {
        let shape = [self.counts.len(), self.k];
        let ids = match catalog.is_text() {
            true => {
                let ids = texts(py, catalog, &self.items)?;
                PyArray1::from_vec(py, ids).reshape(shape)?.into_any()
            }
            false => {
                let id = |item: &Option<u32>| match item.and_then(|item| catalog.id(item)) {
                    Some(ItemId::Int(id)) => id,
                    _ => -1,
                };
                let ids = self.items.iter().map(id).collect();
                PyArray1::<i64>::from_vec(py, ids).reshape(shape)?.into_any()
            }
        };
        let scores = PyArray1::from_vec(py, self.scores).reshape(shape)?.into_any();
        let counts = PyArray1::from_vec(py, self.counts).unbind();
        Ok(TopKArrays { ids: ids.unbind(), scores: scores.unbind(), counts })
    }
}

/// Ids of items, each a Python object once, however often it occurs.
fn texts(py: Python<'_>, catalog: &Catalog<'_>, items: &[Option<u32>]) -> PyResult<Vec<Py<PyAny>>> {
    let mut known: HashMap<u32, Py<PyAny>> = HashMap::new();
    let id = |&item: &Option<u32>| {
        let Some(item) = item else { return Ok(py.None()) };
        if let Some(id) = known.get(&item) {
            return Ok(id.clone_ref(py));
        }
        let id = match catalog.id(item) {
            Some(ItemId::Str(id)) => id.into_py_any(py)?,
            _ => py.None(),
        };
        known.insert(item, id.clone_ref(py));
        Ok(id)
    };
    items.iter().map(id).collect()
}
