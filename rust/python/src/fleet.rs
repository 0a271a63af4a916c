//! `Fleet`: the users of a service or a batch job, in one object.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use numpy::PyArray1;
use pyo3::exceptions::{PyUserWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping};
use recgrela::{self as engine, FleetFilter, Groups, Model, OwnedUserId, Scored, UserId};

use crate::arrays::{Rows, TopKArrays};
use crate::constructor::Constructor;
use crate::convert::{
    Count, Unknown, WithoutHistory, ids_of, in_file, sequence_of, set_of, to_python,
};
use crate::events::{events_of, names_of};
use crate::options::{Choice, Options};
use crate::scorer::EdgeScorer;
use crate::sequence::{each_of, ordered};
use crate::top_k::TopK;
use crate::turns::Shared;
use crate::users::{User, Users, user_of, user_or_none, users_of};

/// Users that a thread answers under one lock: other calls wait for no more.
const TURN: usize = 512;

/// The histories of many users on one model. Calls take many users at once and read the weights and
/// the catalogue once for several users. Results are bit-identical to those of one scorer per user.
///
/// User ids are int or str; the first user decides which. The first event adds a user, and the
/// fleet grows as needed. Users and items may be lists, NumPy arrays, Arrow arrays, or columns of
/// polars and pandas. Threads can query a fleet concurrently, even during a save. Changes are
/// serialized.
#[pyclass(frozen, module = "recgrela")]
pub(crate) struct Fleet {
    model: Arc<Model>,
    groups: Option<Arc<Groups>>,
    path: Option<Arc<Path>>,
    threads: usize,
    fleet: Shared<engine::Fleet>,
}

impl Fleet {
    fn of(scorer: &EdgeScorer, fleet: engine::Fleet) -> Self {
        let EdgeScorer { model, groups, path, .. } = scorer;
        let (model, groups, path) = (Arc::clone(model), groups.clone(), path.clone());
        Self { model, groups, path, threads: fleet.threads(), fleet: Shared::new(fleet) }
    }
}

/// Load a file written by save, with memory for at least capacity users. threads is as in
/// the constructor.
///
/// Raises ValueError for a damaged file and for one of another model. Warns if the last save_changes
/// was interrupted; what it wrote is not loaded.
#[pyfunction]
#[pyo3(
    signature = (path, scorer, capacity=0, *, threads=Count(1)),
    text_signature = "(path, scorer, capacity=0, *, threads=1)"
)]
fn load(
    py: Python<'_>,
    path: PathBuf,
    scorer: &EdgeScorer,
    capacity: usize,
    threads: Count,
) -> PyResult<Fleet> {
    let model = Arc::clone(&scorer.model);
    let fleet = py.detach(|| {
        let mut fleet = engine::Fleet::open(&path, model)?;
        fleet.set_threads(threads.0);
        fleet.reserve(capacity.saturating_sub(fleet.len()))?;
        Ok(fleet)
    });
    let fleet = fleet.map_err(|error| in_file(py, Some(&path), error))?;
    if fleet.interrupted_bytes() > 0 {
        let message = format!(
            "{}: the last save_changes was interrupted; the {} bytes that it wrote are not loaded",
            path.display(),
            fleet.interrupted_bytes()
        );
        let warning = py.get_type::<PyUserWarning>();
        PyErr::warn(py, &warning, &CString::new(message)?, 1)?;
    }
    Ok(Fleet::of(scorer, fleet))
}

#[pymethods]
impl Fleet {
    /// A fleet without users, on the model of a scorer.
    ///
    /// capacity reserves memory for as many users; the fleet grows beyond it as needed. threads is
    /// how many threads at most share the users of append, top_k and top_k_arrays, if there are more
    /// than 32; results are the same. Raises ValueError if the memory cannot be allocated.
    #[new]
    #[pyo3(
        signature = (scorer, capacity=0, *, threads=Count(1)),
        text_signature = "(scorer, capacity=0, *, threads=1)"
    )]
    fn new(py: Python<'_>, scorer: &EdgeScorer, capacity: usize, threads: Count) -> PyResult<Self> {
        let mut fleet = engine::Fleet::new(Arc::clone(&scorer.model));
        fleet.set_threads(threads.0);
        py.detach(|| fleet.reserve(capacity)).map_err(to_python)?;
        Ok(Self::of(scorer, fleet))
    }

    #[classattr]
    #[pyo3(name = "load")]
    fn load_constructor(py: Python<'_>) -> PyResult<Constructor> {
        let function = pyo3::wrap_pyfunction!(load, py)?.into_any().unbind();
        Ok(Constructor { function })
    }

    /// Write all users to one file; an existing file is replaced atomically. Other threads can use
    /// the fleet meanwhile. Each user's data is consistent, but different users may be saved at
    /// different moments.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let lock = self.fleet.lock();
        py.detach(|| engine::Fleet::save_shared(lock, &path))
            .map_err(|error| in_file(py, Some(&path), error))
    }

    /// Append the users that have changed since the last save to the file. If the call is
    /// interrupted, the earlier contents of the file stay valid. Former states and removed users
    /// stay in it until save rewrites it.
    ///
    /// Raises ValueError if this fleet did not save or load the file last, or if another one appends to
    /// it at the same time.
    fn save_changes(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let lock = self.fleet.lock();
        py.detach(|| engine::Fleet::save_changes_shared(lock, &path))
            .map_err(|error| in_file(py, Some(&path), error))
    }

    /// Append events: items[i] for users[i]; returns how many were appended. A user may occur more
    /// than once, oldest event first. Unknown users are added. kinds is the kind of all events, or
    /// has one per item: a model with kinds needs them, a model without refuses them. times has the
    /// time of each event in seconds: a scorer with uses_times needs them, any other refuses them.
    ///
    /// Raises KeyError for an unknown item; with unknown="skip" its event is skipped. Raises
    /// TypeError for an id of the wrong type, and ValueError for an unknown or missing kind and for
    /// a missing time. After an error, nothing has changed.
    #[pyo3(
        signature = (users, items, *, kinds=None, times=None, unknown=Unknown::Error),
        text_signature = "($self, users, items, *, kinds=None, times=None, unknown='error')"
    )]
    fn append(
        &self,
        py: Python<'_>,
        users: &Bound<'_, PyAny>,
        items: &Bound<'_, PyAny>,
        kinds: Option<&Bound<'_, PyAny>>,
        times: Option<&Bound<'_, PyAny>>,
        unknown: Unknown,
    ) -> PyResult<usize> {
        let users = Users::new(users)?;
        let mut users = users.ids();
        let events = events_of(&self.model, items, kinds, times, unknown)?;
        if users.len() != events.len() {
            return Err(PyValueError::new_err(format!(
                "items to append: found {}, expected {}, one per user",
                events.len(),
                users.len()
            )));
        }
        if events.contains(&None) {
            let mut known = events.iter().map(Option::is_some);
            users.retain(|_| known.next().unwrap_or(false));
        }
        let events: Vec<_> = events.into_iter().flatten().collect();
        self.fleet.try_change(py, |fleet| fleet.append(&users, &events))?;
        Ok(events.len())
    }

    /// The k best items of each user, as a list of TopK. The options are those of EdgeScorer.top_k
    /// and apply to all users; each user's own seen items are excluded.
    ///
    /// For a user without history, the model's start vector ranks the items; without one,
    /// ValueError names the user. With without_history="skip" the user's result is empty. deny_each
    /// excludes further items per user: a list of lists, or a dict from users to lists.
    #[pyo3(
        signature = (users, k=Count(10), *, exclude_seen=true, allow=None, deny=None, max_per_group=None, groups=None, unknown=Unknown::Error, without_history=WithoutHistory(Unknown::Error), deny_each=None),
        text_signature = "($self, users, k=10, *, exclude_seen=True, allow=None, deny=None, max_per_group=None, groups=None, unknown='error', without_history='error', deny_each=None)"
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
        deny_each: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<TopK>> {
        let choice = Choice { exclude_seen, allow, deny, max_per_group, groups, unknown };
        let choice = FleetChoice { choice, skip: without_history.0 == Unknown::Skip, deny_each };
        let mut all = Vec::new();
        self.each_answer(py, users, k.0, &choice, |items| {
            all.push(items.to_vec());
        })?;
        // After the query, so that it has the items that were added meanwhile.
        let catalog = self.model.catalog();
        all.iter().map(|items| TopK::new(py, &catalog, items)).collect()
    }

    /// The result of top_k as arrays, for many users: a TopKArrays with ids and scores of shape
    /// [users, k], and counts. k is at most the number of items.
    #[pyo3(
        signature = (users, k=Count(10), *, exclude_seen=true, allow=None, deny=None, max_per_group=None, groups=None, unknown=Unknown::Error, without_history=WithoutHistory(Unknown::Error), deny_each=None),
        text_signature = "($self, users, k=10, *, exclude_seen=True, allow=None, deny=None, max_per_group=None, groups=None, unknown='error', without_history='error', deny_each=None)"
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
        deny_each: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<TopKArrays> {
        let choice = Choice { exclude_seen, allow, deny, max_per_group, groups, unknown };
        let choice = FleetChoice { choice, skip: without_history.0 == Unknown::Skip, deny_each };
        let k = k.0.min(self.model.catalog().len());
        let mut rows = Rows::new(k);
        self.each_answer(py, users, k, &choice, |items| rows.push(items))?;
        // After the query, as in top_k.
        rows.finish(py, &self.model.catalog())
    }

    /// Scores of some items for a user, float32 of shape [len(items)].
    fn score<'py>(
        &self,
        py: Python<'py>,
        user: User,
        items: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let items = sequence_of(&self.model.catalog(), items, Unknown::Error)?;
        let scores = self.fleet.try_read(py, |fleet| fleet.score(user.id(), &items))?;
        Ok(PyArray1::from_vec(py, scores))
    }

    /// Number of events of a user; 0 for an unknown user.
    fn events(&self, py: Python<'_>, user: User) -> PyResult<u64> {
        self.fleet.try_read(py, |fleet| fleet.events(user.id()))
    }

    /// The distinct items of a user, in catalogue order; none for an unknown user.
    fn seen<'py>(&self, py: Python<'py>, user: User) -> PyResult<Bound<'py, PyList>> {
        let seen = self.fleet.try_read(py, |fleet| fleet.seen(user.id()).map(<[u32]>::to_vec))?;
        ids_of(py, &self.model.catalog(), seen)
    }

    /// Keep a log of the last capacity events of each user from now on, in order, for forget and
    /// migrate; 0 keeps none.
    fn keep_log(&self, py: Python<'_>, capacity: Count) -> PyResult<()> {
        self.fleet.try_change(py, |fleet| {
            fleet.set_log_capacity(capacity.0);
            Ok(())
        })
    }

    /// The items of the events in a user's log, oldest first (see keep_log).
    fn log<'py>(&self, py: Python<'py>, user: User) -> PyResult<Bound<'py, PyList>> {
        let log = self.fleet.try_read(py, |fleet| fleet.log(user.id()))?;
        ids_of(py, &self.model.catalog(), log)
    }

    /// The kinds of the events in a user's log, oldest first; empty if the model has no kinds.
    fn log_kinds<'py>(&self, py: Python<'py>, user: User) -> PyResult<Bound<'py, PyList>> {
        let kinds = self.fleet.try_read(py, |fleet| fleet.log_kinds(user.id()))?;
        names_of(py, &self.model, kinds)
    }

    /// The times of the events in a user's log in seconds, oldest first; empty unless the scorer
    /// uses_times.
    fn log_times(&self, py: Python<'_>, user: User) -> PyResult<Vec<i64>> {
        self.fleet.try_read(py, |fleet| fleet.log_times(user.id()))
    }

    /// Forget items of a user, exactly: the history becomes one that never had them. A user without
    /// other events is removed.
    ///
    /// All other events are replayed from the log (see keep_log). Raises ValueError if the log does
    /// not have every event, and KeyError for an unknown item; then nothing has changed.
    fn forget(&self, py: Python<'_>, user: User, items: &Bound<'_, PyAny>) -> PyResult<()> {
        let items = set_of(&self.model.catalog(), items, Unknown::Error)?;
        self.fleet.try_change(py, |fleet| fleet.forget(user.id(), &items))
    }

    /// A new fleet on the model of another scorer, such as the one after retraining, with all users
    /// and their logs. Their events are replayed; items that the model does not know are skipped.
    ///
    /// Raises ValueError if a user's log does not have every event (see keep_log), and if the model
    /// has kinds or uses times, but an event lacks its kind or time.
    fn migrate(&self, py: Python<'_>, scorer: &EdgeScorer) -> PyResult<Self> {
        let model = Arc::clone(&scorer.model);
        let fleet = self.fleet.try_read(py, |fleet| fleet.migrate(model))?;
        Ok(Self::of(scorer, fleet))
    }

    /// What is stored of a user, as a dict for json.dumps: user, events, last_time (None unless the
    /// scorer uses_times), seen, log, log_kinds and log_times (None if none is kept), state_bytes and model. The state itself is session(user).snapshot().
    fn export<'py>(&self, py: Python<'py>, user: User) -> PyResult<Bound<'py, PyDict>> {
        let (session, logs) = self
            .fleet
            .try_read(py, |fleet| Ok((fleet.session(user.id())?, fleet.log_capacity() > 0)))?;
        let catalog = self.model.catalog();
        let log = logs.then(|| ids_of(py, &catalog, session.log())).transpose()?;
        let kinds = logs.then(|| names_of(py, &self.model, session.log_kinds())).transpose()?;
        let dict = PyDict::new(py);
        dict.set_item("user", user_of(py, user.id())?)?;
        dict.set_item("events", session.events())?;
        dict.set_item("last_time", session.last_time())?;
        dict.set_item("seen", ids_of(py, &catalog, session.seen().iter().copied())?)?;
        dict.set_item("log", log)?;
        dict.set_item("log_kinds", kinds)?;
        dict.set_item("log_times", logs.then(|| session.log_times().collect::<Vec<_>>()))?;
        dict.set_item("state_bytes", if session.events() > 0 { session.state_bytes() } else { 0 })?;
        dict.set_item("model", self.model.fingerprint().to_string())?;
        Ok(dict)
    }

    /// Remove a user and its history; returns whether the fleet had the user.
    fn remove(&self, py: Python<'_>, user: User) -> PyResult<bool> {
        self.fleet.try_change(py, |fleet| fleet.remove(user.id()))
    }

    /// A copy of a user's session, as a scorer; without events for an unknown user.
    fn session(&self, py: Python<'_>, user: User) -> PyResult<EdgeScorer> {
        let session = self.fleet.try_read(py, |fleet| fleet.session(user.id()))?;
        Ok(EdgeScorer::of(session, self.groups.clone(), self.path.clone()))
    }

    /// Replace a user's session by that of a scorer on the same model.
    fn set(&self, py: Python<'_>, user: User, scorer: &EdgeScorer) -> PyResult<()> {
        let session = scorer.with(py, |session| session.clone())?;
        self.fleet.try_change(py, |fleet| fleet.set(user.id(), &session))
    }

    /// The ids of all users, in order of arrival until one is removed.
    #[getter]
    fn users<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let ids: Vec<OwnedUserId> =
            self.fleet.read(py, |fleet| fleet.users().map(OwnedUserId::from).collect())?;
        users_of(py, ids.iter().map(UserId::from))
    }

    /// Bytes of the users' states and seen items.
    #[getter]
    fn state_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.fleet.read(py, |fleet| fleet.state_bytes())
    }

    fn __contains__(&self, py: Python<'_>, user: &Bound<'_, PyAny>) -> PyResult<bool> {
        match user_or_none(user)? {
            Some(user) => self.fleet.read(py, |fleet| fleet.contains(user.id())),
            None => Ok(false),
        }
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.fleet.read(py, |fleet| fleet.len())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (items, isa) = (self.model.num_items(), self.model.isa());
        Ok(format!("Fleet({} users, {items} items, {isa})", self.__len__(py)?))
    }
}

/// The options of a query for many users.
struct FleetChoice<'a, 'py> {
    choice: Choice<'a, 'py>,
    /// Whether to skip users without history.
    skip: bool,
    deny_each: Option<&'a Bound<'py, PyAny>>,
}

impl Fleet {
    /// Calls `each` with the best items of each user, in order.
    fn each_answer(
        &self,
        py: Python<'_>,
        users: &Bound<'_, PyAny>,
        k: usize,
        choice: &FleetChoice<'_, '_>,
        mut each: impl FnMut(&[Scored]) + Send,
    ) -> PyResult<()> {
        let options = Options::new(&self.model, self.groups.as_ref(), &choice.choice)?;
        let filter = options.filter();
        let names = Users::new(users)?;
        let users = names.ids();
        let lists = self.deny_lists(&users, choice)?;
        if !choice.skip {
            self.fleet.try_read(py, |fleet| fleet.check_history(&users))?;
        }
        // Without a start vector, a user who is removed after the check gets an empty result.
        let skip = choice.skip || !self.model.config().start;
        let filter = FleetFilter::from(&filter).skip_without_history(skip);
        let mut rankings = Vec::new();
        let turn = TURN * self.threads;
        // Without users, the engine still checks the filter.
        for start in (0..users.len().max(1)).step_by(turn) {
            let part = start..users.len().min(start + turn);
            let mut filter = filter;
            filter.deny_each = lists.as_ref().map(|lists| &lists[part.clone()]);
            let users = &users[part];
            self.fleet.try_read(py, |fleet| fleet.top_k_into(users, k, filter, &mut rankings))?;
            rankings.iter().for_each(|ranking| each(ranking.items()));
        }
        Ok(())
    }

    /// The items to exclude per user, if any are given.
    fn deny_lists(
        &self,
        users: &[UserId<'_>],
        choice: &FleetChoice<'_, '_>,
    ) -> PyResult<Option<Vec<Vec<u32>>>> {
        let Some(lists) = choice.deny_each else { return Ok(None) };
        let (catalog, unknown) = (self.model.catalog(), choice.choice.unknown);
        let list = |items: &Bound<'_, PyAny>| set_of(&catalog, items, unknown);
        if let Ok(lists) = lists.cast::<PyMapping>() {
            let list_of = |user: &UserId<'_>| {
                let user = user_of(lists.py(), *user)?;
                match lists.contains(&user)? {
                    true => list(&lists.get_item(user)?),
                    false => Ok(Vec::new()),
                }
            };
            return users.iter().map(list_of).collect::<PyResult<_>>().map(Some);
        }
        let each = each_of(ordered(lists, "lists of item ids")?, "lists of item ids")?;
        let lists: Vec<_> = each.map(|items| list(&items?)).collect::<PyResult<_>>()?;
        if lists.len() != users.len() {
            let (found, expected) = (lists.len(), users.len());
            let message =
                format!("deny_each: found {found} lists, expected {expected}, one per user");
            return Err(PyValueError::new_err(message));
        }
        Ok(Some(lists))
    }
}
