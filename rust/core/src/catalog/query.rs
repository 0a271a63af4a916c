//! What is asked of the catalogue, for one user or for many.

use super::filter::{Excluded, Filter, Lists};
use crate::model::View;
use crate::simd::Backend;
use crate::{Model, Overlay, Result};

/// A query that was checked.
pub(crate) struct Query<'a> {
    pub(super) backend: Backend,
    pub(super) catalog: View<'a>,
    /// How many items to return, at most as many as there are.
    pub(super) k: usize,
    pub(super) filter: &'a Filter<'a>,
}

/// Whom it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct User<'a> {
    pub(crate) hidden: &'a [f32],
    /// Ascending.
    pub(crate) seen: &'a [u32],
}

impl<'a> Query<'a> {
    /// Checks that the filter's items exist, and that its groups are the model's.
    pub(crate) fn new(
        model: &'a Model,
        overlay: Option<&'a Overlay>,
        k: usize,
        filter: &'a Filter<'a>,
    ) -> Result<Self> {
        let catalog = model.view(overlay);
        catalog.check(filter.items())?;
        filter.quota.map_or(Ok(()), |quota| quota.check(model))?;
        Ok(Self { backend: model.backend, catalog, k: k.min(catalog.len()), filter })
    }

    /// Whether no item may be returned, whatever there is.
    pub(super) fn wants_nothing(&self) -> bool {
        self.k == 0 || self.filter.quota.is_some_and(|quota| quota.limit == 0)
    }

    /// What not to return to a user who has seen some items.
    pub(super) fn excluded<'l>(&self, seen: &'l [u32], lists: &'l Lists) -> Excluded<'l> {
        Excluded::new(if self.filter.exclude_seen { seen } else { &[] }, &lists.deny)
    }
}
