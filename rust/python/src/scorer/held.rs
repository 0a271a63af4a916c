//! How a scorer is made, and how its session is reached.

use std::path::Path;
use std::sync::Arc;

use pyo3::prelude::*;
use recgrela::{self as engine, Event, Groups, Model, Session};

use super::{EdgeScorer, User};
use crate::convert::{groups_of, in_file};
use crate::top_k::TopK;
use crate::turns::Turns;

/// The numbers of a small model: about 13,000 items of size 64, or 4 blocks of size 128.
const BRIEF: usize = 1 << 20;

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

    /// Appends an event. Keeps the GIL for a small network.
    pub(super) fn append_one(&self, py: Python<'_>, event: Event) -> PyResult<()> {
        self.at_once(py, self.weights(), |user| user.session.append(event))
    }

    /// The items that `work` ranked. Keeps the GIL for a small network and catalogue.
    pub(super) fn rank(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut User) -> recgrela::Result<()> + Send,
    ) -> PyResult<TopK> {
        let work = |user: &mut User| {
            work(user)?;
            Ok(user.ranking.items().to_vec())
        };
        let table = self.model.catalog().len() * self.model.config().hidden_size;
        let items = self.at_once(py, table + self.weights(), work)?;
        // Taken after the call: another thread may have added items that are ranked.
        TopK::new(py, &self.model.catalog(), &items)
    }

    /// Calls `work`, which multiplies with so many numbers: with the GIL if it takes at most some
    /// tens of microseconds, and no other thread has the session.
    fn at_once<T: Send>(
        &self,
        py: Python<'_>,
        numbers: usize,
        work: impl FnOnce(&mut User) -> recgrela::Result<T> + Send,
    ) -> PyResult<T> {
        match numbers <= BRIEF {
            true => self.user.briefly(py, work),
            false => self.user.try_with(py, work),
        }
    }

    /// The numbers in the matrices of all blocks.
    fn weights(&self) -> usize {
        let config = self.model.config();
        let outputs = 5 * config.hidden_size + 2 * config.inner_size; // of a block
        config.num_layers * config.hidden_size * outputs
    }

    pub(super) fn try_with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Session) -> recgrela::Result<T> + Send,
    ) -> PyResult<T> {
        self.user.try_with(py, |user| work(&mut user.session))
    }
}
