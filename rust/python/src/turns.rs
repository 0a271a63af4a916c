//! Values that Python's threads share.

use std::sync::{Mutex, RwLock};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::convert::to_python;

/// A value that threads take turns on. No thread waits for the lock with the GIL held.
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
        done.ok_or_else(half_changed)
    }

    /// `with` for a few microseconds of work: if no other thread has the value, the GIL is kept, since
    /// releasing it would take a good part of that time. `work` must not call Python, which might
    /// call back.
    pub(crate) fn briefly<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> recgrela::Result<R> + Send,
    ) -> PyResult<R> {
        match self.0.try_lock() {
            Ok(mut value) => work(&mut value).map_err(to_python),
            Err(_) => self.try_with(py, work),
        }
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

/// A value that threads read together, and take turns to change. As for [`Turns`], no thread waits
/// with the GIL held.
pub(crate) struct Shared<T>(RwLock<T>);

impl<T: Send + Sync> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(value))
    }

    /// The lock, for work without the GIL.
    pub(crate) fn lock(&self) -> &RwLock<T> {
        &self.0
    }

    pub(crate) fn read<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&T) -> R + Send,
    ) -> PyResult<R> {
        py.detach(|| self.0.read().ok().map(|value| work(&value))).ok_or_else(half_changed)
    }

    pub(crate) fn try_read<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&T) -> recgrela::Result<R> + Send,
    ) -> PyResult<R> {
        self.read(py, work)?.map_err(to_python)
    }

    pub(crate) fn try_change<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T) -> recgrela::Result<R> + Send,
    ) -> PyResult<R> {
        let done = py.detach(|| self.0.write().ok().map(|mut value| work(&mut value)));
        done.ok_or_else(half_changed)?.map_err(to_python)
    }
}

fn half_changed() -> PyErr {
    PyRuntimeError::new_err(
        "an earlier call on this object hit a bug in recgrela: create a new one",
    )
}
