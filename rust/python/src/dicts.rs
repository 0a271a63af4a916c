//! Descriptions of a model and of checks, as dicts.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use recgrela::{Config, IsaComparison, Verification};

pub(crate) fn verification<'py>(
    py: Python<'py>,
    report: &Verification,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("sequences", report.sequences)?;
    dict.set_item("scores", report.scores)?;
    dict.set_item("max_difference", report.largest_difference)?;
    Ok(dict)
}

pub(crate) fn comparison<'py>(
    py: Python<'py>,
    report: &IsaComparison,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let isas: Vec<_> = report.isas.iter().map(|isa| isa.name()).collect();
    dict.set_item("isas", isas)?;
    dict.set_item("sequences", report.sequences)?;
    dict.set_item("events", report.events)?;
    dict.set_item("scores", report.scores)?;
    Ok(dict)
}

pub(crate) fn config<'py>(py: Python<'py>, config: &Config) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("hidden_size", config.hidden_size)?;
    dict.set_item("num_heads", config.num_heads)?;
    dict.set_item("num_layers", config.num_layers)?;
    dict.set_item("inner_size", config.inner_size)?;
    dict.set_item("num_items", config.num_items)?;
    dict.set_item("gate", config.gate)?;
    dict.set_item("local_conv", config.local_conv)?;
    dict.set_item("positions", config.positions.name())?;
    dict.set_item("final_norm", config.final_norm)?;
    dict.set_item("start", config.start)?;
    dict.set_item("kinds", &config.kinds)?;
    dict.set_item("gaps", config.gaps)?;
    Ok(dict)
}
