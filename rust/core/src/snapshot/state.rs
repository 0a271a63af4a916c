//! Stores the recurrent state in single or half precision.

use half::f16;

use crate::Result;
use crate::error::Cause;

/// The precision of the recurrent state in a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// Single precision, which is exact.
    #[default]
    F32,
    /// Half precision, with a power-of-two scale per row of D elements, so that none overflows.
    /// Half the size, but the scores drift.
    ///
    /// Directly after restoring, the scores have the same bits: the hidden vector is stored
    /// exactly. From the next event on, they differed by at most 7e-4 of the largest score, on
    /// random models of many shapes. A test keeps the difference below 1e-3.
    F16,
}

impl Precision {
    pub(super) fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
        }
    }

    pub(super) fn from_code(code: u32) -> Result<Self> {
        match code {
            0 => Ok(Self::F32),
            1 => Ok(Self::F16),
            _ => refuse(format!("precision {code}"), "0 (f32) or 1 (f16)"),
        }
    }

    /// The bytes of a state of `numbers` elements in `rows` rows.
    pub(super) fn bytes(self, numbers: u64, rows: u64) -> u64 {
        match self {
            Self::F32 => 4 * numbers,
            Self::F16 => 2 * numbers + rows,
        }
    }
}

/// Writes a state with rows of `row_len` elements.
pub(super) fn write(precision: Precision, state: &[f32], row_len: usize, blob: &mut Vec<u8>) {
    match precision {
        Precision::F32 => blob.extend(state.iter().flat_map(|number| number.to_le_bytes())),
        Precision::F16 => {
            for row in state.chunks_exact(row_len) {
                let scale = power_of_two(LARGEST - i32::from(exponent(row)));
                let scaled = row.iter().map(|&number| (f64::from(number) * scale) as f32);
                let halves = scaled.map(|x| f16::from_f32(x.clamp(-BELOW, BELOW)));
                blob.extend(halves.flat_map(f16::to_le_bytes));
            }
            blob.extend(state.chunks_exact(row_len).map(exponent));
        }
    }
}

pub(super) fn read(precision: Precision, bytes: &[u8], row_len: usize) -> Numbers<'_> {
    match precision {
        Precision::F32 => Numbers::Single(bytes.as_chunks().0),
        Precision::F16 => {
            let rows = bytes.len() / (2 * row_len + 1);
            let (halves, exponents) = bytes.split_at(2 * row_len * rows);
            Numbers::Half { halves: halves.as_chunks().0, exponents, row_len }
        }
    }
}

pub(super) enum Numbers<'a> {
    Single(&'a [[u8; 4]]),
    Half { halves: &'a [[u8; 2]], exponents: &'a [u8], row_len: usize },
}

impl Numbers<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Single(numbers) => numbers.len(),
            Self::Half { halves, .. } => halves.len(),
        }
    }

    /// The element at `index`. Not finite if the snapshot is invalid.
    pub(super) fn get(&self, index: usize) -> f32 {
        match self {
            Self::Single(numbers) => f32::from_le_bytes(numbers[index]),
            Self::Half { halves, exponents, row_len } => {
                let scale = power_of_two(i32::from(exponents[index / row_len]) - LARGEST);
                (f16::from_le_bytes(halves[index]).to_f64() * scale) as f32
            }
        }
    }
}

/// The biased exponent (127 for 1) plus the exponent of the scale. Scaling brings the largest
/// element of a row into 2^14 .. 2^15, near the limit of half precision, so that small elements
/// keep all bits.
const LARGEST: i32 = 127 + 14;

/// The largest half-precision value below 2^15. 2^15 itself could mean 2^128, past f32.
const BELOW: f32 = 32_752.0;

/// The biased exponent of the largest element of a row.
fn exponent(row: &[f32]) -> u8 {
    let largest = row.iter().fold(0, |largest, number| largest.max(number.abs().to_bits()));
    (largest >> 23) as u8
}

/// 2^n, exactly. n must be a normal exponent of f64.
fn power_of_two(n: i32) -> f64 {
    f64::from_bits(((1023 + n) as u64) << 52)
}

/// The error of an invalid snapshot.
pub(super) fn refuse<T>(found: impl Into<String>, expected: impl ToString) -> Result<T> {
    Err(Cause::Snapshot { found: found.into(), expected: expected.to_string() }.into())
}
