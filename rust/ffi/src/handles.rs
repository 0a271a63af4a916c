//! The tables that handles refer to.
//!
//! A handle is a key into a table with the generation of its slot, so a freed handle is recognised.
//! The table is locked for the look-up only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use engine::{Groups, Model, Session, TopK};
use slotmap::{DefaultKey, Key, KeyData, SlotMap};

use crate::error::{Failure, recgrela_status};

/// A model: its weights and catalogue, for any number of sessions.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct recgrela_model {
    /// Never 0 for a model.
    pub id: u64,
}

/// One user's session on a model.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct recgrela_session {
    /// Never 0 for a session.
    pub id: u64,
}

/// A model, and the groups of its items for quotas.
pub(crate) struct Loaded {
    pub(crate) model: Arc<Model>,
    groups: RwLock<Option<Arc<Groups>>>,
}

impl Loaded {
    pub(crate) fn new(model: Model) -> Self {
        Self { model: Arc::new(model), groups: RwLock::new(None) }
    }

    pub(crate) fn groups(&self) -> Option<Arc<Groups>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_groups(&self, groups: Groups) {
        *self.groups.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(groups));
    }
}

/// A session, its reusable ranking buffer, and its model.
pub(crate) struct User {
    pub(crate) session: Session,
    pub(crate) ranking: TopK,
    pub(crate) loaded: Arc<Loaded>,
}

type Table<T> = RwLock<Option<SlotMap<DefaultKey, Arc<T>>>>;

static MODELS: Table<Loaded> = RwLock::new(None);
static SESSIONS: Table<Mutex<User>> = RwLock::new(None);

impl recgrela_model {
    pub(crate) fn new(model: Model) -> Self {
        Self { id: put(&MODELS, Arc::new(Loaded::new(model))) }
    }

    pub(crate) fn loaded(self) -> Result<Arc<Loaded>, Failure> {
        get(&MODELS, self.id, "model")
    }

    pub(crate) fn get(self) -> Result<Arc<Model>, Failure> {
        Ok(Arc::clone(&self.loaded()?.model))
    }

    pub(crate) fn free(self) -> Result<(), Failure> {
        free(&MODELS, self.id, "model")
    }
}

impl recgrela_session {
    pub(crate) fn new(session: Session, loaded: Arc<Loaded>) -> Self {
        let user = User { session, ranking: TopK::new(), loaded };
        Self { id: put(&SESSIONS, Arc::new(Mutex::new(user))) }
    }

    /// Calls a function with the session, once no other call uses it.
    pub(crate) fn with<T>(
        self,
        call: impl FnOnce(&mut Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_user(|user| call(&mut user.session))
    }

    /// The same with its ranking buffer and model.
    pub(crate) fn with_user<T>(
        self,
        call: impl FnOnce(&mut User) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let user = get(&SESSIONS, self.id, "session")?;
        call(&mut *lock(&user)?)
    }

    pub(crate) fn free(self) -> Result<(), Failure> {
        free(&SESSIONS, self.id, "session")
    }
}

/// A panic may have left the session half changed, so further calls are refused.
fn lock(user: &Mutex<User>) -> Result<MutexGuard<'_, User>, Failure> {
    user.lock().map_err(|_| {
        Failure::new(
            recgrela_status::Internal,
            "session: an earlier call on it hit a bug in recgrela: free it",
        )
    })
}

fn put<T>(table: &Table<T>, value: Arc<T>) -> u64 {
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    table.get_or_insert_default().insert(value).data().as_ffi()
}

fn get<T>(table: &Table<T>, id: u64, what: &str) -> Result<Arc<T>, Failure> {
    let table = table.read().unwrap_or_else(PoisonError::into_inner);
    let found = table.as_ref().and_then(|table| table.get(key(id)));
    found.cloned().ok_or_else(|| invalid(id, what))
}

/// The value is dropped after the table is unlocked, or by the last call that uses it.
fn free<T>(table: &Table<T>, id: u64, what: &str) -> Result<(), Failure> {
    if id == 0 {
        return Ok(());
    }
    let mut held = table.write().unwrap_or_else(PoisonError::into_inner);
    let value = held.as_mut().and_then(|table| table.remove(key(id)));
    drop(held);
    value.map(drop).ok_or_else(|| invalid(id, what))
}

fn key(id: u64) -> DefaultKey {
    KeyData::from_ffi(id).into()
}

fn invalid(id: u64, what: &str) -> Failure {
    let found = if id == 0 { "no" } else { "a freed or unknown" };
    Failure::new(
        recgrela_status::InvalidHandle,
        format!("{what}: found {found} handle, expected one that was created and not freed"),
    )
}
