"""The types of weights in a file, apart from the exporter so that `--help` loads no PyTorch."""

from enum import StrEnum


class TableType(StrEnum):
    """Type of the item table, which is also the input embedding."""

    INT8 = "int8"
    F16 = "f16"
    F32 = "f32"


class MatrixType(StrEnum):
    """Type of the weights of all Linear layers."""

    F16 = "f16"
    F32 = "f32"
