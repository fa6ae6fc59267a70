"""A run's folder: the same run or none, and damage is named before the training."""

from __future__ import annotations

import json
import os

import pytest

from tagging.errors import ConfigError
from tagging.training.run_directory import check_same_run, create_run_dir
from tagging.training.settings import Settings

SETTINGS = Settings(models=("waveform", "spectrogram:attention"))


def test_the_same_run_is_known_again(tmp_path):
    create_run_dir(tmp_path, SETTINGS)
    check_same_run(tmp_path, SETTINGS)
    check_same_run(tmp_path, SETTINGS.override({"runtime.num_workers": 7}))
    with pytest.raises(ConfigError, match="seed: 0 in the folder, 1 here"):
        check_same_run(tmp_path, SETTINGS.override({"seed": 1}))


OTHERS = [[], None, 1, "x", {}, [{}], {"clips_seen": 1}, {"corpus": "scores"}, {"data": []}, {"runtime": None}]


@pytest.mark.parametrize(
    "content", [*map(json.dumps, OTHERS), "", "{", "[" * 100_000, "1" * 5000, "\udcff", "{}{}", '{"models": NaN}']
)
def test_settings_that_are_none_are_refused_by_name(tmp_path, content):
    path = tmp_path / "settings.json"
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError, match=r"settings.json: damaged|holds a run with other settings"):
        check_same_run(tmp_path, SETTINGS)


@pytest.mark.parametrize("obstacle", ["folder", "pipe"])
def test_what_is_no_file_in_the_place_of_settings_is_refused(tmp_path, obstacle):
    path = tmp_path / "settings.json"
    path.mkdir() if obstacle == "folder" else os.mkfifo(path)
    with pytest.raises(ConfigError, match="settings.json: damaged"):
        check_same_run(tmp_path, SETTINGS)


def test_a_file_in_the_place_of_a_models_results_is_noticed_before_the_training(tmp_path):
    (tmp_path / "spectrogram+attention").touch()
    with pytest.raises(ConfigError, match=r"spectrogram\+attention is a file, in the place of the results"):
        create_run_dir(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["spectrogram+attention"]
