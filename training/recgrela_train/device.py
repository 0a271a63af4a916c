"""The device that `train.accelerator` stands for, and its fastest float32 products."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .config import ConfigError


def find_device(accelerator: str) -> torch.device:
    """Where training runs under this setting, and so what comes after it.

    A GPU has no index: it is the one that the trainer has made the process's current one. Raises
    ConfigError where this machine has no such device.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    # MPS was never run here, so it has to be asked for by name.
    kind = {"auto": "cuda" if cuda else "cpu", "gpu": "cuda"}.get(accelerator, accelerator)
    usable = [name for name, here in (("cpu", True), ("cuda", cuda), ("mps", mps)) if here]
    if kind not in usable:
        raise ConfigError(
            f"train.accelerator={accelerator} cannot be used here, only {', '.join(usable)}: set "
            "it to auto or one of these"
        )
    return torch.device(kind)


@contextmanager
def fast_products(device: torch.device) -> Iterator[None]:
    """Lets oneDNN multiply float32 matrices on the CPU, where that rounds nothing further.

    PyTorch takes MKL, which leaves half the width of other makers' CPUs unused: 2.4 times slower
    on a Zen 5. The setting that lets it take oneDNN permits bfloat16 factors as well, which some
    CPUs then use; so it is kept only where a product proves to be as exact as before.
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
    """Whether products have float32's error, some 2^-24 a term, not bfloat16's 2^-9."""
    factors = torch.linspace(0.5, 1, 2**16).view(256, 256)
    error = factors @ factors - (factors.double() @ factors.double()).float()
    return error.abs().max().item() < 0.01  # of about 150; bfloat16 factors make it 0.5
