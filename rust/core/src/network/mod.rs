//! One event's way through the network.

mod block;
mod scratch;
mod step;
mod users;

pub(crate) use scratch::Scratch;
pub(crate) use step::Step;
pub(crate) use users::Arrival;
