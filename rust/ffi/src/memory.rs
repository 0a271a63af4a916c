//! The caller's memory, checked as far as it can be.
//!
//! What cannot be checked is the caller's promise, and the header's: a pointer that is not null is
//! valid for as many elements as stated, for the length of the call.

use std::ffi::{CStr, c_char};

use crate::error::{Failure, recgrela_status};

/// An array to read. A null pointer is an empty one.
///
/// # Safety
///
/// Where it is not null, it is valid for `count` elements, which do not change meanwhile.
pub(crate) unsafe fn read<'a, T>(
    from: *const T,
    count: usize,
    what: &str,
) -> Result<&'a [T], Failure> {
    if from.is_null() && count == 0 {
        return Ok(&[]);
    }
    check(from, count, what)?;
    // SAFETY: not null, aligned, not too long for an object; valid as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(from, count) })
}

/// A zero-terminated text.
///
/// # Safety
///
/// Where it is not null, it ends in a zero and does not change meanwhile.
pub(crate) unsafe fn text<'a>(from: *const c_char, what: &str) -> Result<&'a str, Failure> {
    check(from, 1, what)?;
    // SAFETY: not null; it ends in a zero as the caller promises.
    let text = unsafe { CStr::from_ptr(from) };
    text.to_str()
        .map_err(|_| Failure::argument(format!("{what}: expected UTF-8, found other bytes")))
}

/// Writes one value.
///
/// # Safety
///
/// Where it is not null, `to` is valid for writing.
pub(crate) unsafe fn write<T>(to: *mut T, value: T, what: &str) -> Result<(), Failure> {
    check(to, 1, what)?;
    // SAFETY: not null, aligned; valid as the caller promises.
    unsafe { to.write(value) };
    Ok(())
}

/// Writes some values to a buffer of `capacity`, and their number to `count`. Where they do not
/// fit, only their number is written.
///
/// # Safety
///
/// Where they are not null, `to` is valid for writing `capacity` values and `count` for writing.
pub(crate) unsafe fn write_all<T: Copy>(
    to: *mut T,
    capacity: usize,
    values: &[T],
    count: *mut usize,
    what: &str,
) -> Result<(), Failure> {
    // SAFETY: as promised.
    unsafe { write(count, values.len(), "size")? };
    if values.len() > capacity {
        return Err(Failure::new(
            recgrela_status::BufferTooSmall,
            format!("{what}: found room for {capacity}, expected {}", values.len()),
        ));
    }
    if !values.is_empty() {
        check(to, capacity, what)?;
        // SAFETY: not null, aligned, and there is room, as the caller promises. What the engine
        // made does not overlap with it.
        unsafe { to.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
    }
    Ok(())
}

fn check<T>(pointer: *const T, count: usize, what: &str) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(Failure::argument(format!(
            "{what}: found a null pointer, expected a valid one"
        )));
    }
    if !pointer.is_aligned() {
        return Err(Failure::argument(format!("{what}: the pointer is not aligned for its type")));
    }
    match count.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(()),
        _ => Err(Failure::argument(format!("{what}: found a count of {count}, more than can be"))),
    }
}
