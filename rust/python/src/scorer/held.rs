//! How a scorer is made, and how its session is reached.

use std::path::Path;
use std::sync::Arc;

use pyo3::prelude::*;
use recgrela::{self as engine, Groups, Model, Session};

use super::{EdgeScorer, User};
use crate::convert::{groups_of, in_file};
use crate::turns::Turns;

impl EdgeScorer {
    pub(crate) fn of(
        session: Session,
        groups: Option<Arc<Groups>>,
        path: Option<Arc<Path>>,
    ) -> Self {
        let (model, ranking) = (Arc::clone(session.model()), engine::TopK::new());
        Self { model, groups, path, user: Turns::new(User { session, ranking }) }
    }

    /// A scorer for a session on the same model.
    pub(super) fn another(&self, session: Session) -> Self {
        Self::of(session, self.groups.clone(), self.path.clone())
    }

    /// Releases the GIL while `load` reads the model.
    pub(super) fn open(
        py: Python<'_>,
        verify: bool,
        groups: Option<&Bound<'_, PyAny>>,
        path: Option<&Path>,
        load: impl FnOnce() -> recgrela::Result<Model> + Send,
    ) -> PyResult<Self> {
        let model = py.detach(|| {
            let model = Arc::new(load()?);
            if verify {
                model.verify()?;
            }
            Ok(model)
        });
        let model = model.map_err(|error| in_file(py, path, error))?;
        let groups = groups.map(|groups| groups_of(&model, groups).map(Arc::new)).transpose()?;
        let path = path.and_then(|path| std::path::absolute(path).ok()).map(Arc::from);
        Ok(Self::of(Session::new(model), groups, path))
    }

    pub(crate) fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Session) -> T + Send,
    ) -> PyResult<T> {
        self.user.with(py, |user| work(&mut user.session))
    }

    pub(super) fn try_with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Session) -> recgrela::Result<T> + Send,
    ) -> PyResult<T> {
        self.user.try_with(py, |user| work(&mut user.session))
    }
}
