//! Access to the caller's memory, checked as far as possible.
//!
//! The header requires what cannot be checked: a pointer that is not null is valid for the stated
//! number of elements during the call.

use std::ffi::{CStr, c_char};

use crate::error::{Failure, recgrela_status};

/// An array to read. A null pointer with a count of 0 is empty.
///
/// # Safety
///
/// If not null, the pointer is valid for `count` elements, which do not change meanwhile.
pub(crate) unsafe fn read<'a, T>(
    from: *const T,
    count: usize,
    what: &str,
) -> Result<&'a [T], Failure> {
    if from.is_null() && count == 0 {
        return Ok(&[]);
    }
    check(from, count, what)?;
    // SAFETY: not null, aligned, not too long for an object; the caller guarantees that it is valid.
    Ok(unsafe { std::slice::from_raw_parts(from, count) })
}

/// A zero-terminated UTF-8 string.
///
/// # Safety
///
/// If not null, it ends in a zero and does not change meanwhile.
pub(crate) unsafe fn text<'a>(from: *const c_char, what: &str) -> Result<&'a str, Failure> {
    check(from, 1, what)?;
    // SAFETY: not null; the caller guarantees that it ends in a zero.
    let text = unsafe { CStr::from_ptr(from) };
    text.to_str()
        .map_err(|_| Failure::argument(format!("{what}: expected UTF-8, found other bytes")))
}

/// Writes one value.
///
/// # Safety
///
/// If not null, `to` is valid for writing.
pub(crate) unsafe fn write<T>(to: *mut T, value: T, what: &str) -> Result<(), Failure> {
    check(to, 1, what)?;
    // SAFETY: not null, aligned; the caller guarantees that it is valid.
    unsafe { to.write(value) };
    Ok(())
}

/// Writes values to a buffer of `capacity`, and their number to `count`. If they do not fit, only
/// their number is written.
///
/// # Safety
///
/// If not null, `to` is valid for writing `capacity` values, and `count` for writing.
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
        // SAFETY: not null, aligned, and the caller guarantees the room. The engine's values do not
        // overlap with it.
        unsafe { to.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
    }
    Ok(())
}

/// Checks the pointers that [`write_all`] takes, before work that a failure must not follow.
pub(crate) fn check_room<T>(
    to: *mut T,
    capacity: usize,
    count: *mut usize,
    what: &str,
) -> Result<(), Failure> {
    check(count, 1, "size")?;
    if capacity > 0 { check(to, capacity, what) } else { Ok(()) }
}

/// [`write_all`] of a text and a terminating zero.
///
/// # Safety
///
/// As for [`write_all`].
pub(crate) unsafe fn write_text(
    to: *mut c_char,
    capacity: usize,
    mut text: String,
    size: *mut usize,
    what: &str,
) -> Result<(), Failure> {
    text.push('\0');
    // SAFETY: as promised.
    unsafe { write_all(to.cast(), capacity, text.as_bytes(), size, what) }
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
        _ => {
            Err(Failure::argument(format!("{what}: found a count of {count}, which is too large")))
        }
    }
}
