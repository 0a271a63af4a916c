//! Conversions between an app's events, item ids with names of kinds, and the engine's.

use recgrela::{Event, Kind, Model};

use crate::error::{RecgrelaError, Result};
use crate::item::{ItemId, find, id_of, indices_of};

/// An event, and by how much an item's score falls without it.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Reason {
    /// The position in the history; the oldest event has 0.
    pub position: i64,
    /// The item of the event.
    pub item: ItemId,
    /// The kind of event, if the model has kinds.
    pub kind: Option<String>,
    /// Exact: the score after all events, less that of a session that never had this one.
    pub drop: f32,
}

/// The reasons with ids and names of kinds.
pub(crate) fn reasons(model: &Model, reasons: &[recgrela::Reason]) -> Vec<Reason> {
    let catalog = model.catalog();
    let reason = |reason: &recgrela::Reason| {
        let kind = reason.event.kind.and_then(|kind| model.kind_name(kind)).map(str::to_owned);
        let (position, drop) = (reason.position as i64, reason.drop);
        Some(Reason { position, item: id_of(&catalog, reason.event.item)?, kind, drop })
    };
    reasons.iter().filter_map(reason).collect()
}

/// The events of some items, with their kinds; an unknown item or kind is an error.
pub(crate) fn events_of(
    model: &Model,
    items: &[ItemId],
    kinds: Option<&[String]>,
) -> Result<Vec<Event>> {
    let items = indices_of(&model.catalog(), items)?;
    let kinds = kinds_of(model, items.len(), kinds)?;
    Ok(items.into_iter().zip(kinds).map(Event::from).collect())
}

/// The same, with `None` for an unknown item.
pub(crate) fn known_events_of(
    model: &Model,
    items: &[ItemId],
    kinds: Option<&[String]>,
) -> Result<Vec<Option<Event>>> {
    let catalog = model.catalog();
    let kinds = kinds_of(model, items.len(), kinds)?;
    let events = items.iter().zip(kinds);
    Ok(events.map(|(item, kind)| Some((find(&catalog, item)?, kind).into())).collect())
}

/// The names of kinds.
pub(crate) fn names_of(model: &Model, kinds: impl IntoIterator<Item = Kind>) -> Vec<String> {
    kinds.into_iter().filter_map(|kind| model.kind_name(kind).map(str::to_owned)).collect()
}

/// The kinds of as many events. The engine checks that there are some if the model has kinds.
fn kinds_of(model: &Model, events: usize, names: Option<&[String]>) -> Result<Vec<Option<Kind>>> {
    let Some(names) = names else {
        return Ok(vec![None; events]);
    };
    if names.len() != events {
        let found = names.len();
        let message = format!("kinds: found {found}, expected {events}, one for each item");
        return Err(RecgrelaError::InvalidArgument(message));
    }
    names.iter().map(|name| Ok(Some(model.kind(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{events_of, known_events_of, names_of};
    use crate::item::ItemId;

    fn open(name: &str) -> recgrela::Model {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/");
        recgrela::Model::open(format!("{folder}{name}.safetensors")).unwrap()
    }

    fn first_items(model: &recgrela::Model) -> Vec<ItemId> {
        crate::item::ids_of(&model.catalog(), 0..2)
    }

    #[test]
    fn events_have_the_kinds_of_their_names() {
        let model = open("both");
        let names = model.config().kinds.clone();
        let kinds = [names[2].clone(), names[0].clone()];
        let events = events_of(&model, &first_items(&model), Some(&kinds)).unwrap();
        assert_eq!(events.iter().map(|event| event.item).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(names_of(&model, events.iter().filter_map(|event| event.kind)), kinds);
    }

    #[test]
    fn an_unknown_item_has_no_event_but_an_unknown_kind_is_an_error() {
        let model = open("both");
        let items = [ItemId::Text { value: "no such".to_owned() }];
        let known = model.config().kinds[..1].to_vec();
        assert_eq!(known_events_of(&model, &items, Some(&known)).unwrap(), [None]);
        let unknown = ["no such".to_owned()];
        let message = known_events_of(&model, &items, Some(&unknown)).unwrap_err().to_string();
        for name in &model.config().kinds {
            assert!(message.contains(&format!("`{name}`")), "{message}");
        }
    }

    #[test]
    fn there_is_a_kind_for_each_item() {
        let model = open("both");
        let kinds = model.config().kinds[..1].to_vec();
        let message =
            events_of(&model, &first_items(&model), Some(&kinds)).unwrap_err().to_string();
        assert_eq!(message, "kinds: found 1, expected 2, one for each item");
    }

    #[test]
    fn a_model_without_kinds_refuses_one() {
        let model = open("f32");
        let kinds = ["view".to_owned(), "view".to_owned()];
        assert!(events_of(&model, &first_items(&model), Some(&kinds)).is_err());
        assert!(events_of(&model, &first_items(&model), None).is_ok());
    }
}
