//! User ids from Python, and back.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBool, PyList, PyString};
use recgrela::{OwnedUserId, UserId};

use crate::sequence::{Values, values_of};

/// One user.
pub(crate) struct User(OwnedUserId);

impl User {
    pub(crate) fn id(&self) -> UserId<'_> {
        (&self.0).into()
    }
}

/// TypeError for a value that is neither int nor str.
impl<'py> FromPyObject<'_, 'py> for User {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if value.is_instance_of::<PyString>() {
            let id = value.extract::<PyBackedStr>()?;
            return Ok(Self(OwnedUserId::Str((&*id).into())));
        }
        // bool is a subclass of int.
        let number = if value.is_instance_of::<PyBool>() { None } else { Some(value.extract()) };
        match number {
            Some(Ok(number)) => Ok(Self(OwnedUserId::Int(number))),
            Some(Err(error)) if !error.is_instance_of::<PyTypeError>(value.py()) => Err(error),
            _ => Err(PyTypeError::new_err(format!(
                "a user id is an int or a str, found {}",
                value.get_type().name()?
            ))),
        }
    }
}

/// Users in order. Kinds are mixed only until the engine refuses them.
pub(crate) enum Users {
    Int(Vec<i64>),
    Any(Vec<User>),
}

impl Users {
    /// From a list, an array of NumPy or Arrow, or a column of polars or pandas.
    pub(crate) fn new(users: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(match values_of(users, "user ids")? {
            Values::Int(ids) => Self::Int(ids),
            Values::Any(ids) => Self::Any(ids.map(|id| id?.extract()).collect::<PyResult<_>>()?),
        })
    }

    pub(crate) fn ids(&self) -> Vec<UserId<'_>> {
        match self {
            Self::Int(ids) => ids.iter().map(|&id| UserId::Int(id)).collect(),
            Self::Any(ids) => ids.iter().map(User::id).collect(),
        }
    }
}

/// The id that a value is. None if no fleet can have such a user: a value of another type, an int
/// beyond 64 bits, a str with a lone surrogate.
pub(crate) fn user_or_none(value: &Bound<'_, PyAny>) -> PyResult<Option<User>> {
    let py = value.py();
    match value.extract::<User>() {
        Ok(user) => Ok(Some(user)),
        Err(error)
            if error.is_instance_of::<PyTypeError>(py)
                || error.is_instance_of::<PyOverflowError>(py)
                || error.is_instance_of::<PyUnicodeEncodeError>(py) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// An id as an int or a str.
pub(crate) fn user_of<'py>(py: Python<'py>, user: UserId<'_>) -> PyResult<Bound<'py, PyAny>> {
    match user {
        UserId::Int(id) => id.into_bound_py_any(py),
        UserId::Str(id) => id.into_bound_py_any(py),
    }
}

/// The ids as a list of int or of str.
pub(crate) fn users_of<'py, 'a>(
    py: Python<'py>,
    users: impl Iterator<Item = UserId<'a>>,
) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, users.map(|user| user_of(py, user)).collect::<PyResult<Vec<_>>>()?)
}
