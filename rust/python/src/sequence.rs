//! Sequences of ids: lists, arrays of NumPy and Arrow, columns of polars and pandas.

use numpy::{PyArray1, PyArrayDescrMethods, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{
    PyByteArray, PyBytes, PyDict, PyFrozenSet, PyIterator, PySet, PyString, PyTuple,
};

/// The values of a sequence.
pub(crate) enum Values<'py> {
    Int(Vec<i64>),
    Any(Bound<'py, PyIterator>),
}

/// The values of an ordered sequence. `what` says what they are, such as "item ids".
pub(crate) fn values_of<'py>(ids: &Bound<'py, PyAny>, what: &str) -> PyResult<Values<'py>> {
    values_in_any_order(ordered(ids, what)?, what)
}

/// Returns the argument; TypeError for a set.
pub(crate) fn ordered<'a, 'py>(
    ids: &'a Bound<'py, PyAny>,
    what: &str,
) -> PyResult<&'a Bound<'py, PyAny>> {
    if ids.is_instance_of::<PySet>() || ids.is_instance_of::<PyFrozenSet>() {
        let found = ids.get_type().name()?;
        let message = format!("expected {what} in order, found a {found}, which is unordered");
        return Err(PyTypeError::new_err(message));
    }
    Ok(ids)
}

/// [`values_of`], also for sets.
pub(crate) fn values_in_any_order<'py>(
    ids: &Bound<'py, PyAny>,
    what: &str,
) -> PyResult<Values<'py>> {
    let array = array_of(ids)?;
    if let Some(array) = &array
        && array.ndim() == 1
        && matches!(array.dtype().kind(), b'i' | b'u')
    {
        return integers(array).map(Values::Int);
    }
    let ids = match array {
        // Texts, all at once.
        Some(array) if array.ndim() == 1 && matches!(array.dtype().kind(), b'O' | b'U' | b'T') => {
            array.call_method0("tolist")?
        }
        Some(array) => array.into_any(),
        None => ids.clone(),
    };
    each_of(&ids, what).map(Values::Any)
}

/// The array that a value is, or that it offers to become.
fn array_of<'py>(ids: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyUntypedArray>>> {
    if let Ok(array) = ids.cast::<PyUntypedArray>() {
        // Its masked values would be taken for ids.
        if array.hasattr("mask")? {
            let message = "expected values without a mask, found a masked array";
            return Err(PyTypeError::new_err(message));
        }
        return Ok(Some(array.clone()));
    }
    if is_table(ids) || !ids.hasattr("to_numpy")? {
        return Ok(None);
    }
    let options = PyDict::new(ids.py());
    // Of all, only an Arrow array has to be told that it may copy.
    if ids.hasattr("to_pylist")? && !ids.hasattr("chunks")? {
        options.set_item("zero_copy_only", false)?;
    }
    let array = ids.call_method("to_numpy", (), Some(&options))?;
    Ok(array.cast_into::<PyUntypedArray>().ok())
}

fn integers(array: &Bound<'_, PyUntypedArray>) -> PyResult<Vec<i64>> {
    let array = if array.dtype().kind() == b'u' && array.dtype().itemsize() == 8 {
        // Python's integers overflow where a cast would wrap.
        return array.call_method0("tolist")?.extract();
    } else {
        array.call_method1("astype", ("int64",))?
    };
    Ok(array.cast::<PyArray1<i64>>()?.readonly().as_array().to_vec())
}

fn is_table(ids: &Bound<'_, PyAny>) -> bool {
    let shape = ids.getattr("shape").ok();
    shape.is_some_and(|shape| shape.cast::<PyTuple>().is_ok_and(|shape| shape.len() > 1))
}

/// Iterates over a list, or over any other iterable that is not a single id.
pub(crate) fn each_of<'py>(
    ids: &Bound<'py, PyAny>,
    what: &str,
) -> PyResult<Bound<'py, PyIterator>> {
    // Iterating over a table (pandas, polars, NumPy) would yield its column names or its rows.
    if is_table(ids) {
        let message = format!("expected a list of {what}, found shape {}", ids.getattr("shape")?);
        return Err(PyTypeError::new_err(message));
    }
    match ids.try_iter() {
        // The characters of a str, or the values of bytes, would be taken for ids.
        Ok(iterator) if !is_one_value(ids) => Ok(iterator),
        Err(error) if !error.is_instance_of::<PyTypeError>(ids.py()) => Err(error),
        _ => {
            let found = ids.get_type().name()?;
            let message = format!("expected a list of {what}, found one {found}");
            Err(PyTypeError::new_err(message))
        }
    }
}

fn is_one_value(ids: &Bound<'_, PyAny>) -> bool {
    ids.is_instance_of::<PyString>()
        || ids.is_instance_of::<PyBytes>()
        || ids.is_instance_of::<PyByteArray>()
}
