//! A value that Python's threads take turns on.

use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::convert::to_python;

/// The lock is taken and released without the GIL, so no thread waits for it with the GIL held.
pub(crate) struct Turns<T>(Mutex<T>);

impl<T: Send> Turns<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Calls `work` with the value. RuntimeError after a panic, which may have left it half changed.
    pub(crate) fn with<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> R + Send,
    ) -> PyResult<R> {
        let done = py.detach(|| self.0.lock().ok().map(|mut value| work(&mut value)));
        done.ok_or_else(|| {
            PyRuntimeError::new_err(
                "an earlier call on this object hit a bug in recgrela: create a new one",
            )
        })
    }

    /// `with` for `work` that may fail.
    pub(crate) fn try_with<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> recgrela::Result<R> + Send,
    ) -> PyResult<R> {
        self.with(py, work)?.map_err(to_python)
    }
}
