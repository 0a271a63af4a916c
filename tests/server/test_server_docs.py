"""The pages on the service: their settings are all settings, and their commands work."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from recgrela_server.settings import Settings

from tests.doc_blocks import blocks_of
from tests.server.server_process import ADMIN, TOKEN, ServerProcess

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "service.md").read_text()


def test_the_table_has_every_setting():
    rows = re.findall(r"^\| `RECGRELA_(\w+)` \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    expected = []
    for name, field in Settings.model_fields.items():
        default = "none" if field.default is None else f"`{field.default}`"
        default = "" if field.is_required() else default
        expected.append((name.upper(), default, field.description))
    assert rows == expected


def output_of_the_commands(page: str, server: ServerProcess) -> str:
    """What the `bash` blocks of a page print. Its other blocks start the server."""
    blocks = [block.code for block in blocks_of(page) if block.language == "bash"]
    script = "".join(["set -euxo pipefail\n", *blocks])
    result = subprocess.run(
        ["bash", "-c", script.replace("http://127.0.0.1:8000", server.url)],
        capture_output=True, text=True, timeout=120,
        env={**os.environ, "TOKEN": TOKEN, "ADMIN_TOKEN": ADMIN},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_commands_work(tmp_path, export_films):
    with ServerProcess(tmp_path, model=export_films) as server:
        tutorial = output_of_the_commands((DOCS / "tutorials/service.md").read_text(), server)
        output = output_of_the_commands(PAGE, server)
    assert '{"events":2,"duplicate":false}' in tutorial
    assert '"duplicate":true' in tutorial
    assert '{"events":2,"duplicate":false}' in output
    assert '{"removed":1}' in output
    assert "recgrela_events_total 4.0" in output


@pytest.fixture
def export_films(tmp_path) -> Path:
    """A model that knows the items of the page's commands."""
    import torch
    from recgrela_train.config import ModelConfig
    from recgrela_train.export.model_file import export_model
    from recgrela_train.networks.grela import RecGrela

    ids = np.array([50, 172, 181, *range(1_000, 1_020)])
    config = ModelConfig(hidden_size=16, num_heads=2, num_layers=1)
    torch.manual_seed(0)
    path = tmp_path / "films.safetensors"
    export_model(RecGrela(config, len(ids)).eval(), ids, path)
    return path
