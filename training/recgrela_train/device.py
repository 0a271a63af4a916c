"""The device of `train.accelerator`, and fast float32 matrix products on the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .config import ConfigError


def find_device(accelerator: str) -> torch.device:
    """The device to train and measure on.

    A GPU has no index: it means the current device, which the trainer sets. Raises ConfigError if
    this machine has no such device.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    # MPS is untested, so `auto` does not choose it.
    kind = {"auto": "cuda" if cuda else "cpu", "gpu": "cuda"}.get(accelerator, accelerator)
    usable = [name for name, here in (("cpu", True), ("cuda", cuda), ("mps", mps)) if here]
    if kind not in usable:
        raise ConfigError(
            f"train.accelerator={accelerator} is not available here, only {', '.join(usable)}: "
            "set it to auto or one of these"
        )
    return torch.device(kind)


@contextmanager
def fast_products(device: torch.device) -> Iterator[None]:
    """Lets oneDNN multiply float32 matrices on the CPU, if that keeps float32's accuracy.

    By default PyTorch uses MKL, which is 2.4 times slower on a Zen 5: it uses half the vector
    width of non-Intel CPUs. The setting that enables oneDNN also permits bfloat16 factors, which
    some CPUs then use. It is kept only if a test product is accurate.
    """
    before = torch.get_float32_matmul_precision()
    if device.type == "cpu":
        torch.set_float32_matmul_precision("medium")
        if not _products_are_exact():
            torch.set_float32_matmul_precision(before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _products_are_exact() -> bool:
    """Whether the error of a product is float32's (about 2^-24 per term), not bfloat16's (2^-9)."""
    factors = torch.linspace(0.5, 1, 2**16).view(256, 256)
    error = factors @ factors - (factors.double() @ factors.double()).float()
    return error.abs().max().item() < 0.01  # sums are about 150; bfloat16's error is 0.5
