"""The types that a file may hold weights in; here, so that `--help` need not load PyTorch."""

from enum import StrEnum


class TableType(StrEnum):
    """Type of the catalogue's table, which is also the input embedding."""

    INT8 = "int8"
    F16 = "f16"
    F32 = "f32"


class MatrixType(StrEnum):
    """Type of the weights of all Linear layers."""

    F16 = "f16"
    F32 = "f32"
