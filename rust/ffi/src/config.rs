//! Functions that describe a model: its architecture, the type of its table, the instruction set.

use std::ffi::c_char;

use engine::Model;

use crate::error::{Failure, guard, recgrela_error, recgrela_status};
use crate::handles::recgrela_model;
use crate::memory::{write, write_text};

/// The architecture of a model. recgrela_model_kind_name has the names of its kinds of events.
#[repr(C)]
pub struct recgrela_config {
    /// D, the size of the hidden vector.
    pub hidden_size: u32,
    /// The number of attention heads.
    pub num_heads: u32,
    /// The number of blocks.
    pub num_layers: u32,
    /// The inner size of the feed-forward part.
    pub inner_size: u32,
    /// The number of items in the file, without those that an overlay adds.
    pub num_items: u32,
    /// How the order of events enters: "rotary", "learned" or "none", zero-terminated.
    pub positions: [c_char; 16],
    /// Whether the output of attention is gated.
    pub gate: u8,
    /// Whether a convolution over the last four values is added.
    pub local_conv: u8,
    /// Whether there is a LayerNorm after the last block.
    pub final_norm: u8,
    /// Whether there is a start vector, which answers before the first event.
    pub start: u8,
    /// Whether the time between events is an input.
    pub gaps: u8,
}

/// The architecture.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_config(
    model: recgrela_model,
    config: *mut recgrela_config,
    error: *mut recgrela_error,
) -> recgrela_status {
    guard(error, || {
        let model = model.get()?;
        let stated = model.config();
        let mut positions = [0; 16];
        for (to, byte) in positions.iter_mut().zip(stated.positions.name().bytes()) {
            *to = byte as c_char;
        }
        // The sizes belong to tensors of a file that was loaded, so they are below 2^32.
        let found = recgrela_config {
            hidden_size: stated.hidden_size as u32,
            num_heads: stated.num_heads as u32,
            num_layers: stated.num_layers as u32,
            inner_size: stated.inner_size as u32,
            num_items: stated.num_items as u32,
            positions,
            gate: stated.gate.into(),
            local_conv: stated.local_conv.into(),
            final_norm: stated.final_norm.into(),
            start: stated.start.into(),
            gaps: stated.gaps.into(),
        };
        // SAFETY: as the caller promises.
        unsafe { write(config, found, "config") }
    })
}

/// The type of the item table, "f32", "f16" or "int8": UTF-8 and a terminating zero, which `size` includes. If
/// `capacity` is too small, the status is RECGRELA_STATUS_BUFFER_TOO_SMALL and `size` is the required capacity.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_table_dtype(
    model: recgrela_model,
    name: *mut c_char,
    capacity: usize,
    size: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    let found = |model: &Model| model.table_dtype().to_string();
    // SAFETY: as the caller promises.
    guard(error, || unsafe { tell(model, found, name, capacity, size) })
}

/// The instruction set in use, such as "avx2", in the same way. Results are bit-identical on all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recgrela_model_isa(
    model: recgrela_model,
    name: *mut c_char,
    capacity: usize,
    size: *mut usize,
    error: *mut recgrela_error,
) -> recgrela_status {
    let found = |model: &Model| model.isa().name().to_owned();
    // SAFETY: as the caller promises.
    guard(error, || unsafe { tell(model, found, name, capacity, size) })
}

/// # Safety
///
/// The pointers are null or valid, `name` for `capacity` bytes.
unsafe fn tell(
    model: recgrela_model,
    found: fn(&Model) -> String,
    name: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> Result<(), Failure> {
    let found = found(&*model.get()?);
    // SAFETY: as promised.
    unsafe { write_text(name, capacity, found, size, "name") }
}
