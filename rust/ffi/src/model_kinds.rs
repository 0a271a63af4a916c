//! Functions on the kinds of a model's events, and whether it uses their times.

use std::ffi::c_char;

use engine::Kind;

use crate::error::{Failure, guard, recgrela_error, recgrela_status};
use crate::handles::recgrela_model;
use crate::memory::{text, write, write_text};

/// The number of kinds of events, such as view, cart and buy; 0 if the model has none. Kinds are
/// identified by index, 0 .. num_kinds - 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_num_kinds(
    model: recgrela_model,
    num_kinds: *mut u8,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // The format allows at most 255.
        let found = model.get()?.config().kinds.len() as u8;
        // SAFETY: as the caller promises.
        unsafe { write(num_kinds, found, "num_kinds") }
    })
}

/// The kind of event with a name (UTF-8, zero-terminated). For an unknown name the message lists the
/// model's kinds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_kind(
    model: recgrela_model,
    name: *const c_char,
    kind: *mut u8,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        // SAFETY: as the caller promises.
        let name = unsafe { text(name, "name")? };
        // SAFETY: as the caller promises.
        unsafe { write(kind, model.get()?.kind(name)?.index(), "kind") }
    })
}

/// The name of a kind of event: UTF-8 and a terminating zero, which `size` includes. If `capacity` is
/// too small, the status is RECGRELA_STATUS_BUFFER_TOO_SMALL and `size` is the required capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_kind_name(
    model: recgrela_model,
    kind: u8,
    name: *mut c_char,
    capacity: usize,
    size: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        let model = model.get()?;
        let found = model.kind_name(Kind::new(kind)).ok_or_else(|| {
            Failure::argument(format!(
                "kind: found index {kind}, expected less than {}, the number of the model's kinds",
                model.config().kinds.len()
            ))
        })?;
        // SAFETY: as the caller promises.
        unsafe { write_text(name, capacity, found.to_owned(), size, "name") }
    })
}

/// Whether the time between events is an input of the model. Then each event needs its time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_uses_times(
    model: recgrela_model,
    uses_times: *mut bool,
    error: *mut recgrela_error,
) -> recgrela_status {
    // SAFETY: as the caller promises.
    guard(error, || unsafe { write(uses_times, model.get()?.config().gaps, "uses_times") })
}
