//! The tables that handles refer to.
//!
//! A handle is a key into a table with the generation of its slot, so a freed handle is recognised.
//! The table is locked for the look-up only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use engine::{Model, Session, TopK};
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

/// A session and its reusable ranking buffer.
struct User {
    session: Session,
    ranking: TopK,
}

type Table<T> = RwLock<Option<SlotMap<DefaultKey, Arc<T>>>>;

static MODELS: Table<Model> = RwLock::new(None);
static SESSIONS: Table<Mutex<User>> = RwLock::new(None);

impl recgrela_model {
    pub(crate) fn new(model: Arc<Model>) -> Self {
        Self { id: put(&MODELS, model) }
    }

    pub(crate) fn get(self) -> Result<Arc<Model>, Failure> {
        get(&MODELS, self.id, "model")
    }

    pub(crate) fn free(self) -> Result<(), Failure> {
        free(&MODELS, self.id, "model")
    }
}

impl recgrela_session {
    pub(crate) fn new(session: Session) -> Self {
        let user = User { session, ranking: TopK::new() };
        Self { id: put(&SESSIONS, Arc::new(Mutex::new(user))) }
    }

    /// Calls a function with the session, once no other call uses it.
    pub(crate) fn with<T>(
        self,
        call: impl FnOnce(&mut Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_ranking(|session, _| call(session))
    }

    /// The same with its ranking buffer.
    pub(crate) fn with_ranking<T>(
        self,
        call: impl FnOnce(&mut Session, &mut TopK) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let user = get(&SESSIONS, self.id, "session")?;
        let User { session, ranking } = &mut *lock(&user)?;
        call(session, ranking)
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
