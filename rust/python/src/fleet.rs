//! `Fleet`: thousands of users in one object.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyList;
use recgrela::{self as engine, Groups, Model, Scored};

use crate::convert::{Count, Unknown, ids_of, in_file, sequence_of, to_python};
use crate::options::{Choice, Options};
use crate::scorer::EdgeScorer;
use crate::top_k::TopK;
use crate::turns::Turns;

/// Thousands of users on one model, in one block of memory. Calls take many users at once and read
/// the weights and the catalogue once for several users. Results are bit-identical to those of one
/// scorer per user.
///
/// Users are numbered from 0 to capacity - 1. Threads take turns on a fleet.
#[pyclass(frozen, module = "recgrela")]
pub(crate) struct Fleet {
    model: Arc<Model>,
    groups: Option<Arc<Groups>>,
    path: Option<Arc<Path>>,
    fleet: Turns<engine::Fleet>,
}

impl Fleet {
    fn of(scorer: &EdgeScorer, fleet: engine::Fleet) -> Self {
        let EdgeScorer { model, groups, path, .. } = scorer;
        let (model, groups, path) = (Arc::clone(model), groups.clone(), path.clone());
        Self { model, groups, path, fleet: Turns::new(fleet) }
    }
}

#[pymethods]
impl Fleet {
    /// A fleet of users without history, on the model of a scorer.
    ///
    /// Memory for capacity users is allocated at once. Raises ValueError if that fails.
    #[new]
    fn new(py: Python<'_>, scorer: &EdgeScorer, capacity: u32) -> PyResult<Self> {
        let model = Arc::clone(&scorer.model);
        let fleet = py.detach(|| engine::Fleet::new(model, capacity)).map_err(to_python)?;
        Ok(Self::of(scorer, fleet))
    }

    /// Load a file written by save, with room for capacity users.
    ///
    /// Raises ValueError for a damaged file and for one of another model.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf, scorer: &EdgeScorer, capacity: u32) -> PyResult<Self> {
        let model = Arc::clone(&scorer.model);
        let fleet = py.detach(|| engine::Fleet::open(&path, model, capacity));
        Ok(Self::of(scorer, fleet.map_err(|error| in_file(py, Some(&path), error))?))
    }

    /// Write all users that have events to one file; an existing file is replaced atomically.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.fleet.try_with(py, |fleet| fleet.save(path))
    }

    /// Append events: items[i] for users[i]. A user may occur more than once, oldest event first.
    ///
    /// Raises KeyError for an unknown item and ValueError for a user beyond the capacity; then
    /// nothing is appended.
    fn append(&self, py: Python<'_>, users: Vec<u32>, items: &Bound<'_, PyAny>) -> PyResult<()> {
        let items = sequence_of(&self.model.catalog(), items, Unknown::Error)?;
        self.fleet.try_with(py, |fleet| fleet.append(&users, &items))
    }

    /// The k best items of each user, as a list of TopK. The options are those of EdgeScorer.top_k
    /// and apply to all users; each user's own seen items are excluded.
    #[pyo3(
        signature = (users, k=Count(10), *, exclude_seen=true, allow=None, deny=None, max_per_group=None, groups=None, unknown=Unknown::Error),
        text_signature = "($self, users, k=10, *, exclude_seen=True, allow=None, deny=None, max_per_group=None, groups=None, unknown='error')"
    )]
    #[allow(clippy::too_many_arguments)] // keyword arguments in Python
    fn top_k(
        &self,
        py: Python<'_>,
        users: Vec<u32>,
        k: Count,
        exclude_seen: bool,
        allow: Option<&Bound<'_, PyAny>>,
        deny: Option<&Bound<'_, PyAny>>,
        max_per_group: Option<Count>,
        groups: Option<&Bound<'_, PyAny>>,
        unknown: Unknown,
    ) -> PyResult<Vec<TopK>> {
        let choice = Choice { exclude_seen, allow, deny, max_per_group, groups, unknown };
        let options = Options::new(&self.model, self.groups.as_ref(), &choice)?;
        let filter = options.filter();
        let all: Vec<Vec<Scored>> =
            self.fleet.try_with(py, |fleet| fleet.top_k(&users, k.0, &filter))?;
        let catalog = self.model.catalog();
        all.iter().map(|items| TopK::new(py, &catalog, items)).collect()
    }

    /// Scores of some items for a user, float32 of shape [len(items)].
    fn score<'py>(
        &self,
        py: Python<'py>,
        user: u32,
        items: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let items = sequence_of(&self.model.catalog(), items, Unknown::Error)?;
        let scores = self.fleet.try_with(py, |fleet| fleet.score(user, &items))?;
        Ok(PyArray1::from_vec(py, scores))
    }

    /// Number of events of a user.
    fn events(&self, py: Python<'_>, user: u32) -> PyResult<u64> {
        self.fleet.try_with(py, |fleet| fleet.events(user))
    }

    /// The distinct items of a user, in catalogue order.
    fn seen<'py>(&self, py: Python<'py>, user: u32) -> PyResult<Bound<'py, PyList>> {
        let seen = self.fleet.try_with(py, |fleet| fleet.seen(user).map(<[u32]>::to_vec))?;
        ids_of(py, &self.model.catalog(), seen)
    }

    /// Forget a user's events.
    fn reset(&self, py: Python<'_>, user: u32) -> PyResult<()> {
        self.fleet.try_with(py, |fleet| fleet.reset(user))
    }

    /// A copy of a user's session, as a scorer.
    fn session(&self, py: Python<'_>, user: u32) -> PyResult<EdgeScorer> {
        let session = self.fleet.try_with(py, |fleet| fleet.session(user))?;
        Ok(EdgeScorer::of(session, self.groups.clone(), self.path.clone()))
    }

    /// Replace a user's session by that of a scorer on the same model.
    fn set(&self, py: Python<'_>, user: u32, scorer: &EdgeScorer) -> PyResult<()> {
        let session = scorer.with(py, |session| session.clone())?;
        self.fleet.try_with(py, |fleet| fleet.set(user, &session))
    }

    /// Maximum number of users.
    #[getter]
    fn capacity(&self, py: Python<'_>) -> PyResult<u32> {
        self.fleet.with(py, |fleet| fleet.capacity())
    }

    /// Bytes allocated for the sessions.
    #[getter]
    fn state_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.fleet.with(py, |fleet| fleet.state_bytes())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.capacity(py)? as usize)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (items, isa) = (self.model.num_items(), self.model.isa());
        Ok(format!("Fleet({items} items, capacity {}, {isa})", self.capacity(py)?))
    }
}
