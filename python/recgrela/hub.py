"""Model files from the Hugging Face Hub."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ._core import EdgeScorer


def from_pretrained(
    repo_id: str,
    *,
    revision: str | None = None,
    filename: str = "model.safetensors",
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    isa: str | None = None,
    verify: bool = True,
    groups: Sequence[int] | npt.NDArray[np.integer] | None = None,
    mmap: bool = False,
) -> EdgeScorer:
    """Load a model file of a repository on the Hugging Face Hub, and start an empty session.

    repo_id is "org/name". revision is a branch, a tag or a commit; a commit always gives the same
    file. A file is downloaded once, into the cache of huggingface_hub. cache_dir, token and
    local_files_only are those of its hf_hub_download. isa, verify, groups and mmap are those of
    load.

    Needs huggingface_hub: pip install 'recgrela[hub]'. Raises ImportError without it, the errors of
    hf_hub_download, and those of load.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ModuleNotFoundError as error:
        if error.name != "huggingface_hub":
            raise
        raise ImportError(
            "EdgeScorer.from_pretrained needs huggingface_hub, which is not installed: pip install "
            "'recgrela[hub]'"
        ) from None
    path = hf_hub_download(
        repo_id,
        filename,
        revision=revision,
        cache_dir=cache_dir,
        token=token,
        local_files_only=local_files_only,
    )
    return EdgeScorer.load(path, isa=isa, verify=verify, groups=groups, mmap=mmap)
