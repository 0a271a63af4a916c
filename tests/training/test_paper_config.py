"""The config of the paper's setting: its order of events, computed by hand, and its samples."""

from pathlib import Path

import torch
from recgrela_train.config import load_config
from recgrela_train.data import load_dataset
from recgrela_train.fitting.training_module import TrainingModule

CONFIG = Path(__file__).parents[2] / "training" / "configs" / "paper-ml-1m.yaml"

# Float32 has steps of 64 at these times: ...672, ...736, ...800. So user 1's become, by row,
# ...800, ...736, ...736, ...672 and ...800 (768 lies in the middle: to the even mantissa).
RATINGS = """\
1::30::5::978300801
1::10::4::978300760
1::20::3::978300740
1::40::5::978300700
1::50::1::978300768
2::10::5::978300800
2::20::5::978300740
2::30::5::978300750
"""


def make_module(tmp_path: Path, *changes: str) -> TrainingModule:
    path = tmp_path / "ratings.dat"
    path.write_text(RATINGS)
    config = load_config(CONFIG, [f"data.source={path}", "data.min_events=1", *changes])
    return TrainingModule(config, load_dataset(config.data))


def test_events_stand_in_the_order_of_rounded_times_and_then_of_the_file(tmp_path):
    dataset = make_module(tmp_path).dataset
    names = [[int(dataset.item_ids[i - 1]) for i in dataset.history(user)] for user in range(2)]
    # By the exact times the order would be 40 20 10 50 30, and 20 30 10.
    assert names == [[40, 10, 20, 30, 50], [20, 30, 10]]
    config = load_config(CONFIG, [f"data.source={tmp_path / 'ratings.dat'}", "data.min_events=1"])
    true_times = config.data.model_copy(update={"ties": "file"})
    other = load_dataset(true_times)
    assert [int(other.item_ids[i - 1]) for i in other.history(0)] == [40, 20, 10, 50, 30]


def test_one_prefix_is_one_sample_and_the_last_event_is_its_target(tmp_path):
    module = make_module(tmp_path)
    ids = module.dataset.item_ids
    samples = set()
    for batch in module.train_dataloader():
        for inputs, targets in zip(batch["inputs"], batch["targets"], strict=True):
            prefix = tuple(int(ids[i - 1]) for i in inputs[inputs > 0])
            (target,) = (int(ids[i - 1]) for i in targets[targets > 0])
            samples.add((prefix, target))
    # The last two events of each user are held out. User 2 has one left, which gives no sample.
    assert samples == {((40,), 10), ((40, 10), 20)}


def test_a_step_trains_the_paper_s_model(tmp_path):
    module = make_module(tmp_path)
    model = module.model
    assert (len(model.blocks), model.blocks[0].num_heads, model.num_items) == (4, 4, 5)
    assert model.final_norm is None
    assert all(block.decay is None for block in model.blocks)
    hidden, _ = model.eval()(next(iter(module.train_dataloader()))["inputs"])
    assert hidden.shape[-1] == 64
    assert torch.isfinite(hidden).all()
