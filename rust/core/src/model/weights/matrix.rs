//! The matrices of a model, by element type.

use crate::Result;
use crate::kernels::integer_linear::{Codes, IntegerLayer, IntegerLinear};
use crate::kernels::linear::Linear;
use crate::loading::{Dtype, Stored, TensorFile};
use crate::simd::Simd;

/// A linear layer. The type is dispatched here, so that the rest of a block is compiled once.
#[derive(Debug)]
pub(crate) enum Matrix {
    F32(Linear<f32>),
    /// Half precision, as bits.
    F16(Linear<u16>),
    /// 8-bit integers with a scale per output.
    I8(IntegerLinear),
}

impl Matrix {
    /// The dtype of all matrices, taken from the first.
    pub(super) fn dtype(tensors: &TensorFile<'_>) -> Result<Dtype> {
        tensors.dtype(
            "blocks.0.input.weight",
            &[Dtype::F32, Dtype::F16, Dtype::I8],
            "F32, F16 or I8",
        )
    }

    /// Concatenates layers that share their input. Each is a name, inputs and outputs.
    pub(super) fn take(
        tensors: &mut TensorFile<'_>,
        dtype: Dtype,
        layers: &[(String, usize, usize)],
    ) -> Result<Self> {
        Ok(match dtype {
            Dtype::F16 => Self::F16(take(tensors, layers)?),
            Dtype::I8 => Self::I8(take_integers(tensors, layers)?),
            _ => Self::F32(take(tensors, layers)?),
        })
    }

    #[inline(always)]
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::F32(linear) => linear.outputs(),
            Self::F16(linear) => linear.outputs(),
            Self::I8(linear) => linear.outputs(),
        }
    }

    #[inline(always)]
    pub(crate) fn apply<S: Simd>(
        &self,
        simd: S,
        users: usize,
        x: &[f32],
        stride: usize,
        codes: &mut Codes,
        out: &mut [f32],
    ) {
        match self {
            Self::F32(linear) => linear.apply(simd, users, x, stride, out),
            Self::F16(linear) => linear.apply(simd, users, x, stride, out),
            Self::I8(linear) => linear.apply(simd, users, x, stride, codes, out),
        }
    }
}

fn take<E: Stored>(
    tensors: &mut TensorFile<'_>,
    layers: &[(String, usize, usize)],
) -> Result<Linear<E>> {
    let parts = layers.iter().map(|(name, inputs, outputs)| {
        let weight = tensors.take_finite(&format!("{name}.weight"), &[*inputs, *outputs])?;
        Ok((weight, tensors.take_finite(&format!("{name}.bias"), &[*outputs])?))
    });
    Ok(Linear::new(&parts.collect::<Result<Vec<_>>>()?))
}

fn take_integers(
    tensors: &mut TensorFile<'_>,
    layers: &[(String, usize, usize)],
) -> Result<IntegerLinear> {
    let parts = layers.iter().map(|(name, inputs, outputs)| {
        let weight = tensors.take(&format!("{name}.weight"), Dtype::I8, &[*inputs, *outputs])?;
        Ok(IntegerLayer {
            weight: weight.symmetric_integers()?,
            scale: tensors.take(&format!("{name}.scale"), Dtype::F32, &[*outputs])?.scales()?,
            bias: tensors.take_finite(&format!("{name}.bias"), &[*outputs])?,
        })
    });
    Ok(IntegerLinear::new(&parts.collect::<Result<Vec<_>>>()?))
}
