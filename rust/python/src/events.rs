//! Events from Python: item ids, the names of their kinds, and their times.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use recgrela::{Event, Kind, Model};

use crate::convert::{Unknown, index_of, known_sequence_of, to_python};
use crate::sequence::{Values, values_of};

/// An event of an item, `None` for an unknown one that is to be skipped. The engine checks that
/// there is a kind if the model has kinds, and a time if it uses times.
pub(crate) fn event_of(
    model: &Model,
    item: &Bound<'_, PyAny>,
    kind: Option<&str>,
    time: Option<&Bound<'_, PyAny>>,
    unknown: Unknown,
) -> PyResult<Option<Event>> {
    let kind = kind.map(|name| model.kind(name)).transpose().map_err(to_python)?;
    let time = time.map(seconds_of).transpose()?;
    let item = index_of(&model.catalog(), item, unknown)?;
    Ok(item.map(|item| (item, kind, time).into()))
}

/// Events in order, `None` for unknown items that are to be skipped. `kinds` is the name of the kind
/// of all events, or has one per item. `times` has seconds, one per item.
pub(crate) fn events_of(
    model: &Model,
    items: &Bound<'_, PyAny>,
    kinds: Option<&Bound<'_, PyAny>>,
    times: Option<&Bound<'_, PyAny>>,
    unknown: Unknown,
) -> PyResult<Vec<Option<Event>>> {
    let items = known_sequence_of(&model.catalog(), items, unknown)?;
    let mut events: Vec<_> = items.into_iter().map(|item| item.map(Event::from)).collect();
    if let Some(kinds) = kinds {
        let kinds = kinds_of(model, kinds, events.len())?;
        for (event, kind) in known(&mut events).zip(kinds) {
            event.into_iter().for_each(|event| event.kind = Some(kind));
        }
    }
    if let Some(times) = times {
        let times = times_of(times, events.len())?;
        for (event, time) in known(&mut events).zip(times) {
            event.into_iter().for_each(|event| event.time = Some(time));
        }
    }
    Ok(events)
}

fn known(events: &mut [Option<Event>]) -> impl Iterator<Item = Option<&mut Event>> {
    events.iter_mut().map(Option::as_mut)
}

/// The kinds of `count` events.
fn kinds_of(model: &Model, kinds: &Bound<'_, PyAny>, count: usize) -> PyResult<Vec<Kind>> {
    if kinds.is_instance_of::<PyString>() {
        return Ok(vec![kind_of(model, kinds)?; count]);
    }
    let kinds: Vec<_> = match values_of(kinds, "kinds")? {
        Values::Any(kinds) => kinds.map(|kind| kind_of(model, &kind?)).collect::<PyResult<_>>()?,
        Values::Int(_) => return Err(not_a_kind("int")),
    };
    match kinds.len() {
        found if found == count => Ok(kinds),
        found => Err(PyValueError::new_err(format!(
            "kinds: found {found}, expected {count}, one per item, or one name for all items"
        ))),
    }
}

/// The times of `count` events, in whole seconds.
fn times_of(times: &Bound<'_, PyAny>, count: usize) -> PyResult<Vec<i64>> {
    let times: Vec<_> = match values_of(times, "times")? {
        Values::Int(times) => times,
        Values::Any(times) => times.map(|time| seconds_of(&time?)).collect::<PyResult<_>>()?,
    };
    match times.len() {
        found if found == count => Ok(times),
        found => Err(PyValueError::new_err(format!(
            "times: found {found}, expected {count}, one per item"
        ))),
    }
}

/// The whole seconds of a time in seconds, an int or a float, rounded down.
fn seconds_of(time: &Bound<'_, PyAny>) -> PyResult<i64> {
    if let Ok(seconds) = time.extract::<i64>() {
        return Ok(seconds);
    }
    let Ok(seconds) = time.extract::<f64>() else {
        let found = time.get_type().name()?;
        let message = format!("time: found {found}, expected a number of seconds");
        return Err(PyTypeError::new_err(message));
    };
    let whole = seconds.floor();
    // i64::MAX is no f64: the nearest one is 2^63.
    match (i64::MIN as f64..i64::MAX as f64).contains(&whole) {
        true => Ok(whole as i64),
        false => Err(PyValueError::new_err(format!(
            "time: found {seconds}, expected a number of seconds in 64 bits"
        ))),
    }
}

fn kind_of(model: &Model, kind: &Bound<'_, PyAny>) -> PyResult<Kind> {
    match kind.cast::<PyString>() {
        Ok(name) => model.kind(name.to_str()?).map_err(to_python),
        Err(_) => Err(not_a_kind(kind.get_type().name()?)),
    }
}

fn not_a_kind(found: impl std::fmt::Display) -> PyErr {
    PyTypeError::new_err(format!("a kind of event is a str, found {found}"))
}

/// The names of kinds.
pub(crate) fn names_of<'py>(
    py: Python<'py>,
    model: &Model,
    kinds: impl IntoIterator<Item = Kind>,
) -> PyResult<Bound<'py, PyList>> {
    let names = kinds.into_iter().filter_map(|kind| model.kind_name(kind));
    PyList::new(py, names.collect::<Vec<_>>())
}
