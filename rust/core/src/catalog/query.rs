//! A query of the catalogue, for one user or many.

use super::filter::Filter;
use crate::model::View;
use crate::simd::Backend;
use crate::{Model, Overlay, Result};

pub(crate) struct Query<'a> {
    pub(super) backend: Backend,
    pub(super) catalog: View<'a>,
    /// The number of items to return, at most the size of the catalogue.
    pub(super) k: usize,
    pub(crate) filter: &'a Filter<'a>,
}

#[derive(Clone, Copy)]
pub(crate) struct User<'a> {
    pub(crate) hidden: &'a [f32],
    /// The items not to return, besides those of the filter. Ascending.
    pub(crate) excluded: &'a [u32],
}

impl<'a> Query<'a> {
    /// Checks that the filter's items are valid indices, and that its groups belong to the model.
    pub(crate) fn new(
        model: &'a Model,
        overlay: Option<&'a Overlay>,
        k: usize,
        filter: &'a Filter<'a>,
    ) -> Result<Self> {
        let catalog = model.view(overlay);
        catalog.check(filter.items())?;
        if let Some(quota) = filter.quota {
            model.check_fingerprint("groups", quota.groups.model)?;
        }
        Ok(Self { backend: model.backend, catalog, k: k.min(catalog.len()), filter })
    }

    /// Whether the answer is empty whatever the scores.
    pub(super) fn is_empty(&self) -> bool {
        self.k == 0 || self.filter.quota.is_some_and(|quota| quota.limit == 0)
    }

    /// How many threads may help with queries. With a quota, each counts all groups: at most four
    /// counts per item in total.
    #[cfg(feature = "threads")]
    pub(crate) fn other_threads(&self) -> usize {
        let groups = self.filter.quota.map_or(1, |quota| quota.groups.count());
        4 * self.catalog.len() / groups
    }
}
