"""The device that `train.accelerator` stands for."""

import torch
from lightning.fabric import Fabric

from .config import ConfigError
from .process import local_rank


def find_device(accelerator: str) -> torch.device:
    """Where training runs under this setting, and so what comes after it.

    Raises ConfigError where this machine has no such device.
    """
    try:
        device = Fabric(accelerator=accelerator, devices=1).device
    except (ImportError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"train.accelerator={accelerator} cannot be used here: {reason} "
            "Set it to auto or cpu: --set train.accelerator=auto"
        ) from None
    return torch.device("cuda", local_rank()) if device.type == "cuda" else device
