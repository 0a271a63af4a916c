//! Sums of products for one user or a tile of users, who share each load.

use super::element::Element;
use crate::simd::{LANES, ROW_VECTORS, Row, Simd, Vector};

/// 32 elements: part of a row of a matrix, or a feature of a block's items.
type Elements<E> = [[E; LANES]; ROW_VECTORS];

/// Adds `x[u][0] rows[0][r] + x[u][1] rows[1][r] + ...`, product by product, to the 32 sums of each
/// of U users, which start `stride` vectors apart.
#[inline(always)]
pub(crate) fn add_products<S: Simd, E: Element, const R: usize, const U: usize>(
    simd: S,
    rows: &[[Elements<E>; R]],
    r: usize,
    mut x: [&[f32]; U],
    sums: &mut [[f32; LANES]],
    stride: usize,
) {
    for x in &mut x {
        *x = &x[..rows.len()];
    }
    if U > 1 && S::HALVES {
        add_vectors::<S, E, R, U>(simd, rows, r, 0, x, sums, stride);
        add_vectors::<S, E, R, U>(simd, rows, r, HALF, x, sums, stride);
        return;
    }
    let mut each = [S::Row::splat(simd, 0.0); U];
    for u in 0..U {
        each[u] = S::Row::load(simd, &sums[u * stride..].as_chunks().0[0]);
    }
    for i in 0..rows.len() {
        let row = E::load_row(simd, &rows[i][r]);
        for u in 0..U {
            each[u] = each[u] + row * S::Row::splat(simd, x[u][i]);
        }
    }
    for u in 0..U {
        each[u].store(&mut sums[u * stride..].as_chunks_mut().0[0]);
    }
}

/// The vectors of half a row.
const HALF: usize = ROW_VECTORS / 2;

/// [`add_products`] for half a row, from vector `first` on.
#[inline(always)]
fn add_vectors<S: Simd, E: Element, const R: usize, const U: usize>(
    simd: S,
    rows: &[[Elements<E>; R]],
    r: usize,
    first: usize,
    x: [&[f32]; U],
    sums: &mut [[f32; LANES]],
    stride: usize,
) {
    let mut each = [[simd.splat(0.0); HALF]; U];
    for u in 0..U {
        for v in 0..HALF {
            each[u][v] = simd.load(&sums[u * stride + first + v]);
        }
    }
    for i in 0..rows.len() {
        let mut row = [simd.splat(0.0); HALF];
        for v in 0..HALF {
            row[v] = E::load(simd, &rows[i][r][first + v]);
        }
        for u in 0..U {
            let x = simd.splat(x[u][i]);
            for v in 0..HALF {
                each[u][v] = each[u][v] + row[v] * x;
            }
        }
    }
    for u in 0..U {
        for v in 0..HALF {
            each[u][v].store(&mut sums[u * stride + first + v]);
        }
    }
}
