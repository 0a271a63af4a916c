//! Which slot each user has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use super::{OwnedUserId, UserId};
use crate::Result;
use crate::error::Cause;

/// The users of a fleet. Slots are numbered without gaps, in order of arrival, until a user is
/// removed: then the last user takes its slot.
#[derive(Default)]
pub(super) enum Users {
    /// The first user decides the kind, which stays.
    #[default]
    None,
    Int(Slots<i64>),
    Str(Slots<Arc<str>>),
}

pub(super) struct Slots<K> {
    ids: Vec<K>,
    slots: HashMap<K, u32>,
}

impl Users {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Int(users) => users.ids.len(),
            Self::Str(users) => users.ids.len(),
        }
    }

    pub(super) fn id(&self, slot: usize) -> Option<UserId<'_>> {
        match self {
            Self::None => None,
            Self::Int(users) => users.ids.get(slot).map(|&id| UserId::Int(id)),
            Self::Str(users) => users.ids.get(slot).map(|id| UserId::Str(id)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = UserId<'_>> {
        (0..self.len()).map_while(|slot| self.id(slot))
    }

    /// The id of a slot, which shares the memory of a string.
    pub(super) fn owned_id(&self, slot: usize) -> Option<OwnedUserId> {
        match self {
            Self::None => None,
            Self::Int(users) => users.ids.get(slot).map(|&id| OwnedUserId::Int(id)),
            Self::Str(users) => users.ids.get(slot).map(|id| OwnedUserId::Str(Arc::clone(id))),
        }
    }

    /// The slot of a user, `None` for an unknown one. An id of the other kind is an error.
    pub(super) fn slot(&self, user: UserId<'_>) -> Result<Option<usize>> {
        let slot = match (self, user) {
            (Self::None, _) => None,
            (Self::Int(users), UserId::Int(id)) => users.slots.get(&id),
            (Self::Str(users), UserId::Str(id)) => users.slots.get(id),
            (Self::Int(_), UserId::Str(_)) | (Self::Str(_), UserId::Int(_)) => {
                return Err(self.other_kind(user));
            }
        };
        Ok(slot.map(|&slot| slot as usize))
    }

    /// The slot of a user, who is added if unknown.
    pub(super) fn slot_or_add(&mut self, user: UserId<'_>) -> Result<u32> {
        if matches!(self, Self::None) {
            *self = match user {
                UserId::Int(_) => Self::Int(Slots::new()),
                UserId::Str(_) => Self::Str(Slots::new()),
            };
        }
        match (self, user) {
            (Self::Int(users), UserId::Int(id)) => users.slot_or_add(id),
            (Self::Str(users), UserId::Str(id)) => match users.slots.get(id) {
                Some(&slot) => Ok(slot),
                None => users.slot_or_add(id.into()),
            },
            (users, user) => Err(users.other_kind(user)),
        }
    }

    /// Removes the user of a slot, which the last user then takes.
    pub(super) fn swap_remove(&mut self, slot: usize) {
        match self {
            Self::None => {}
            Self::Int(users) => users.swap_remove(slot),
            Self::Str(users) => users.swap_remove(slot),
        }
    }

    /// Removes the users that were added last. The kind of the ids stays.
    pub(super) fn truncate(&mut self, len: usize) {
        while self.len() > len {
            self.swap_remove(self.len() - 1);
        }
    }

    fn other_kind(&self, found: UserId<'_>) -> crate::Error {
        let expected = match self {
            Self::Str(_) => UserId::Str("").kind(),
            _ => UserId::Int(0).kind(),
        };
        Cause::UserKind { found: found.to_string(), kind: found.kind(), expected }.into()
    }
}

impl<K: Clone + Eq + Hash> Slots<K> {
    fn new() -> Self {
        Self { ids: Vec::new(), slots: HashMap::new() }
    }

    fn slot_or_add(&mut self, id: K) -> Result<u32> {
        let slot = self.ids.len() as u32;
        let no_memory = Cause::FleetMemory { users: self.ids.len() + 1 };
        if slot == u32::MAX
            || self.ids.try_reserve(1).is_err()
            || self.slots.try_reserve(1).is_err()
        {
            return Err(no_memory.into());
        }
        match self.slots.entry(id) {
            Entry::Occupied(found) => Ok(*found.get()),
            Entry::Vacant(place) => {
                self.ids.push(place.key().clone());
                place.insert(slot);
                Ok(slot)
            }
        }
    }

    fn swap_remove(&mut self, slot: usize) {
        let removed = self.ids.swap_remove(slot);
        self.slots.remove(&removed);
        if let Some(moved) = self.ids.get(slot).and_then(|id| self.slots.get_mut(id)) {
            *moved = slot as u32;
        }
    }
}
