//! Constructors that only the class has, so that calling one on an instance is not a silent no-op.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// A static method that raises TypeError on an instance.
#[pyclass(frozen, module = "recgrela")]
pub(crate) struct Constructor {
    pub(crate) function: Py<PyAny>,
}

#[pymethods]
impl Constructor {
    fn __get__<'py>(
        &self,
        py: Python<'py>,
        instance: &Bound<'py, PyAny>,
        owner: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let function = self.function.bind(py);
        if instance.is_none() {
            return Ok(function.clone());
        }
        let (class, name) = (owner.getattr("__name__")?, function.getattr("__name__")?);
        Err(PyTypeError::new_err(format!(
            "{name} returns a new {class} and changes no existing one: call {class}.{name}(...)"
        )))
    }
}
