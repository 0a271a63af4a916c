//! What a model needs to know of an event.

use crate::error::Cause;
use crate::{Error, Event, Kind, Model, Overlay, Result};

impl Model {
    /// The kind of event with a name. If there is none, the error lists the model's kinds.
    pub fn kind(&self, name: &str) -> Result<Kind> {
        match self.config().kinds.iter().position(|kind| kind == name) {
            // There are at most 255 kinds.
            Some(index) => Ok(Kind::new(index as u8)),
            None => Err(self.unknown_kind(format!("`{name}`"))),
        }
    }

    /// The name of a kind; `None` if it is not one of the model's.
    pub fn kind_name(&self, kind: Kind) -> Option<&str> {
        self.config().kinds.get(usize::from(kind.index())).map(String::as_str)
    }

    /// Checks that the events have valid items, and the kinds and times that the model needs.
    pub(crate) fn check_events(
        &self,
        overlay: Option<&Overlay>,
        events: impl Iterator<Item = Event> + Clone,
    ) -> Result<()> {
        self.view(overlay).check(events.clone().map(|event| event.item))?;
        self.check_kinds(events.clone())?;
        self.check_times(events)
    }

    fn check_kinds(&self, mut events: impl Iterator<Item = Event>) -> Result<()> {
        let kinds = self.config().kinds.len();
        let valid = |kind: Option<Kind>| match kind {
            None => kinds == 0,
            Some(kind) => usize::from(kind.index()) < kinds,
        };
        match events.find(|event| !valid(event.kind)).map(|event| event.kind) {
            None => Ok(()),
            Some(None) => Err(Cause::MissingKind { known: self.known_kinds() }.into()),
            Some(Some(kind)) => Err(self.unknown_kind(format!("index {}", kind.index()))),
        }
    }

    fn check_times(&self, mut events: impl Iterator<Item = Event>) -> Result<()> {
        let wanted = self.config().gaps;
        match events.find(|event| event.time.is_some() != wanted).map(|event| event.time) {
            None => Ok(()),
            Some(None) => Err(Cause::MissingTime.into()),
            Some(Some(found)) => Err(Cause::TimeWithoutGaps { found }.into()),
        }
    }

    fn unknown_kind(&self, found: String) -> Error {
        match self.config().kinds.is_empty() {
            true => Cause::KindWithoutKinds { found }.into(),
            false => Cause::UnknownKind { found, known: self.known_kinds() }.into(),
        }
    }

    fn known_kinds(&self) -> String {
        let names: Vec<_> = self.config().kinds.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    }
}
