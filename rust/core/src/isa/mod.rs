//! Which instruction set a model is computed with.

mod choice;

pub(crate) use choice::choose;
