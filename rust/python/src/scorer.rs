//! `EdgeScorer`: a model and one user's session on it, in one object.

mod held;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use recgrela::{self as engine, Groups, Kind, Model, ModelOptions, Precision, Scored, Session};

use crate::catalog::Catalog;
use crate::convert::{
    Blob, Count, StatePrecision, Unknown, find, ids_of, in_file, index_of, isa_of, sequence_of,
    set_of, to_python,
};
use crate::dicts::{comparison, config, verification};
use crate::events::{event_of, events_of, names_of};
use crate::options::{Choice, Options};
use crate::pickle::{Kept, keep};
use crate::top_k::TopK;
use crate::turns::Turns;

/// One user's session on a model: it appends one event at a time and recommends the next item.
///
/// Create one with EdgeScorer.load, and further ones on the same weights with new_session. The state
/// of a session has a fixed size. Threads may use different scorers concurrently; they take turns on
/// one scorer.
#[pyclass(frozen, module = "recgrela")]
pub(crate) struct EdgeScorer {
    pub(crate) model: Arc<Model>,
    /// Passed to `load`.
    pub(crate) groups: Option<Arc<Groups>>,
    /// The absolute path, if the model was loaded from a file.
    pub(crate) path: Option<Arc<Path>>,
    user: Turns<User>,
}

/// A session and its reusable ranking buffer.
struct User {
    session: Session,
    ranking: engine::TopK,
}

#[pymethods]
impl EdgeScorer {
    /// Load a model file, and start an empty session.
    ///
    /// isa chooses an instruction set, such as "scalar". The default is the environment variable
    /// RECGRELA_ISA, or else the best one of this CPU. verify first recomputes the file's
    /// fingerprint and replays its self-test. groups has one integer per item, in catalogue order,
    /// for max_per_group of top_k.
    ///
    /// The file is read into memory. With mmap=True it is memory-mapped: pages load lazily and are
    /// shared between processes. This is worthwhile above about 64 MiB, with verify=False. A mapped
    /// file must not be written to or truncated while in use, or the process can crash: to replace
    /// it, rename another file over it.
    ///
    /// Raises FileNotFoundError or another OSError if the file cannot be read, and ValueError if it
    /// is not a valid model.
    #[staticmethod]
    #[pyo3(signature = (path, *, isa=None, verify=true, groups=None, mmap=false))]
    pub(crate) fn load(
        py: Python<'_>,
        path: PathBuf,
        isa: Option<&str>,
        verify: bool,
        groups: Option<&Bound<'_, PyAny>>,
        mmap: bool,
    ) -> PyResult<Self> {
        let options = ModelOptions::new().isa(isa_of(isa)?);
        Self::open(py, verify, groups, Some(&path), || match mmap {
            // SAFETY: the documentation forbids changing the file.
            #[allow(unsafe_code)]
            true => unsafe { options.open_mmap(&path) },
            false => options.open(&path),
        })
    }

    /// Load a model from the bytes of its file, as load does from a path.
    #[staticmethod]
    #[pyo3(signature = (data, *, isa=None, verify=true, groups=None))]
    fn from_bytes(
        py: Python<'_>,
        data: Blob<'_>,
        isa: Option<&str>,
        verify: bool,
        groups: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let options = ModelOptions::new().isa(isa_of(isa)?);
        Self::open(py, verify, groups, None, || options.from_bytes(data.0.into_owned()))
    }

    /// Append one event; returns whether it was appended. kind is the kind of event: a model with
    /// kinds needs one of its kinds, a model without refuses any. time is the time of the event in
    /// seconds, an int or a float: a model with uses_times needs it, any other refuses it.
    ///
    /// Raises KeyError for an unknown item; with unknown="skip" it is skipped. Raises ValueError for
    /// an unknown or missing kind, and for a missing time.
    #[pyo3(
        signature = (item, *, kind=None, time=None, unknown=Unknown::Error),
        text_signature = "($self, item, *, kind=None, time=None, unknown='error')"
    )]
    fn append(
        &self,
        py: Python<'_>,
        item: &Bound<'_, PyAny>,
        kind: Option<&str>,
        time: Option<&Bound<'_, PyAny>>,
        unknown: Unknown,
    ) -> PyResult<bool> {
        match event_of(&self.model, item, kind, time, unknown)? {
            None => Ok(false),
            Some(event) => {
                self.append_one(py, event)?;
                Ok(true)
            }
        }
    }

    /// Append events, oldest first; returns how many were appended. kinds is the kind of all events,
    /// or has one per item; times has one per item (see append).
    ///
    /// Raises KeyError for an unknown item, and then appends nothing; with unknown="skip" it is
    /// skipped. Raises ValueError for an unknown or missing kind, and for a missing time.
    #[pyo3(
        signature = (items, *, kinds=None, times=None, unknown=Unknown::Error),
        text_signature = "($self, items, *, kinds=None, times=None, unknown='error')"
    )]
    fn extend(
        &self,
        py: Python<'_>,
        items: &Bound<'_, PyAny>,
        kinds: Option<&Bound<'_, PyAny>>,
        times: Option<&Bound<'_, PyAny>>,
        unknown: Unknown,
    ) -> PyResult<usize> {
        let events = events_of(&self.model, items, kinds, times, unknown)?;
        let events: Vec<_> = events.into_iter().flatten().collect();
        self.try_with(py, |session| session.extend(&events))?;
        Ok(events.len())
    }

    /// Scores of some items given the events so far, float32 of shape [len(items)].
    ///
    /// These are the scores that top_k ranks by. Raises KeyError for an unknown item. Before the
    /// first event, the model's start vector is used; ValueError if it has none.
    fn score<'py>(
        &self,
        py: Python<'py>,
        items: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let items = sequence_of(&self.model.catalog(), items, Unknown::Error)?;
        let scores = self.try_with(py, |session| session.score(&items))?;
        Ok(PyArray1::from_vec(py, scores))
    }

    /// The vectors of items, float32 of shape [len(items), D], as in the model file or as added;
    /// catalog.add takes such vectors. Raises KeyError for an unknown item.
    fn item_vectors<'py>(
        &self,
        py: Python<'py>,
        items: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let items = sequence_of(&self.model.catalog(), items, Unknown::Error)?;
        let vectors = py.detach(|| self.model.item_vectors(&items)).map_err(to_python)?;
        let shape = [items.len(), self.model.config().hidden_size];
        PyArray1::from_vec(py, vectors).reshape(shape)
    }

    /// The k best items, best first; fewer if fewer are left. Ties rank in catalogue order.
    ///
    /// Seen items are excluded unless exclude_seen is False. allow restricts the result to its
    /// items, deny excludes its items. max_per_group limits the items of one group; groups (one
    /// integer per item) replaces the groups passed to load. threads are used for catalogues of more
    /// than 100,000 items; the result does not depend on their number, and a forked process starts
    /// its own.
    ///
    /// Before the first event, the model's start vector is used; ValueError if it has none. Raises
    /// KeyError for an unknown item in allow or deny, unless unknown="skip".
    #[pyo3(
        signature = (k=Count(10), *, exclude_seen=true, allow=None, deny=None, max_per_group=None, groups=None, threads=Count(1), unknown=Unknown::Error),
        text_signature = "($self, k=10, *, exclude_seen=True, allow=None, deny=None, max_per_group=None, groups=None, threads=1, unknown='error')"
    )]
    #[allow(clippy::too_many_arguments)] // keyword arguments in Python
    fn top_k(
        &self,
        py: Python<'_>,
        k: Count,
        exclude_seen: bool,
        allow: Option<&Bound<'_, PyAny>>,
        deny: Option<&Bound<'_, PyAny>>,
        max_per_group: Option<Count>,
        groups: Option<&Bound<'_, PyAny>>,
        threads: Count,
        unknown: Unknown,
    ) -> PyResult<TopK> {
        let choice = Choice { exclude_seen, allow, deny, max_per_group, groups, unknown };
        let options = Options::new(&self.model, self.groups.as_ref(), &choice)?;
        let filter = options.filter();
        self.rank(py, |User { session, ranking }| {
            *ranking = std::mem::take(ranking).with_threads(threads.0);
            session.top_k_into(k.0, &filter, ranking)
        })
    }

    /// append and then top_k, in one call, with the options of both. If an unknown item is skipped,
    /// this is top_k. Raises what they raise; then nothing is appended.
    #[pyo3(
        signature = (item, k=Count(10), *, kind=None, time=None, exclude_seen=true, allow=None, deny=None, max_per_group=None, groups=None, unknown=Unknown::Error),
        text_signature = "($self, item, k=10, *, kind=None, time=None, exclude_seen=True, allow=None, deny=None, max_per_group=None, groups=None, unknown='error')"
    )]
    #[allow(clippy::too_many_arguments)] // keyword arguments in Python
    fn step(
        &self,
        py: Python<'_>,
        item: &Bound<'_, PyAny>,
        k: Count,
        kind: Option<&str>,
        time: Option<&Bound<'_, PyAny>>,
        exclude_seen: bool,
        allow: Option<&Bound<'_, PyAny>>,
        deny: Option<&Bound<'_, PyAny>>,
        max_per_group: Option<Count>,
        groups: Option<&Bound<'_, PyAny>>,
        unknown: Unknown,
    ) -> PyResult<TopK> {
        let event = event_of(&self.model, item, kind, time, unknown)?;
        let choice = Choice { exclude_seen, allow, deny, max_per_group, groups, unknown };
        let options = Options::new(&self.model, self.groups.as_ref(), &choice)?;
        let filter = options.filter();
        self.rank(py, |User { session, ranking }| match event {
            Some(event) => session.step(event, k.0, &filter, ranking),
            None => session.top_k_into(k.0, &filter, ranking),
        })
    }

    /// The result of top_k after more events, without changing the session.
    ///
    /// The options are those of top_k, and kinds and times those of extend. The hypothetical items
    /// count as seen.
    #[pyo3(
        signature = (items, k=Count(10), *, kinds=None, times=None, exclude_seen=true, allow=None, deny=None, max_per_group=None, groups=None, unknown=Unknown::Error),
        text_signature = "($self, items, k=10, *, kinds=None, times=None, exclude_seen=True, allow=None, deny=None, max_per_group=None, groups=None, unknown='error')"
    )]
    #[allow(clippy::too_many_arguments)] // keyword arguments in Python
    fn peek(
        &self,
        py: Python<'_>,
        items: &Bound<'_, PyAny>,
        k: Count,
        kinds: Option<&Bound<'_, PyAny>>,
        times: Option<&Bound<'_, PyAny>>,
        exclude_seen: bool,
        allow: Option<&Bound<'_, PyAny>>,
        deny: Option<&Bound<'_, PyAny>>,
        max_per_group: Option<Count>,
        groups: Option<&Bound<'_, PyAny>>,
        unknown: Unknown,
    ) -> PyResult<TopK> {
        let events = events_of(&self.model, items, kinds, times, unknown)?;
        let events: Vec<_> = events.into_iter().flatten().collect();
        let choice = Choice { exclude_seen, allow, deny, max_per_group, groups, unknown };
        let options = Options::new(&self.model, self.groups.as_ref(), &choice)?;
        let filter = options.filter();
        let top: Vec<Scored> = self.try_with(py, |session| session.peek(&events, k.0, &filter))?;
        TopK::new(py, &self.model.catalog(), &top)
    }

    /// Keep the last depth events undoable from now on, at a cost of undo_bytes; 0 keeps none.
    fn keep_undo(&self, py: Python<'_>, depth: Count) -> PyResult<()> {
        self.try_with(py, |session| session.set_undo_depth(depth.0))
    }

    /// Undo the last n events, exactly. Raises ValueError if fewer are undoable (see keep_undo);
    /// then the session is unchanged.
    #[pyo3(signature = (n=Count(1)), text_signature = "($self, n=1)")]
    fn undo(&self, py: Python<'_>, n: Count) -> PyResult<()> {
        self.try_with(py, |session| session.undo(n.0))
    }

    /// Keep a log of the last capacity events from now on, for forget and why; 0 keeps none.
    fn keep_log(&self, py: Python<'_>, capacity: Count) -> PyResult<()> {
        self.with(py, |session| session.set_log_capacity(capacity.0))
    }

    /// Forget items, exactly: the session becomes one that never saw them.
    ///
    /// All other events are replayed from the log (see keep_log). Raises ValueError if the log does
    /// not have every event, and KeyError for an unknown item; then the session is unchanged.
    fn forget(&self, py: Python<'_>, items: &Bound<'_, PyAny>) -> PyResult<()> {
        let items = set_of(&self.model.catalog(), items, Unknown::Error)?;
        self.try_with(py, |session| session.forget(&items))
    }

    /// The n events without which an item's score falls most, largest drop first, as tuples
    /// (position, item, drop); fewer if fewer events raise the score.
    ///
    /// The position counts from the oldest event, 0. A drop is exact: the score after all events
    /// minus that of a session that never had this one. Replays the log, which needs every event
    /// (see keep_log) once for each event that is examined. Of more than 256 events, blocks are
    /// examined first, and then the events of the best blocks. Raises ValueError if the log does
    /// not have every event, and KeyError for an unknown item.
    #[pyo3(signature = (item, n=Count(3)), text_signature = "($self, item, n=3)")]
    fn why<'py>(
        &self,
        py: Python<'py>,
        item: &Bound<'py, PyAny>,
        n: Count,
    ) -> PyResult<Bound<'py, PyList>> {
        let Some(item) = index_of(&self.model.catalog(), item, Unknown::Error)? else {
            return Ok(PyList::empty(py)); // an unknown item was an error
        };
        let reasons = self.try_with(py, |session| session.why(item, n.0))?;
        let items = reasons.iter().map(|reason| reason.event.item);
        let ids = ids_of(py, &self.model.catalog(), items)?;
        let tuples =
            reasons.iter().zip(ids.iter()).map(|(reason, id)| (reason.position, id, reason.drop));
        PyList::new(py, tuples.collect::<Vec<_>>())
    }

    /// The hidden vector after the last event, float32 of shape [D]; an item's score is its dot
    /// product with the item's embedding. Before the first event it is the model's start vector;
    /// ValueError if it has none.
    fn user_vector<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let vector = self.try_with(py, |session| session.user_vector().map(<[f32]>::to_vec))?;
        Ok(PyArray1::from_vec(py, vector))
    }

    /// The session as bytes, for restore on the same model. It is exact; precision="f16" halves the
    /// size, with a small error (docs/format.md).
    #[pyo3(
        signature = (*, precision=StatePrecision(Precision::F32)),
        text_signature = "($self, *, precision='f32')"
    )]
    pub(crate) fn snapshot<'py>(
        &self,
        py: Python<'py>,
        precision: StatePrecision,
    ) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.with(py, |session| session.snapshot_with(precision.0))?))
    }

    /// Continue from a snapshot. Raises ValueError if it is damaged or of another model; then the
    /// session is unchanged.
    pub(crate) fn restore(&self, py: Python<'_>, snapshot: Blob<'_>) -> PyResult<()> {
        self.try_with(py, |session| session.restore(&snapshot.0))
    }

    /// A new session on this model with the history of a snapshot of another model, such as the one
    /// before retraining.
    ///
    /// log has the item ids of all events of the snapshot, oldest first, and kinds and times are as in
    /// extend. They are replayed; items that this model does not know are skipped. Raises ValueError
    /// for a damaged snapshot, and for a log that does not match it.
    #[pyo3(signature = (snapshot, log, *, kinds=None, times=None))]
    fn migrate(
        &self,
        py: Python<'_>,
        snapshot: Blob<'_>,
        log: &Bound<'_, PyAny>,
        kinds: Option<&Bound<'_, PyAny>>,
        times: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let log = events_of(&self.model, log, kinds, times, Unknown::Skip)?;
        let model = Arc::clone(&self.model);
        let session =
            py.detach(|| Session::migrate(model, &snapshot.0, &log)).map_err(to_python)?;
        Ok(self.another(session))
    }

    /// Forget all events.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Session::reset)
    }

    /// An independent copy with the same history.
    fn clone(&self, py: Python<'_>) -> PyResult<Self> {
        Ok(self.another(self.with(py, |session| session.clone())?))
    }

    /// A new session without history, on the same weights.
    fn new_session(&self) -> Self {
        self.another(Session::new(Arc::clone(&self.model)))
    }

    /// Recompute the file's fingerprint and replay its self-test; this session is not used.
    ///
    /// Returns a dict with sequences, scores and max_difference (relative to the largest score of
    /// a sequence). Raises ValueError if either does not match.
    fn verify<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let report = py.detach(|| self.model.verify());
        let report = report.map_err(|error| in_file(py, self.path.as_deref(), error))?;
        verification(py, &report)
    }

    /// Replay the file's self-test on every instruction set of this CPU, and compare states, scores
    /// and lists bit by bit with portable code.
    ///
    /// Returns a dict with isas, sequences, events and scores. Raises ValueError saying which
    /// instruction set differs, and where.
    fn compare_isas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let report = py.detach(|| self.model.compare_isas()).map_err(to_python)?;
        comparison(py, &report)
    }

    /// Whether the model knows an item.
    fn __contains__(&self, item: &Bound<'_, PyAny>) -> bool {
        matches!(find(&self.model.catalog(), item), Ok(Some(_)))
    }

    fn __copy__(&self, py: Python<'_>) -> PyResult<Self> {
        self.clone(py)
    }

    fn __deepcopy__(&self, py: Python<'_>, memo: &Bound<'_, PyAny>) -> PyResult<Self> {
        let _ = memo;
        self.clone(py)
    }

    /// Pickles the model's path and fingerprint, a snapshot, the groups passed to load and the
    /// changes to the catalogue; unpickling loads the model again. Undo is not kept.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Kept<'py>)> {
        let unpickle = py.import("recgrela._core")?.getattr("_unpickle")?;
        Ok((unpickle, keep(py, self)?))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (items, isa) = (self.model.num_items(), self.model.isa());
        Ok(format!("EdgeScorer({items} items, {} events, {isa})", self.events(py)?))
    }

    /// Number of events so far.
    #[getter]
    fn events(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |session| session.events())
    }

    /// The distinct items so far, in catalogue order.
    #[getter]
    fn seen<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let seen = self.with(py, |session| session.seen().to_vec())?;
        ids_of(py, &self.model.catalog(), seen)
    }

    /// Bytes of the history: the state, and 4 for each distinct item.
    #[getter]
    fn state_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |session| session.state_bytes())
    }

    /// Number of events that can be undone now.
    #[getter]
    fn undoable(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |session| session.undoable())
    }

    /// Bytes allocated by keep_undo; not included in state_bytes.
    #[getter]
    fn undo_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |session| session.undo_bytes())
    }

    /// The item ids of the events in the log, oldest first (see keep_log).
    #[getter]
    fn log<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let log: Vec<u32> = self.with(py, |session| session.log().collect())?;
        ids_of(py, &self.model.catalog(), log)
    }

    /// The kinds of the events in the log, oldest first; empty if the model has no kinds.
    #[getter]
    fn log_kinds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let kinds: Vec<Kind> = self.with(py, |session| session.log_kinds().collect())?;
        names_of(py, &self.model, kinds)
    }

    /// The times of the events in the log in seconds, oldest first; empty unless uses_times.
    #[getter]
    fn log_times(&self, py: Python<'_>) -> PyResult<Vec<i64>> {
        self.with(py, |session| session.log_times().collect())
    }

    /// The names of the kinds of events; empty if the model has no kinds.
    #[getter]
    fn kinds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.model.config().kinds)
    }

    /// Whether the time between events is an input of the model, so that each event needs its time.
    #[getter]
    fn uses_times(&self) -> bool {
        self.model.config().gaps
    }

    /// The items, and changes to them that all sessions on this model share.
    #[getter]
    fn catalog(&self) -> Catalog {
        Catalog::new(Arc::clone(&self.model))
    }

    /// Type of the items' ids: "int" or "str".
    #[getter]
    fn id_type(&self) -> &'static str {
        if self.model.catalog().is_text() { "str" } else { "int" }
    }

    /// Number of items in the catalogue.
    #[getter]
    fn num_items(&self) -> usize {
        self.model.catalog().len()
    }

    /// The ids of all items, in catalogue order.
    #[getter]
    fn item_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let catalog = self.model.catalog();
        ids_of(py, &catalog, 0..catalog.len() as u32)
    }

    /// The architecture, with the keys of docs/format.md.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        config(py, self.model.config())
    }

    /// Type of the item table: "f32", "f16" or "int8".
    #[getter]
    fn table_dtype(&self) -> String {
        self.model.table_dtype().to_string()
    }

    /// The model's identity: SHA-256 of its config and tensors, 64 hex digits.
    #[getter]
    pub(crate) fn fingerprint(&self) -> String {
        self.model.fingerprint().to_string()
    }

    /// The instruction set in use, such as "avx2"; results are bit-identical on all.
    #[getter]
    fn isa(&self) -> &'static str {
        self.model.isa().name()
    }
}
