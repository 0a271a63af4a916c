//! Fleets with random users, and their contents.

use std::sync::Arc;

use recgrela::{Fleet, Model, UserId};

use super::Rng;

/// A fleet with some of the users below `users`.
pub fn filled(model: &Arc<Model>, users: usize, seed: u64) -> Fleet {
    let mut fleet = Fleet::new(Arc::clone(model));
    let rng = &mut Rng::new(seed);
    let users = rng.items(2 * users / 3, users);
    fleet.append(&users, &rng.items(users.len(), model.num_items())).unwrap();
    fleet
}

/// A user's complete contents, bit for bit.
pub fn user<'a>(fleet: &Fleet, user: impl Into<UserId<'a>>) -> Vec<u8> {
    fleet.session(user).unwrap().snapshot()
}

/// Every user's complete contents, in the fleet's order.
pub fn everything(fleet: &Fleet) -> Vec<(String, Vec<u8>)> {
    fleet.users().map(|id| (id.to_string(), user(fleet, id))).collect()
}
