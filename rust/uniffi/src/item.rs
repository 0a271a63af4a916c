//! Conversions between an app's item ids and the engine's item indices.

use std::sync::{Arc, PoisonError, RwLock};

use recgrela::{Catalog, Groups, Quota, Scored};

use crate::error::{RecgrelaError, Result};

/// An item's id, as in the data that the model was trained on. All ids of a model have one type.
#[derive(Clone, Debug, uniffi::Enum)]
pub enum ItemId {
    /// A number.
    Number {
        /// The id.
        value: i64,
    },
    /// A string.
    Text {
        /// The id.
        value: String,
    },
}

/// An item and its score.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Recommendation {
    /// The item.
    pub item: ItemId,
    /// The score, comparable within one result; not a probability.
    pub score: f32,
}

/// Limits which items may be recommended.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Filter {
    /// Exclude the items that the session has seen.
    #[uniffi(default = true)]
    pub exclude_seen: bool,
    /// If set, only these items.
    #[uniffi(default = None)]
    pub allow: Option<Vec<ItemId>>,
    /// Exclude these items.
    #[uniffi(default = [])]
    pub deny: Vec<ItemId>,
    /// If set, at most this many items of one group; see `setGroups` of the model.
    #[uniffi(default = None)]
    pub max_per_group: Option<i32>,
}

/// The item indices and groups of a [`Filter`], from which the engine's filter borrows.
pub(crate) struct Lists {
    exclude_seen: bool,
    allow: Option<Vec<u32>>,
    deny: Vec<u32>,
    quota: Option<(Arc<Groups>, usize)>,
}

impl Lists {
    pub(crate) fn new(
        catalog: &Catalog<'_>,
        groups: &ModelGroups,
        filter: &Filter,
    ) -> Result<Self> {
        let allow = filter.allow.as_ref().map(|ids| indices_of(catalog, ids)).transpose()?;
        let deny = indices_of(catalog, &filter.deny)?;
        let quota = filter.max_per_group.map(|limit| quota_of(groups, limit)).transpose()?;
        Ok(Self { exclude_seen: filter.exclude_seen, allow, deny, quota })
    }

    pub(crate) fn filter(&self) -> recgrela::Filter<'_> {
        let mut filter =
            recgrela::Filter::default().exclude_seen(self.exclude_seen).deny(&self.deny);
        filter.allow = self.allow.as_deref();
        filter.quota = self.quota.as_ref().map(|(groups, limit)| Quota { groups, limit: *limit });
        filter
    }
}

fn quota_of(groups: &ModelGroups, limit: i32) -> Result<(Arc<Groups>, usize)> {
    let message = "maxPerGroup: found no groups, expected them: call setGroups of the model";
    let missing = || RecgrelaError::InvalidArgument(message.to_owned());
    Ok((groups.get().ok_or_else(missing)?, count("maxPerGroup", limit)?))
}

/// The groups of a model's items, for the quotas of its sessions.
#[derive(Default)]
pub(crate) struct ModelGroups(RwLock<Option<Arc<Groups>>>);

impl ModelGroups {
    fn get(&self) -> Option<Arc<Groups>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, groups: Groups) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(groups));
    }
}

impl ItemId {
    /// The engine's form of the id.
    pub(crate) fn engine(&self) -> recgrela::ItemId<'_> {
        match self {
            Self::Number { value } => recgrela::ItemId::Int(*value),
            Self::Text { value } => recgrela::ItemId::Str(value),
        }
    }
}

/// The item index of an id, if an item has it.
pub(crate) fn find(catalog: &Catalog<'_>, id: &ItemId) -> Option<u32> {
    catalog.index_of(id.engine())
}

/// The item indices of some ids; an unknown id is an error.
pub(crate) fn indices_of(catalog: &Catalog<'_>, ids: &[ItemId]) -> Result<Vec<u32>> {
    ids.iter().map(|id| index_of(catalog, id)).collect()
}

/// The item index of an id; an unknown id is an error.
pub(crate) fn index_of(catalog: &Catalog<'_>, id: &ItemId) -> Result<u32> {
    find(catalog, id).ok_or_else(|| unknown(catalog, id))
}

fn unknown(catalog: &Catalog<'_>, id: &ItemId) -> RecgrelaError {
    let (found, hint) = match (id, catalog.is_text()) {
        (ItemId::Number { value }, true) => (value.to_string(), "; its ids are texts"),
        (ItemId::Number { value }, false) => (value.to_string(), ""),
        (ItemId::Text { value }, true) => (format!("{value:?}"), ""),
        (ItemId::Text { value }, false) => (format!("{value:?}"), "; its ids are numbers"),
    };
    let count = catalog.len();
    RecgrelaError::UnknownItem(format!("item {found} is not among the model's {count} items{hint}"))
}

/// The ids of some items.
pub(crate) fn ids_of(catalog: &Catalog<'_>, items: impl IntoIterator<Item = u32>) -> Vec<ItemId> {
    items.into_iter().filter_map(|item| id_of(catalog, item)).collect()
}

/// The ids and scores of a ranking.
pub(crate) fn recommendations(catalog: &Catalog<'_>, ranking: &[Scored]) -> Vec<Recommendation> {
    let recommendation =
        |&Scored { item, score }| Some(Recommendation { item: id_of(catalog, item)?, score });
    ranking.iter().filter_map(recommendation).collect()
}

pub(crate) fn id_of(catalog: &Catalog<'_>, item: u32) -> Option<ItemId> {
    Some(match catalog.id(item)? {
        recgrela::ItemId::Int(value) => ItemId::Number { value },
        recgrela::ItemId::Str(value) => ItemId::Text { value: value.to_owned() },
    })
}

/// A count, 0 or more.
pub(crate) fn count(what: &str, found: i32) -> Result<usize> {
    usize::try_from(found).map_err(|_| {
        RecgrelaError::InvalidArgument(format!("{what}: found {found}, expected 0 or more"))
    })
}

#[cfg(test)]
mod tests {
    use super::{ItemId, count, indices_of};

    #[test]
    fn an_unknown_id_is_named_with_the_kind_that_the_model_has() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/text-ids.safetensors");
        let model = recgrela::Model::open(path).unwrap();
        let message = |id| indices_of(&model.catalog(), &[id]).unwrap_err().to_string();
        let number = message(ItemId::Number { value: 7 });
        assert_eq!(number, "item 7 is not among the model's 70 items; its ids are texts");
        let text = message(ItemId::Text { value: "a\nb".to_owned() });
        assert_eq!(text, "item \"a\\nb\" is not among the model's 70 items");
    }

    #[test]
    fn a_count_is_not_negative() {
        assert_eq!(count("k", 0).unwrap(), 0);
        assert_eq!(count("k", -1).unwrap_err().to_string(), "k: found -1, expected 0 or more");
    }
}
