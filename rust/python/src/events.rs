//! Events from Python: item ids, and the names of their kinds.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use recgrela::{Event, Kind, Model};

use crate::convert::{Unknown, index_of, known_sequence_of, to_python};
use crate::sequence::{Values, values_of};

/// An event of an item, `None` for an unknown one that is to be skipped. The engine checks that
/// there is a kind if the model has kinds.
pub(crate) fn event_of(
    model: &Model,
    item: &Bound<'_, PyAny>,
    kind: Option<&str>,
    unknown: Unknown,
) -> PyResult<Option<Event>> {
    let kind = kind.map(|name| model.kind(name)).transpose().map_err(to_python)?;
    Ok(index_of(&model.catalog(), item, unknown)?.map(|item| (item, kind).into()))
}

/// Events in order, `None` for unknown items that are to be skipped. `kinds` is the name of the kind
/// of all events, or has one per item.
pub(crate) fn events_of(
    model: &Model,
    items: &Bound<'_, PyAny>,
    kinds: Option<&Bound<'_, PyAny>>,
    unknown: Unknown,
) -> PyResult<Vec<Option<Event>>> {
    let items = known_sequence_of(&model.catalog(), items, unknown)?;
    let events = items.into_iter();
    let kinds = match kinds {
        None => return Ok(events.map(|item| item.map(Event::from)).collect()),
        Some(kinds) => kinds,
    };
    if kinds.is_instance_of::<PyString>() {
        let kind = kind_of(model, kinds)?;
        return Ok(events.map(|item| Some((item?, kind).into())).collect());
    }
    let kinds = kinds_of(model, kinds)?;
    if kinds.len() != events.len() {
        return Err(PyValueError::new_err(format!(
            "kinds: found {}, expected {}, one per item, or one name for all items",
            kinds.len(),
            events.len()
        )));
    }
    Ok(events.zip(kinds).map(|(item, kind)| Some((item?, kind).into())).collect())
}

fn kinds_of(model: &Model, kinds: &Bound<'_, PyAny>) -> PyResult<Vec<Kind>> {
    match values_of(kinds, "kinds")? {
        Values::Any(kinds) => kinds.map(|kind| kind_of(model, &kind?)).collect(),
        Values::Int(_) => Err(not_a_kind("int")),
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
