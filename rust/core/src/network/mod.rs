//! The event path: one step of the network.

mod block;
mod scratch;
mod step;
mod users;

pub(crate) use scratch::Scratch;
pub(crate) use step::Step;
pub(crate) use users::Arrival;
