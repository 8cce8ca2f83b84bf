"""The feed: batches that were prepared ahead are those that would be prepared now."""

from dataclasses import replace

import numpy as np
import torch
from tiny_learner import NUM, build_test_units

from drkit.data.augmentation import STRONG
from drkit.data.bank import PhotographBank
from drkit.data.rendering import InputFormat
from drkit.training.feed import Feed
from drkit.training.inputs import PhotographInputs

POLICY = replace(STRONG, blur_probability=0.5, noise_probability=0.5, erase_probability=0.5)


def _feed() -> Feed:
    pixels = np.random.default_rng(0).integers(0, 256, (NUM, 40, 40, 3), np.uint8)
    inputs = PhotographInputs(
        bank=PhotographBank(pixels, ("",) * NUM),
        image_ids=[f"p{number}" for number in range(NUM)],
        input_format=InputFormat(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        policy=POLICY,
        seed=0,
        device=torch.device("cpu"),
    )
    return Feed(inputs, build_test_units())


def test_preparing_ahead_changes_no_bit() -> None:
    batches, epoch = [np.array([5, 0, 2]), np.array([1, 7]), np.array([3])], 4
    now, ahead = _feed(), _feed()
    expected = [now.take(units, epoch).inputs() for units in batches]
    ahead.expect(batches, epoch)
    torch.manual_seed(1)  # as other draws between the steps do
    actual = [ahead.take(units, epoch) for units in reversed(batches)][::-1]
    assert all(torch.equal(one.inputs(), other) for one, other in zip(actual, expected, strict=True))
    assert [batch.batch.rows.tolist() for batch in actual] == [[5, 0, 2], [1, 7], [3]]


def test_a_batch_is_expected_for_one_epoch_only() -> None:
    units, feed = np.array([5, 0, 2]), _feed()
    feed.expect([units], 4)
    assert torch.equal(feed.take(units, 5).inputs(), _feed().take(units, 5).inputs())
    assert not torch.equal(feed.take(units, 4).inputs(), feed.take(units, 5).inputs())
