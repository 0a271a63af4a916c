//! Chooses the instruction set of a model, and checks that all of them agree.

mod agreement;
mod choice;
mod comparison;

pub(crate) use agreement::Computed;
#[cfg(test)]
pub(crate) use agreement::first_difference;
pub(crate) use choice::choose;
pub use comparison::IsaComparison;
pub(crate) use comparison::{compare, different_number, different_position};
