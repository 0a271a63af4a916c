//! Conversions between Python's values and the engine's: item ids, errors, the instruction set.

use std::borrow::Cow;
use std::error::Error as _;
use std::io;
use std::path::Path;

use pyo3::IntoPyObjectExt;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{
    PyIsADirectoryError, PyKeyError, PyOSError, PyOverflowError, PyRuntimeError, PyTypeError,
    PyValueError,
};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyString};
use recgrela::{Catalog, Error, ErrorKind, Groups, Isa, ItemId, Model, Precision};

use crate::sequence::{Values, values_in_any_order, values_of};

/// How to treat an unknown item id, or another value that may be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Error,
    Skip,
}

impl<'py> FromPyObject<'_, 'py> for Unknown {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        choice(value, "unknown")
    }
}

fn choice(value: Borrowed<'_, '_, PyAny>, argument: &str) -> PyResult<Unknown> {
    match value.extract::<String>()?.as_str() {
        "error" => Ok(Unknown::Error),
        "skip" => Ok(Unknown::Skip),
        other => Err(PyValueError::new_err(format!(
            "{argument}: found '{other}', expected 'error' or 'skip'"
        ))),
    }
}

/// How to treat a user without history.
pub(crate) struct WithoutHistory(pub(crate) Unknown);

impl<'py> FromPyObject<'_, 'py> for WithoutHistory {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        choice(value, "without_history").map(Self)
    }
}

/// A count, 0 or more; one that is too large for the type saturates.
pub(crate) struct Count(pub(crate) usize);

impl<'py> FromPyObject<'_, 'py> for Count {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match value.extract::<usize>() {
            Ok(count) => Ok(Self(count)),
            Err(error) if !error.is_instance_of::<PyOverflowError>(value.py()) => Err(error),
            Err(_) if value.lt(0)? => {
                Err(PyValueError::new_err(format!("expected 0 or more, found {}", value.str()?)))
            }
            Err(_) => Ok(Self(usize::MAX)),
        }
    }
}

/// The bytes of a bytes-like object: `bytes` are borrowed; others may change, so they are copied.
pub(crate) struct Blob<'a>(pub(crate) Cow<'a, [u8]>);

impl<'a, 'py> FromPyObject<'a, 'py> for Blob<'a> {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = value.extract::<&[u8]>() {
            return Ok(Self(Cow::Borrowed(bytes)));
        }
        match PyBuffer::<u8>::get(&value) {
            Ok(buffer) => Ok(Self(Cow::Owned(buffer.to_vec(value.py())?))),
            Err(_) => Err(PyTypeError::new_err(format!(
                "expected bytes, found {}",
                value.get_type().name()?
            ))),
        }
    }
}

/// An id for a new item.
pub(crate) fn item_id<'a>(id: &'a Bound<'_, PyAny>) -> PyResult<ItemId<'a>> {
    if let Ok(text) = id.cast::<PyString>() {
        return Ok(ItemId::Str(text.to_str()?));
    }
    if id.is_instance_of::<PyBool>() {
        return Err(not_an_id(id)); // bool is a subclass of int
    }
    match id.extract::<i64>() {
        Ok(number) => Ok(ItemId::Int(number)),
        Err(error) if error.is_instance_of::<PyTypeError>(id.py()) => Err(not_an_id(id)),
        Err(error) => Err(error),
    }
}

/// The item index of an id, `None` if no item has it. Raises TypeError for a value of another type.
pub(crate) fn find(catalog: &Catalog<'_>, id: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
    if let Ok(text) = id.cast::<PyString>() {
        // A str with a lone surrogate has no UTF-8, so no item has it.
        return Ok(text.to_str().ok().and_then(|text| catalog.index_of(text)));
    }
    if id.is_instance_of::<PyBool>() {
        return Err(not_an_id(id)); // bool is a subclass of int
    }
    match id.extract::<i64>() {
        Ok(number) => Ok(catalog.index_of(number)),
        Err(error) if error.is_instance_of::<PyOverflowError>(id.py()) => Ok(None),
        Err(error) if error.is_instance_of::<PyTypeError>(id.py()) => Err(not_an_id(id)),
        Err(error) => Err(error),
    }
}

fn not_an_id(value: &Bound<'_, PyAny>) -> PyErr {
    match value.get_type().name() {
        Ok(found) => PyTypeError::new_err(format!("an item id is an int or a str, found {found}")),
        Err(error) => error,
    }
}

/// The item index of an id. An unknown id is `None` or a KeyError, depending on `unknown`. An id of
/// the wrong type is always a KeyError: it is a mistake, not an item of another catalogue.
pub(crate) fn index_of(
    catalog: &Catalog<'_>,
    id: &Bound<'_, PyAny>,
    unknown: Unknown,
) -> PyResult<Option<u32>> {
    let index = find(catalog, id)?;
    let hint = match (catalog.is_text(), id.is_instance_of::<PyString>()) {
        (true, false) => "; its ids are of type str",
        (false, true) => "; its ids are of type int",
        _ if index.is_some() || unknown == Unknown::Skip => return Ok(index),
        _ => "",
    };
    let repr = id.repr()?;
    let count = catalog.len();
    Err(PyKeyError::new_err(format!("item {repr} is not among the model's {count} items{hint}")))
}

/// The item indices of ids in any order; unknown ids are skipped or a KeyError.
pub(crate) fn set_of(
    catalog: &Catalog<'_>,
    ids: &Bound<'_, PyAny>,
    unknown: Unknown,
) -> PyResult<Vec<u32>> {
    let indices = indices_of(catalog, values_in_any_order(ids, ITEMS)?, ids.py(), unknown)?;
    Ok(indices.into_iter().flatten().collect())
}

/// `set_of` for ids whose order matters; TypeError for a Python set.
pub(crate) fn sequence_of(
    catalog: &Catalog<'_>,
    ids: &Bound<'_, PyAny>,
    unknown: Unknown,
) -> PyResult<Vec<u32>> {
    let indices = indices_of(catalog, values_of(ids, ITEMS)?, ids.py(), unknown)?;
    Ok(indices.into_iter().flatten().collect())
}

/// `sequence_of`, with `None` for unknown ids that are to be skipped.
pub(crate) fn known_sequence_of(
    catalog: &Catalog<'_>,
    ids: &Bound<'_, PyAny>,
    unknown: Unknown,
) -> PyResult<Vec<Option<u32>>> {
    indices_of(catalog, values_of(ids, ITEMS)?, ids.py(), unknown)
}

pub(crate) const ITEMS: &str = "item ids";

fn indices_of(
    catalog: &Catalog<'_>,
    ids: Values<'_>,
    py: Python<'_>,
    unknown: Unknown,
) -> PyResult<Vec<Option<u32>>> {
    let ids = match ids {
        Values::Any(ids) => {
            return ids.map(|id| index_of(catalog, &id?, unknown)).collect();
        }
        Values::Int(ids) => ids,
    };
    let find = |id: i64| match catalog.index_of(id) {
        None => index_of(catalog, &id.into_bound_py_any(py)?, unknown),
        found => Ok(found),
    };
    ids.into_iter().map(find).collect()
}

/// The ids of some items, as a list of int or of str.
pub(crate) fn ids_of<'py>(
    py: Python<'py>,
    catalog: &Catalog<'_>,
    items: impl IntoIterator<Item = u32>,
) -> PyResult<Bound<'py, PyList>> {
    let ids = items.into_iter().filter_map(|item| catalog.id(item)).map(|id| match id {
        ItemId::Int(number) => number.into_bound_py_any(py),
        ItemId::Str(text) => text.into_bound_py_any(py),
    });
    PyList::new(py, ids.collect::<PyResult<Vec<_>>>()?)
}

/// The precision of a snapshot by its name.
#[derive(Default)]
pub(crate) struct StatePrecision(pub(crate) Precision);

impl<'py> FromPyObject<'_, 'py> for StatePrecision {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match value.extract::<String>()?.as_str() {
            "f32" => Ok(Self(Precision::F32)),
            "f16" => Ok(Self(Precision::F16)),
            other => Err(PyValueError::new_err(format!(
                "precision: found '{other}', expected 'f32' or 'f16'"
            ))),
        }
    }
}

/// The instruction set of a name. Raises ValueError naming the available ones.
pub(crate) fn isa_of(name: Option<&str>) -> PyResult<Option<Isa>> {
    name.map(|name| {
        name.parse().map_err(|_| {
            let available: Vec<_> = Isa::available().map(Isa::name).collect();
            PyValueError::new_err(format!(
                "isa: found '{name}', expected one of those available here: {}",
                available.join(", ")
            ))
        })
    })
    .transpose()
}

/// "Is a directory": the same error number on Linux, macOS and Windows.
const EISDIR: i32 = 21;

/// The Python exception for an error of the engine.
pub(crate) fn to_python(error: Error) -> PyErr {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let (Some(path), Some(source)) = (error.path(), source) else {
        return match error.kind() {
            ErrorKind::UserKind => PyTypeError::new_err(error.to_string()),
            ErrorKind::Panicked => PyRuntimeError::new_err(error.to_string()),
            _ => PyValueError::new_err(error.to_string()),
        };
    };
    // Python chooses FileNotFoundError, PermissionError, ... by the error number, as for `open`, and
    // appends the number and the name.
    let name = path.as_os_str().to_owned();
    if path.is_dir() {
        return PyIsADirectoryError::new_err((EISDIR, "it is a folder, expected a file", name));
    }
    let text = source.to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_owned();
    PyOSError::new_err((source.raw_os_error(), text, name))
}

/// The exception for an error in a file: a ValueError names the file, as an OSError does.
pub(crate) fn in_file(py: Python<'_>, path: Option<&Path>, error: Error) -> PyErr {
    let elsewhere = matches!(error.kind(), ErrorKind::Isa | ErrorKind::OutOfMemory);
    let error = to_python(error);
    match path {
        Some(path) if !elsewhere && error.is_instance_of::<PyValueError>(py) => {
            PyValueError::new_err(format!("{}: {}", path.display(), error.value(py)))
        }
        _ => error,
    }
}

/// The groups of a model's items from any sequence of integers.
pub(crate) fn groups_of(model: &Model, groups: &Bound<'_, PyAny>) -> PyResult<Groups> {
    let numbers: Vec<i64> = groups.extract().map_err(|error: PyErr| {
        let kind = error.value(groups.py()).to_string();
        PyTypeError::new_err(format!("groups: expected one integer per item: {kind}"))
    })?;
    Groups::new(model, &numbers).map_err(to_python)
}
