//! Pickling of a scorer.

use std::path::PathBuf;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use recgrela::Overlay;

use crate::convert::{Blob, StatePrecision, groups_of, to_python};
use crate::scorer::EdgeScorer;

/// The model's path and fingerprint, a snapshot, the groups passed to `load`, and the overlay.
pub(crate) type Kept<'py> =
    (PathBuf, String, Bound<'py, PyBytes>, Option<Vec<usize>>, Option<Bound<'py, PyBytes>>);

pub(crate) fn keep<'py>(py: Python<'py>, scorer: &EdgeScorer) -> PyResult<Kept<'py>> {
    let path = scorer.path.as_ref().ok_or_else(|| {
        PyTypeError::new_err(
            "cannot pickle a scorer whose model came as bytes: use EdgeScorer.load, or pickle its \
             snapshot()",
        )
    })?;
    let groups = scorer.groups.as_ref();
    let groups = groups.map(|groups| (0..).map_while(|item| groups.of(item)).collect());
    let overlay = scorer.model.overlay().map(|overlay| PyBytes::new(py, &overlay.to_bytes()));
    let snapshot = scorer.snapshot(py, StatePrecision::default())?;
    Ok((path.to_path_buf(), scorer.fingerprint(), snapshot, groups, overlay))
}

/// Loads the model from its path and restores the session.
#[pyfunction]
pub(crate) fn _unpickle(
    py: Python<'_>,
    path: PathBuf,
    fingerprint: &str,
    snapshot: Blob<'_>,
    groups: Option<&Bound<'_, PyAny>>,
    overlay: Option<Blob<'_>>,
) -> PyResult<EdgeScorer> {
    let mut scorer = EdgeScorer::load(py, path.clone(), None, true, None, false)?;
    if scorer.fingerprint() != fingerprint {
        let (path, found) = (path.display(), scorer.fingerprint());
        return Err(PyValueError::new_err(format!(
            "{path}: found model {found}, expected {fingerprint}, that of the pickled scorer"
        )));
    }
    if let Some(overlay) = overlay {
        Overlay::from_bytes(&scorer.model, &overlay.0)
            .and_then(|overlay| scorer.model.set_overlay(overlay))
            .map_err(to_python)?;
    }
    scorer.groups =
        groups.map(|groups| groups_of(&scorer.model, groups)).transpose()?.map(Into::into);
    scorer.restore(py, snapshot)?;
    Ok(scorer)
}
