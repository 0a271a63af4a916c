//! The keyword arguments that filter recommendations.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use recgrela::{Filter, Groups, Model, Quota};

use crate::convert::{Count, Unknown, groups_of, set_of};

/// The keyword arguments of `top_k` that filter items.
pub(crate) struct Choice<'a, 'py> {
    pub(crate) exclude_seen: bool,
    pub(crate) allow: Option<&'a Bound<'py, PyAny>>,
    pub(crate) deny: Option<&'a Bound<'py, PyAny>>,
    pub(crate) max_per_group: Option<Count>,
    pub(crate) groups: Option<&'a Bound<'py, PyAny>>,
    pub(crate) unknown: Unknown,
}

/// The same with ids resolved to item indices.
pub(crate) struct Options {
    exclude_seen: bool,
    allow: Option<Vec<u32>>,
    deny: Vec<u32>,
    quota: Option<(Arc<Groups>, usize)>,
}

impl Options {
    /// Resolves the ids; `loaded` are the groups passed to `load`.
    pub(crate) fn new(
        model: &Model,
        loaded: Option<&Arc<Groups>>,
        choice: &Choice<'_, '_>,
    ) -> PyResult<Self> {
        let catalog = model.catalog();
        let list = |ids: Option<&Bound<'_, PyAny>>| {
            ids.map(|ids| set_of(&catalog, ids, choice.unknown)).transpose()
        };
        let quota = match (&choice.max_per_group, choice.groups) {
            (None, None) => None,
            (None, Some(_)) => {
                return Err(PyValueError::new_err("groups: expected max_per_group with them"));
            }
            (Some(limit), Some(groups)) => Some((Arc::new(groups_of(model, groups)?), limit.0)),
            (Some(limit), None) => {
                let groups = loaded.ok_or_else(|| {
                    PyValueError::new_err(
                        "max_per_group: found no groups, expected them here or at load: groups=",
                    )
                })?;
                Some((Arc::clone(groups), limit.0))
            }
        };
        let (allow, deny) = (list(choice.allow)?, list(choice.deny)?.unwrap_or_default());
        Ok(Self { exclude_seen: choice.exclude_seen, allow, deny, quota })
    }

    pub(crate) fn filter(&self) -> Filter<'_> {
        let mut filter = Filter::default().exclude_seen(self.exclude_seen).deny(&self.deny);
        filter.allow = self.allow.as_deref();
        filter.quota = self.quota.as_ref().map(|(groups, limit)| Quota { groups, limit: *limit });
        filter
    }
}
