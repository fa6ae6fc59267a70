"""A checkpoint is used whole or not at all, and where the newest is damaged the one before it serves."""

from __future__ import annotations

import os

import pytest
import torch
from helpers import full_disk
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tagging.errors import CheckpointError, TaggingError
from tagging.training.checkpoint import learner_tensors, newest_checkpoint, restore_learner, save_checkpoint


def states(folder):
    return sorted(folder.glob("state-*"))


def fill(folder, count=3):
    for update in range(1, count + 1):
        save_checkpoint(
            folder, update, {"w": torch.full((50,), float(update)), "n": torch.tensor(update)}, {"update": update}
        )


def test_the_newest_two_are_kept(tmp_path):
    """And nothing of what a process had begun to write when it was killed."""
    assert newest_checkpoint(tmp_path) is None
    for name in (".tagging-0a1b2c3d0a1b2c3d.part", ".state-00000001.safetensors-0a1b2c3d.part"):  # now, and earlier
        (tmp_path / name).write_bytes(b"half a state")
    fill(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "state-00000002.safetensors",
        "state-00000003.safetensors",
    ]
    tensors, about, remarks = newest_checkpoint(tmp_path)
    assert about == {"update": 3}
    assert remarks == []
    torch.testing.assert_close(tensors["w"], torch.full((50,), 3.0))


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_noticed(tmp_path_factory, position, bit):
    folder = tmp_path_factory.mktemp("state")
    fill(folder)
    damaged = states(folder)[-1]
    content = bytearray(damaged.read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    damaged.write_bytes(content)
    tensors, about, remarks = newest_checkpoint(folder)
    assert about == {"update": 2}
    assert float(tensors["w"][0]) == 2
    assert str(damaged) in remarks[0]


def test_a_damaged_file_takes_no_place_from_a_sound_one(tmp_path):
    """A run that had to go on from update 2 leaves, at its next states, two that can be read."""
    fill(tmp_path)
    states(tmp_path)[-1].write_bytes(b"nothing")
    assert newest_checkpoint(tmp_path)[1] == {"update": 2}
    save_checkpoint(tmp_path, 2, {"w": torch.zeros(1)}, {"update": 2, "again": True})  # as a sitting of no update would
    assert [path.name for path in states(tmp_path)] == ["state-00000002.safetensors"]
    save_checkpoint(tmp_path, 3, {"w": torch.zeros(1)}, {"update": 3})
    states(tmp_path)[-1].write_bytes(b"nothing")
    assert newest_checkpoint(tmp_path)[1] == {"update": 2, "again": True}


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_half_written_file_is_passed_over(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("state")
    fill(folder)
    newest = states(folder)[-1]
    content = newest.read_bytes()
    newest.write_bytes(content[: int(share * len(content))])
    assert newest_checkpoint(folder)[1] == {"update": 2}


@pytest.mark.parametrize("obstacle", ["folder", "pipe"])
def test_what_is_no_file_is_passed_over_and_never_waited_for(tmp_path, obstacle):
    fill(tmp_path)
    newest = states(tmp_path)[-1]
    newest.unlink()
    newest.mkdir() if obstacle == "folder" else os.mkfifo(newest)
    checkpoint = newest_checkpoint(tmp_path)
    assert checkpoint.progress == {"update": 2}
    assert "not a regular file" in checkpoint.remarks[0]


def test_no_usable_file_says_what_to_do(tmp_path):
    fill(tmp_path)
    for path in states(tmp_path):
        path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="there is no older one: remove"):
        newest_checkpoint(tmp_path)


def test_a_full_disk_leaves_what_was_there(tmp_path):
    fill(tmp_path)
    with full_disk(100), pytest.raises(TaggingError, match="cannot write"):
        save_checkpoint(tmp_path, 4, {"w": torch.zeros(1000)}, {})
    assert newest_checkpoint(tmp_path)[1] == {"update": 3}
    assert len(list(tmp_path.iterdir())) == 2


def test_optimizers_go_on_where_they_were():
    def steps(model, optimizer, count, seed):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(count):
            optimizer.zero_grad()
            model(torch.randn(4, 3, generator=generator)).square().sum().backward()
            optimizer.step()

    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    optimizers = [torch.optim.AdamW(model.parameters(), lr=0.1) for model in (first, second)]
    steps(first, optimizers[0], 5, seed=1)
    restore_learner("a", learner_tensors("a", first, optimizers[0]), second, optimizers[1])
    for model, optimizer in zip((first, second), optimizers, strict=True):
        steps(model, optimizer, 3, seed=2)
    assert torch.equal(first.weight, second.weight)
    with pytest.raises(CheckpointError, match="the saved state of a is of another model"):
        restore_learner("a", learner_tensors("a", first, optimizers[0]), nn.Linear(5, 5), optimizers[1])
