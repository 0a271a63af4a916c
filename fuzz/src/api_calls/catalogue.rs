//! The current and earlier catalogues of the models.

use std::sync::Arc;

use recgrela::{ErrorKind, Model, Overlay, Session};

use crate::change::Change;
use crate::checks::text;
use crate::common::NaiveCatalogue;
use crate::models;

/// Maximum number of catalogues per input; each costs a model.
const MAX_VERSIONS: usize = 6;

/// Numbers of an embedding's magnitude. No state overflows, so every snapshot can be restored.
const NUMBERS: [f32; 7] = [0.0, 1.0, -1.0, 0.25, -0.6, 2.0, 1e-3];

/// An event and the version of the catalogue at its time.
#[derive(Clone, Copy)]
pub(super) struct Event {
    pub(super) item: u32,
    pub(super) version: usize,
}

/// A catalogue and a model that keeps it.
struct Version {
    naive: NaiveCatalogue,
    model: Arc<Model>,
}

/// The models whose catalogues change, and every version of the catalogue. Each version continues
/// the previous one.
pub(super) struct Catalogues {
    choice: u8,
    /// One per instruction set, then one for the fleet.
    models: Vec<Arc<Model>>,
    /// The current version of each model.
    current: Vec<usize>,
    versions: Vec<Version>,
}

impl Catalogues {
    pub(super) fn new(choice: u8) -> Self {
        let mut models = models::fresh(choice);
        models.push(models::loaded(choice, models[0].isa()));
        let model = Arc::clone(&models::models(choice)[0]);
        let version = Version { naive: NaiveCatalogue::new(&model), model };
        Self { choice, current: vec![0; models.len()], models, versions: vec![version] }
    }

    pub(super) fn models(&self) -> &[Arc<Model>] {
        &self.models
    }

    /// The version of a model's catalogue.
    fn version_of(&self, model: &Arc<Model>) -> usize {
        let index = self.models.iter().position(|other| Arc::ptr_eq(other, model));
        self.current[index.expect("a model of this input")]
    }

    /// Events under a model's current catalogue.
    pub(super) fn now(&self, model: &Arc<Model>, items: &[u32]) -> Vec<Event> {
        let version = self.version_of(model);
        items.iter().map(|&item| Event { item, version }).collect()
    }

    /// Gives a model the latest catalogue and then changes it.
    pub(super) fn change(&mut self, model: u8, change: &Change<'_>) {
        if self.versions.len() == MAX_VERSIONS {
            return;
        }
        let which = usize::from(model) % self.models.len();
        self.set(which, self.versions.len() - 1);
        let model = &self.models[which];
        let mut naive = self.versions[self.versions.len() - 1].naive.clone();
        let size = model.config().hidden_size;
        let outcome =
            model.update_overlay(|overlay| change.make(overlay, &mut naive, size, &NUMBERS));
        match outcome {
            Ok(()) => {
                let keeper = models::loaded(self.choice, self.models[0].isa());
                let overlay = model.overlay().expect("it was just made");
                keeper.set_overlay(Overlay::clone(&overlay)).expect("of the same file");
                self.current[which] = self.versions.len();
                self.versions.push(Version { naive, model: keeper });
            }
            Err(error) => {
                text(&error);
                naive.check(model);
            }
        }
    }

    /// Gives a model an earlier catalogue.
    pub(super) fn take_over(&mut self, model: u8, version: u8) {
        let which = usize::from(model) % self.models.len();
        self.set(which, usize::from(version) % self.versions.len());
    }

    fn set(&mut self, which: usize, version: usize) {
        let model = &self.models[which];
        let next = match self.versions[version].model.overlay() {
            Some(overlay) => overlay.to_bytes(),
            None => Overlay::new(model).to_bytes(),
        };
        let next = Overlay::from_bytes(model, &next).expect("the file of an overlay");
        let count = |version: usize| self.versions[version].naive.ids.len();
        let continues = count(version) >= count(self.current[which]);
        match model.set_overlay(next) {
            Ok(()) => {
                assert!(continues);
                self.current[which] = version;
            }
            Err(error) => {
                assert!(!continues && error.kind() == ErrorKind::Overlay, "{error}");
                self.versions[self.current[which]].naive.check(model);
            }
        }
    }

    /// The expected session on a model after these events, with a log of the last `log` of them.
    /// Another model replays them, each event under the catalogue of its time.
    pub(super) fn replayed(
        &self,
        model: &Arc<Model>,
        events: &[Event],
        log: usize,
        capacity: usize,
    ) -> Session {
        let first_logged = events.len() - log;
        let mut session = Session::new(Arc::clone(&self.versions[0].model));
        for (index, event) in events.iter().enumerate() {
            if index == first_logged {
                session.set_log_capacity(capacity);
            }
            session = self.under(event.version, session);
            let event = models::event(session.model(), event.item);
            session.append(event).expect("an event that was appended before");
        }
        if log == 0 {
            session.set_log_capacity(capacity);
        }
        self.under(self.version_of(model), session)
    }

    /// The session under another version of the catalogue.
    fn under(&self, version: usize, session: Session) -> Session {
        let model = &self.versions[version].model;
        if Arc::ptr_eq(model, session.model()) {
            return session;
        }
        let mut other = Session::new(Arc::clone(model));
        other.set_log_capacity(session.log_capacity());
        other.restore(&session.snapshot()).expect("a catalogue with all items that it had");
        other
    }

    /// Compares the models' catalogues with plain lists.
    pub(super) fn check(&self) {
        for (model, &version) in self.models.iter().zip(&self.current) {
            self.versions[version].naive.check(model);
        }
    }
}
