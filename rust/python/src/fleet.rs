//! `Fleet`: the users of a service or a batch job, in one object.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use numpy::PyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use recgrela::{self as engine, FleetFilter, Groups, Model, Scored};

use crate::arrays::{Rows, TopKArrays};
use crate::constructor::Constructor;
use crate::convert::{
    Count, Unknown, WithoutHistory, ids_of, in_file, known_sequence_of, sequence_of, to_python,
};
use crate::options::{Choice, Options};
use crate::scorer::EdgeScorer;
use crate::top_k::TopK;
use crate::turns::Turns;
use crate::users::{User, Users, user_or_none, users_of};

/// Users per turn of top_k_arrays: other threads wait for no more.
const TURN: usize = 512;

/// The histories of many users on one model. Calls take many users at once and read the weights and
/// the catalogue once for several users. Results are bit-identical to those of one scorer per user.
///
/// User ids are int or str; the first user decides which. A user is in the fleet from the first
/// event on, and the fleet grows as needed. Users and items may be lists, NumPy arrays, Arrow
/// arrays, or columns of polars and pandas. Threads take turns on a fleet.
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

/// Load a file written by save, with memory for at least capacity users.
///
/// Raises ValueError for a damaged file and for one of another model.
#[pyfunction]
#[pyo3(signature = (path, scorer, capacity=0))]
fn load(py: Python<'_>, path: PathBuf, scorer: &EdgeScorer, capacity: usize) -> PyResult<Fleet> {
    let model = Arc::clone(&scorer.model);
    let fleet = py.detach(|| {
        let mut fleet = engine::Fleet::open(&path, model)?;
        fleet.reserve(capacity.saturating_sub(fleet.len()))?;
        Ok(fleet)
    });
    Ok(Fleet::of(scorer, fleet.map_err(|error| in_file(py, Some(&path), error))?))
}

#[pymethods]
impl Fleet {
    /// A fleet without users, on the model of a scorer.
    ///
    /// capacity reserves memory for as many users; the fleet grows beyond it as needed. Raises
    /// ValueError if memory is short.
    #[new]
    #[pyo3(signature = (scorer, capacity=0))]
    fn new(py: Python<'_>, scorer: &EdgeScorer, capacity: usize) -> PyResult<Self> {
        let mut fleet = engine::Fleet::new(Arc::clone(&scorer.model));
        py.detach(|| fleet.reserve(capacity)).map_err(to_python)?;
        Ok(Self::of(scorer, fleet))
    }

    #[classattr]
    #[pyo3(name = "load")]
    fn load_constructor(py: Python<'_>) -> PyResult<Constructor> {
        let function = pyo3::wrap_pyfunction!(load, py)?.into_any().unbind();
        Ok(Constructor { function })
    }

    /// Write all users to one file; an existing file is replaced atomically.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.fleet.try_with(py, |fleet| fleet.save(path))
    }

    /// Append events: items[i] for users[i]; returns how many were appended. A user may occur more
    /// than once, oldest event first. Unknown users are added.
    ///
    /// Raises KeyError for an unknown item; with unknown="skip" its event is skipped. Raises
    /// TypeError for an id of the wrong type. After an error nothing has changed.
    #[pyo3(
        signature = (users, items, *, unknown=Unknown::Error),
        text_signature = "($self, users, items, *, unknown='error')"
    )]
    fn append(
        &self,
        py: Python<'_>,
        users: &Bound<'_, PyAny>,
        items: &Bound<'_, PyAny>,
        unknown: Unknown,
    ) -> PyResult<usize> {
        let users = Users::new(users)?;
        let mut users = users.ids();
        let items = known_sequence_of(&self.model.catalog(), items, unknown)?;
        if users.len() != items.len() {
            return Err(PyValueError::new_err(format!(
                "items to append: found {}, expected {}, one per user",
                items.len(),
                users.len()
            )));
        }
        if items.contains(&None) {
            let mut known = items.iter().map(Option::is_some);
            users.retain(|_| known.next().unwrap_or(false));
        }
        let items: Vec<_> = items.into_iter().flatten().collect();
        self.fleet.try_with(py, |fleet| fleet.append(&users, &items))?;
        Ok(items.len())
    }

    /// The k best items of each user, as a list of TopK. The options are those of EdgeScorer.top_k
    /// and apply to all users; each user's own seen items are excluded.
    ///
    /// A user without history raises ValueError, which names it; with without_history="skip" its
    /// result is empty.
    #[pyo3(
        signature = (users, k=Count(10), *, exclude_seen=true, allow=None, deny=None, max_per_group=None, groups=None, unknown=Unknown::Error, without_history=WithoutHistory(Unknown::Error)),
        text_signature = "($self, users, k=10, *, exclude_seen=True, allow=None, deny=None, max_per_group=None, groups=None, unknown='error', without_history='error')"
    )]
    #[allow(clippy::too_many_arguments)] // keyword arguments in Python
    fn top_k(
        &self,
        py: Python<'_>,
        users: &Bound<'_, PyAny>,
        k: Count,
        exclude_seen: bool,
        allow: Option<&Bound<'_, PyAny>>,
        deny: Option<&Bound<'_, PyAny>>,
        max_per_group: Option<Count>,
        groups: Option<&Bound<'_, PyAny>>,
        unknown: Unknown,
        without_history: WithoutHistory,
    ) -> PyResult<Vec<TopK>> {
        let choice = Choice { exclude_seen, allow, deny, max_per_group, groups, unknown };
        let catalog = self.model.catalog();
        let mut all = Vec::new();
        self.each_answer(py, users, k.0, &choice, without_history, |items| {
            all.push(items.to_vec());
        })?;
        all.iter().map(|items| TopK::new(py, &catalog, items)).collect()
    }

    /// The result of top_k as arrays, for many users: a TopKArrays with ids and scores of shape
    /// [users, k], and counts. k is at most the number of items.
    #[pyo3(
        signature = (users, k=Count(10), *, exclude_seen=true, allow=None, deny=None, max_per_group=None, groups=None, unknown=Unknown::Error, without_history=WithoutHistory(Unknown::Error)),
        text_signature = "($self, users, k=10, *, exclude_seen=True, allow=None, deny=None, max_per_group=None, groups=None, unknown='error', without_history='error')"
    )]
    #[allow(clippy::too_many_arguments)] // keyword arguments in Python
    fn top_k_arrays(
        &self,
        py: Python<'_>,
        users: &Bound<'_, PyAny>,
        k: Count,
        exclude_seen: bool,
        allow: Option<&Bound<'_, PyAny>>,
        deny: Option<&Bound<'_, PyAny>>,
        max_per_group: Option<Count>,
        groups: Option<&Bound<'_, PyAny>>,
        unknown: Unknown,
        without_history: WithoutHistory,
    ) -> PyResult<TopKArrays> {
        let choice = Choice { exclude_seen, allow, deny, max_per_group, groups, unknown };
        let catalog = self.model.catalog();
        let k = k.0.min(catalog.len());
        let mut rows = Rows::new(k);
        self.each_answer(py, users, k, &choice, without_history, |items| rows.push(items))?;
        rows.finish(py, &catalog)
    }

    /// Scores of some items for a user, float32 of shape [len(items)].
    fn score<'py>(
        &self,
        py: Python<'py>,
        user: User,
        items: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let items = sequence_of(&self.model.catalog(), items, Unknown::Error)?;
        let scores = self.fleet.try_with(py, |fleet| fleet.score(user.id(), &items))?;
        Ok(PyArray1::from_vec(py, scores))
    }

    /// Number of events of a user; 0 for an unknown user.
    fn events(&self, py: Python<'_>, user: User) -> PyResult<u64> {
        self.fleet.try_with(py, |fleet| fleet.events(user.id()))
    }

    /// The distinct items of a user, in catalogue order; none for an unknown user.
    fn seen<'py>(&self, py: Python<'py>, user: User) -> PyResult<Bound<'py, PyList>> {
        let seen = self.fleet.try_with(py, |fleet| fleet.seen(user.id()).map(<[u32]>::to_vec))?;
        ids_of(py, &self.model.catalog(), seen)
    }

    /// Remove a user and its history; returns whether the fleet had the user.
    fn remove(&self, py: Python<'_>, user: User) -> PyResult<bool> {
        self.fleet.try_with(py, |fleet| fleet.remove(user.id()))
    }

    /// A copy of a user's session, as a scorer; without events for an unknown user.
    fn session(&self, py: Python<'_>, user: User) -> PyResult<EdgeScorer> {
        let session = self.fleet.try_with(py, |fleet| fleet.session(user.id()))?;
        Ok(EdgeScorer::of(session, self.groups.clone(), self.path.clone()))
    }

    /// Replace a user's session by that of a scorer on the same model.
    fn set(&self, py: Python<'_>, user: User, scorer: &EdgeScorer) -> PyResult<()> {
        let session = scorer.with(py, |session| session.clone())?;
        self.fleet.try_with(py, |fleet| fleet.set(user.id(), &session))
    }

    /// The ids of all users, in order of arrival until one is removed.
    #[getter]
    fn users<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let ids: Vec<User> = self.fleet.with(py, |fleet| fleet.users().map(User::of).collect())?;
        users_of(py, ids.iter().map(User::id))
    }

    /// Bytes of the users' states and seen items.
    #[getter]
    fn state_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.fleet.with(py, |fleet| fleet.state_bytes())
    }

    fn __contains__(&self, py: Python<'_>, user: &Bound<'_, PyAny>) -> PyResult<bool> {
        match user_or_none(user)? {
            Some(user) => self.fleet.with(py, |fleet| fleet.contains(user.id())),
            None => Ok(false),
        }
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.fleet.with(py, |fleet| fleet.len())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (items, isa) = (self.model.num_items(), self.model.isa());
        Ok(format!("Fleet({} users, {items} items, {isa})", self.__len__(py)?))
    }
}

impl Fleet {
    /// Calls `each` with the best items of each user, in order.
    fn each_answer(
        &self,
        py: Python<'_>,
        users: &Bound<'_, PyAny>,
        k: usize,
        choice: &Choice<'_, '_>,
        without_history: WithoutHistory,
        mut each: impl FnMut(&[Scored]) + Send,
    ) -> PyResult<()> {
        let options = Options::new(&self.model, self.groups.as_ref(), choice)?;
        let filter = options.filter();
        let users = Users::new(users)?;
        let users = users.ids();
        let skip = without_history.0 == Unknown::Skip;
        let filter = FleetFilter::from(&filter).skip_without_history(skip);
        if !skip {
            self.fleet.try_with(py, |fleet| fleet.check_history(&users))?;
        }
        let mut rankings = Vec::new();
        // Without users, the engine still checks the filter.
        let turns = if users.is_empty() { vec![&users[..]] } else { users.chunks(TURN).collect() };
        for users in turns {
            self.fleet.try_with(py, |fleet| fleet.top_k_into(users, k, filter, &mut rankings))?;
            rankings.iter().for_each(|ranking| each(ranking.items()));
        }
        Ok(())
    }
}
