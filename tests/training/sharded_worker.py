"""One of the torchrun processes that compare a sharded table with a whole one."""

import copy

import torch
from recgrela_train.config import ModelConfig
from recgrela_train.fitting.sharded_table import PART, WHOLE, clip_sharded_gradients, shard_table
from recgrela_train.networks.grela import RecGrela
from torch import distributed, nn
from torch.nn.utils import parametrize

ITEMS, STEPS = 30, 3  # 31 rows with the padding, which two processes cannot share evenly


def loss_of(model: RecGrela, rank: int) -> torch.Tensor:
    """The loss of this process's own batch."""
    items = torch.arange(12).view(2, 6) * (rank + 1) % ITEMS + 1
    hidden, _ = model(items)
    hidden = torch.cat([hidden.flatten(0, 1), model.start.expand(2, -1)])
    targets = torch.cat([items.flatten(), items[:, 0]])
    return nn.functional.cross_entropy(model.scores(hidden), targets - 1)


def gradients(model: RecGrela, rank: int) -> None:
    """Gradients of the mean loss over processes; those of a sharded table already are."""
    model.zero_grad()
    with parametrize.cached():
        loss_of(model, rank).backward()
    for name, parameter in model.named_parameters():
        if name != PART:
            distributed.all_reduce(parameter.grad)
            parameter.grad /= distributed.get_world_size()


def main() -> None:
    """Train both and compare."""
    distributed.init_process_group("gloo")
    rank, count = distributed.get_rank(), distributed.get_world_size()
    torch.manual_seed(0)
    config = ModelConfig(hidden_size=16, num_heads=2, num_layers=1, dropout=0, drop_path=0)
    whole = nn.ModuleDict({"model": RecGrela(config, ITEMS).double()})
    parts = copy.deepcopy(whole)
    shard_table(parts["model"])
    part = parts["model"].get_parameter(PART)
    assert part.shape == (-(-(ITEMS + 1) // count), 16)

    optimizers = [torch.optim.Adam(m.parameters(), lr=0.01) for m in (whole, parts)]
    for _ in range(STEPS):
        for modules, optimizer in zip((whole, parts), optimizers, strict=True):
            gradients(modules["model"], rank)
            if modules is whole:
                nn.utils.clip_grad_norm_(modules.parameters(), 0.1)
            else:
                clip_sharded_gradients(modules, 0.1)
            optimizer.step()
    moments = optimizers[1].state[part]
    assert moments["exp_avg"].shape == moments["exp_avg_sq"].shape == part.shape

    expected, got = whole["model"].state_dict(), parts["model"].state_dict()
    assert got.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(got[name], weight, atol=1e-9, rtol=1e-7)
    parts["model"].load_state_dict({**expected, WHOLE: expected[WHOLE] + 1})
    torch.testing.assert_close(parts["model"].state_dict()[WHOLE], expected[WHOLE] + 1)


if __name__ == "__main__":
    main()
