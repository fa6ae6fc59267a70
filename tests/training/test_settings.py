"""Settings are checked where they are made, and survive files and command lines."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagging.cli import _parser
from tagging.cli.train import settings_of
from tagging.errors import ConfigError
from tagging.training import EDITIONS, Settings, edition
from tagging.training.learner import learning_rate
from tagging.training.settings import EDITION_NAMES, parse_overrides, read_overrides


@pytest.mark.parametrize("name", sorted(EDITIONS))
def test_settings_survive_json(name):
    assert Settings.from_dict(edition(name).to_dict()) == edition(name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rat": 1.0}, "unknown setting 'learning_rat': did you mean 'learning_rate'"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0: a positive number"),
        ({"learning_rate": "fast"}, "learning_rate='fast': a value of the kind float"),
        ({"clips": 0}, "clips=0: at least 1"),
        ({"clips": True}, "clips=True: a value of the kind int"),
        ({"batch": 32, "accumulate": 5}, "cannot be cut into accumulate=5 equal parts"),
        ({"clips_seen": 31}, "not enough for one batch of 32"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"models": []}, "name at least one"),
        ({"models": 3}, "models=3: give names"),
        ({"models": [3]}, r"models=\[3\]: give names"),
        ({"edition": "posters"}, "unknown edition 'posters': did you mean 'poster'"),
        ({"clips": {"x": 3}}, "clips={'x': 3}: a value of the kind int"),
        ({"seed": -1}, "seed=-1: 0 or a positive number"),
        ({"weight_decay": float("nan")}, "weight_decay=nan: 0 or a positive number"),
        ({"workers": -1}, "workers=-1: 0 or a positive number"),
        ({"models": ["waveform", "waveform"]}, "one is named twice"),
    ],
)
def test_wrong_settings_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        Settings().changed(changes)


def test_an_unknown_edition_suggests_one():
    assert set(EDITION_NAMES) == set(EDITIONS)
    with pytest.raises(ConfigError, match="did you mean 'laptop'"):
        edition("laptops")


def test_overrides_from_arguments_and_files_agree(tmp_path):
    path = tmp_path / "fast.toml"
    path.write_text(
        'learning_rate = 0.004\nprecision = "bf16"\nclips = 500\nstart_at_share = false\n[mel]\nhop = 128\n'
    )
    arguments = ["learning_rate=0.004", "precision=bf16", "clips=500", "start_at_share=false", "mel.hop=128"]
    changed = parse_overrides(arguments, Settings())
    assert changed == read_overrides(path, Settings())
    assert (changed.learning_rate, changed.mel) == (0.004, {"n_fft": 1024, "hop": 128})
    assert parse_overrides(["clips=none"], Settings()).clips is None


def test_a_table_as_a_whole_replaces_what_was_there():
    assert parse_overrides(["mel={}"], Settings()).mel == {}
    assert parse_overrides(["mel={hop = 128}"], Settings()).mel == {"hop": 128}


def test_a_setting_as_a_whole_and_in_part_is_refused():
    with pytest.raises(ConfigError, match=r"'mel.hop=4': mel was given a value as a whole"):
        parse_overrides(["mel=3", "mel.hop=4"], Settings())


@pytest.mark.parametrize("name", ["edition", "models"])
def test_what_a_command_names_itself_is_no_override(name, tmp_path):
    (tmp_path / "other.toml").write_text(f'{name} = "poster"')
    with pytest.raises(ConfigError, match=f"{name}: is no override; a command names it itself"):
        parse_overrides([f"{name}=poster"], Settings())
    with pytest.raises(ConfigError, match=f"{name}: is no override"):
        read_overrides(tmp_path / "other.toml", Settings())


changes = st.fixed_dictionaries(
    {},
    optional={
        "models": st.sampled_from([["waveform"], ["waveform", "spectrogram:attention"], ["mel-statistics"]]),
        "clips": st.none() | st.integers(1, 10**6),
        "seed": st.integers(0, 99),
        "precision": st.sampled_from(["no", "bf16"]),
        "learning_rate": st.floats(1e-6, 1.0),
        "patience": st.none() | st.integers(1, 9),
        "shuffled_labels": st.booleans(),
        "mel": st.fixed_dictionaries({}, optional={"hop": st.integers(1, 999), "n_fft": st.sampled_from([512, 1024])}),
        "train_options": st.fixed_dictionaries({"compositions": st.integers(1, 999)}),
        "corpus_options": st.fixed_dictionaries(
            {"root": st.sampled_from(["music", "my music; $HOME", "mother's", "2026", "true"])}
        ),
    },
)


@given(name=st.sampled_from(sorted(EDITIONS)), changes=changes)
def test_the_command_of_a_run_asks_for_that_run(name, changes):
    settings = edition(name).changed(changes)
    assert settings_of(_parser().parse_args(shlex.split(settings.command())[1:])) == settings


def test_bad_files_and_arguments(tmp_path):
    with pytest.raises(ConfigError, match="write it as name=value"):
        parse_overrides(["learning_rate"], Settings())
    with pytest.raises(ConfigError, match="cannot be read"):
        read_overrides(tmp_path / "nothing.toml", Settings())
    (tmp_path / "bad.toml").write_text("learning_rate 0.004")
    with pytest.raises(ConfigError, match="not TOML"):
        read_overrides(tmp_path / "bad.toml", Settings())


@given(batches=st.integers(2, 500), warm_up=st.floats(0, 0.9))
def test_the_rate_rises_once_and_falls_to_nothing(batches, warm_up):
    settings = Settings(clips_seen=32 * batches, warm_up=warm_up)
    rates = [learning_rate(settings, update) for update in range(1, batches + 1)]
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert all(0 <= rate <= settings.learning_rate for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
