//! Which instruction set a model is computed with, and whether all of them agree.

mod agreement;
mod choice;
mod comparison;

pub(crate) use agreement::Computed;
#[cfg(test)]
pub(crate) use agreement::first_difference;
pub(crate) use choice::choose;
pub use comparison::IsaComparison;
pub(crate) use comparison::{compare, other_number, other_place};
