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
    /// Exact: the score after all events minus that of a session that never had this one.
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

/// What an app tells of some events besides their items.
#[derive(Clone, Copy, Default)]
pub(crate) struct Details<'a> {
    pub(crate) kinds: Option<&'a [String]>,
    pub(crate) times: Option<&'a [i64]>,
}

/// The events of some items; an unknown item or kind is an error.
pub(crate) fn events_of(
    model: &Model,
    items: &[ItemId],
    details: Details<'_>,
) -> Result<Vec<Event>> {
    let items = indices_of(&model.catalog(), items)?;
    let detailed = details.of_each(model, items.len())?;
    let events = items.into_iter().zip(detailed);
    Ok(events.map(|(item, (kind, time))| (item, kind, time).into()).collect())
}

/// The same, with `None` for an unknown item.
pub(crate) fn known_events_of(
    model: &Model,
    items: &[ItemId],
    details: Details<'_>,
) -> Result<Vec<Option<Event>>> {
    let catalog = model.catalog();
    let events = items.iter().zip(details.of_each(model, items.len())?);
    Ok(events
        .map(|(item, (kind, time))| Some((find(&catalog, item)?, kind, time).into()))
        .collect())
}

/// The names of kinds.
pub(crate) fn names_of(model: &Model, kinds: impl IntoIterator<Item = Kind>) -> Vec<String> {
    kinds.into_iter().filter_map(|kind| model.kind_name(kind).map(str::to_owned)).collect()
}

impl Details<'_> {
    /// The kind and the time of as many events. The engine checks that they are what the model needs.
    fn of_each(
        self,
        model: &Model,
        events: usize,
    ) -> Result<impl Iterator<Item = (Option<Kind>, Option<i64>)>> {
        check_length("kinds", self.kinds.map(<[_]>::len), events)?;
        check_length("times", self.times.map(<[_]>::len), events)?;
        let kind = |index: usize| self.kinds.map(|names| model.kind(&names[index])).transpose();
        let kinds: Vec<_> = (0..events).map(kind).collect::<recgrela::Result<_>>()?;
        let times = self.times;
        let detail = move |(index, kind)| (kind, times.map(|times: &[i64]| times[index]));
        Ok(kinds.into_iter().enumerate().map(detail))
    }
}

fn check_length(what: &str, found: Option<usize>, expected: usize) -> Result<()> {
    match found.filter(|&found| found != expected) {
        None => Ok(()),
        Some(found) => Err(RecgrelaError::InvalidArgument(format!(
            "{what}: found {found}, expected {expected}, one for each item"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Details, events_of, known_events_of, names_of};
    use crate::item::ItemId;

    fn open(name: &str) -> recgrela::Model {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/");
        recgrela::Model::open(format!("{folder}{name}.safetensors")).unwrap()
    }

    fn first_items(model: &recgrela::Model) -> Vec<ItemId> {
        crate::item::ids_of(&model.catalog(), 0..2)
    }

    fn kinds(names: &[String]) -> Details<'_> {
        Details { kinds: Some(names), times: None }
    }

    #[test]
    fn events_have_the_kinds_of_their_names() {
        let model = open("both");
        let names = model.config().kinds.clone();
        let named = [names[2].clone(), names[0].clone()];
        let events = events_of(&model, &first_items(&model), kinds(&named)).unwrap();
        assert_eq!(events.iter().map(|event| event.item).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(names_of(&model, events.iter().filter_map(|event| event.kind)), named);
    }

    #[test]
    fn an_unknown_item_has_no_event_but_an_unknown_kind_is_an_error() {
        let model = open("both");
        let items = [ItemId::Text { value: "no such".to_owned() }];
        let known = model.config().kinds[..1].to_vec();
        assert_eq!(known_events_of(&model, &items, kinds(&known)).unwrap(), [None]);
        let unknown = ["no such".to_owned()];
        let message = known_events_of(&model, &items, kinds(&unknown)).unwrap_err().to_string();
        for name in &model.config().kinds {
            assert!(message.contains(&format!("`{name}`")), "{message}");
        }
    }

    #[test]
    fn there_is_a_kind_and_a_time_for_each_item() {
        let model = open("gaps");
        let items = first_items(&model);
        let message = |details| events_of(&model, &items, details).unwrap_err().to_string();
        let few = message(kinds(&model.config().kinds[..1]));
        assert_eq!(few, "kinds: found 1, expected 2, one for each item");
        let many = message(Details { kinds: None, times: Some(&[1, 2, 3]) });
        assert_eq!(many, "times: found 3, expected 2, one for each item");
        let details = Details { kinds: Some(&model.config().kinds), times: Some(&[7, 9]) };
        let events = events_of(&model, &items, details).unwrap();
        assert_eq!(events.iter().map(|event| event.time).collect::<Vec<_>>(), [Some(7), Some(9)]);
    }

    #[test]
    fn a_model_without_kinds_refuses_one() {
        let model = open("f32");
        let names = ["view".to_owned(), "view".to_owned()];
        assert!(events_of(&model, &first_items(&model), kinds(&names)).is_err());
        assert!(events_of(&model, &first_items(&model), Details::default()).is_ok());
    }
}
