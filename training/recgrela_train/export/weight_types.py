"""The types of weights in a file, apart from the exporter so that `--help` loads no PyTorch."""

from enum import StrEnum


class WeightType(StrEnum):
    """Type of the item table, or of the weights of all Linear layers."""

    INT8 = "int8"
    F16 = "f16"
    F32 = "f32"
