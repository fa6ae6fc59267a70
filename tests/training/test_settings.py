"""Settings are checked where they are made, and survive files and command lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tagging
from tagging.book.runs import BUNDLED_RUNS
from tagging.cli import _parser
from tagging.cli.train import settings_of
from tagging.errors import ConfigError
from tagging.tags import Vocabulary
from tagging.training import EDITIONS, Settings, edition, train
from tagging.training.learner import learning_rate
from tagging.training.models import build_model, check_options
from tagging.training.records import read_record
from tagging.training.run_names import run_name
from tagging.training.settings import ModelSettings, flat, parse_overrides
from tagging.training.settings_files import read_settings
from tagging.utils.legacy import RUN_NAMES


@pytest.mark.parametrize("name", sorted(EDITIONS))
def test_settings_survive_json(name):
    assert Settings.from_dict(edition(name).to_dict()) == edition(name)


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({"learning_rate": 1.0}, "unknown setting 'learning_rate': did you mean 'optimization.learning_rate'"),
        ({"optimization.learning_rat": 1.0}, "did you mean 'optimization.learning_rate'"),
        ({"optimization": {"learning_rate": -1.0}}, "optimization.learning_rate=-1.0: .* greater than 0"),
        ({"optimization.learning_rate": "fast"}, "optimization.learning_rate='fast': .* number"),
        ({"data.num_clips": 0}, "data.num_clips=0: .* 1"),
        ({"data.num_clips": True}, "data.num_clips=True: .* integer"),
        ({"data.num_clips": {"x": 3}}, "data.num_clips={'x': 3}: .* integer"),
        ({"data": 3}, "data=3"),
        ({"optimization": {"gradient_accumulation_steps": 5}}, "batch_size=32 .* 5 gradient_accumulation_steps"),
        ({"optimization.num_training_segments": 31}, "num_training_segments=31 .* 32"),
        ({"runtime.precision": "fp8"}, "runtime.precision='fp8': .* 'no' or 'bf16'"),
        ({"runtime.num_workers": -1}, "runtime.num_workers=-1"),
        ({"model.dropout": 1.0}, "model.dropout=1.0: .* less than 1"),
        ({"models": []}, "models=.*at least one"),
        ({"models": ["waveform", "waveform"]}, "models=.*each once"),
        ({"models": 3}, "models=3"),
        ({"models": [3]}, "models.0=3"),
        ({"edition": "posters"}, "edition='posters': it should be 'laptop' or 'poster'"),
        ({"seed": -1}, "seed=-1"),
        ({"optimization.weight_decay": float("nan")}, "optimization.weight_decay=nan"),
        ({"seed.low": 1}, "seed is a single value"),
        ({"data.corpus_options": {"root": object()}}, "plain numbers, strings"),
    ],
)
def test_wrong_settings_are_named(values, facts):
    with pytest.raises(ConfigError, match=facts):
        Settings().override(values)


def test_a_wrong_value_of_a_table_is_a_config_error_too():
    with pytest.raises(ConfigError, match="width=-1.0"):
        ModelSettings(width=-1.0)


def test_an_empty_table_of_options_removes_what_was_there(tmp_path):
    usual = Settings()
    emptied = parse_overrides(["model.frontend_options={}"], usual)
    assert emptied.model.frontend_options == {}
    assert parse_overrides(["model.frontend_options.mel={}"], usual).model.frontend_options == {"mel": {}}
    assert run_name(emptied, "spectrogram") != run_name(usual, "spectrogram")
    (tmp_path / "settings.toml").write_text("[data]\n[model.frontend_options]\n")
    assert read_settings(tmp_path / "settings.toml", usual) == emptied  # but a table without settings changes none
    with pytest.raises(ConfigError, match=r"frontend_options.mel.hop_length.*mel is a single value"):
        parse_overrides(["model.frontend_options.mel=3", "model.frontend_options.mel.hop_length=4"], usual)


@pytest.mark.parametrize("kind", ["frontend", "backend"])
@pytest.mark.parametrize("option", ["width", "sample_rate", "in_channels"])
def test_what_the_whole_tagger_has_is_no_option_of_a_part(kind, option, tmp_path):
    settings = Settings(models=("spectrogram",)).override({f"model.{kind}_options.{option}": 1})
    with pytest.raises(ConfigError, match=f"model.{kind}_options.{option}: none of .* takes it"):
        train(settings, tmp_path, cpu_only=True, progress=False)
    assert not list(tmp_path.iterdir())
    if option != "in_channels":
        with pytest.raises(ConfigError, match=f"{kind}_options: {option}"):
            tagging.build_tagger("spectrogram", "attention", ["a"], 3.0, **{f"{kind}_options": {option: 1}})


def test_heads_of_baselines_take_their_options_and_no_others():
    settings = Settings(models=("mel-statistics:per-tag",)).override({"model.head_options.hidden": 4})
    check_options(settings)
    model = build_model("mel-statistics:per-tag", settings.model, Vocabulary(["a", "b"]), 16_000)
    assert model.head.hidden.out_features == 2 * 4
    with pytest.raises(ConfigError, match=r"model.head_options.hidden: none of linear takes it"):
        check_options(Settings(models=("mel-statistics",)).override({"model.head_options.hidden": 4}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clips_seen = 1000", "called optimization.num_training_segments now"),
        ('corpus = "scores"', "did you mean 'data.corpus'"),
    ],
)
def test_names_of_earlier_versions_are_not_settings(text, message, tmp_path):
    (tmp_path / "old.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_settings(tmp_path / "old.toml", Settings())
    with pytest.raises(ConfigError, match=message):
        parse_overrides([text.replace(" ", "")], Settings())


def test_trees_take_no_head(tmp_path):
    with pytest.raises(ConfigError, match="'gbt:linear'.*write gbt"):
        train(Settings(models=("gbt:linear",)), tmp_path, cpu_only=True, progress=False)


def test_an_unknown_edition_suggests_one():
    with pytest.raises(ConfigError, match="did you mean 'laptop'"):
        edition("laptops")


def test_overrides_from_arguments_and_files_agree(tmp_path):
    path = tmp_path / "fast.toml"
    path.write_text(
        "[data]\nnum_clips = 500\n[optimization]\nlearning_rate = 0.004\n[runtime]\nprecision = 'bf16'\n"
        "[model]\ninit_bias_from_prior = false\nfrontend_options.mel.hop_length = 128\n"
    )
    arguments = [
        "data.num_clips=500", "optimization.learning_rate=0.004", "runtime.precision=bf16", "model.init_bias_from_prior=false",
        "model.frontend_options.mel.hop_length=128",
    ]  # fmt: skip
    settings = parse_overrides(arguments, Settings())
    assert settings == read_settings(path, Settings())
    assert settings.optimization.learning_rate == 0.004
    assert settings.model.frontend_options == {"mel": {"n_fft": 1024, "hop_length": 128}}
    assert parse_overrides(["data.num_clips=none"], Settings()).data.num_clips is None


def test_a_file_can_describe_a_whole_run(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('edition = "poster"\nmodels = ["waveform:attention"]\nseed = 3\n')
    options = _parser().parse_args(["train", "--settings", str(path)])
    assert settings_of(options) == edition("poster").override({"models": ["waveform:attention"], "seed": 3})
    with pytest.raises(ConfigError, match="at least one model"):
        settings_of(_parser().parse_args(["train"]))


@pytest.mark.parametrize("name", ["edition", "models"])
def test_what_a_command_names_itself_cannot_be_set(name):
    with pytest.raises(ConfigError, match=f"'{name}' cannot be set"):
        parse_overrides([f"{name}=poster"], Settings())


def test_bad_files_and_arguments(tmp_path):
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        parse_overrides(["learning_rate"], Settings())
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(tmp_path / "nothing.toml", Settings())
    (tmp_path / "bad.toml").write_text("learning_rate 0.004")
    with pytest.raises(ConfigError, match="not TOML"):
        read_settings(tmp_path / "bad.toml", Settings())


@given(
    name=st.sampled_from(sorted(EDITIONS)),
    values=st.fixed_dictionaries(
        {},
        optional={
            "models": st.sampled_from([["waveform"], ["waveform", "spectrogram:attention"], ["mel-statistics"]]),
            "data.num_clips": st.none() | st.integers(1, 10**6),
            "seed": st.integers(0, 99),
            "optimization.learning_rate": st.floats(1e-6, 1.0) | st.integers(1, 3),
            "optimization.early_stopping_patience": st.none() | st.integers(1, 9),
            "model.frontend_options": st.fixed_dictionaries({"mel": st.fixed_dictionaries({"n_fft": st.just(512)})}),
            "data.train_options": st.fixed_dictionaries({"compositions": st.integers(1, 999)}),
            "data.corpus_options.root": st.sampled_from(["music", "my music; $HOME", "2026", "true"]),
        },
    ),
)
def test_overrides_are_what_was_asked_for(name, values):
    settings = edition(name).override(values)
    assert Settings.from_dict(settings.to_dict()) == settings
    assert settings.override(values) == settings
    before = flat(edition(name))
    changed = {other for other, value in flat(settings).items() if value != before[other]}
    assert all(any(asked.startswith(other) for asked in values) for other in changed)


@pytest.mark.parametrize("path", sorted(BUNDLED_RUNS.glob("laptop-*.json")), ids=lambda path: path.stem)
def test_records_of_earlier_versions_are_read_and_keep_their_names(path):
    record = read_record(path)
    settings = Settings.from_dict(record["settings"])
    name = run_name(settings, record["model"])
    assert RUN_NAMES.get(name, name) == record["name"] == path.stem
    assert settings.data.num_clips == record["num_clips"]
    assert {"step", "learning_rate", "loss"} <= set(
        (record["history"] or [{"step": 0, "learning_rate": 0, "loss": 0}])[0]
    )


def test_names_tell_experiments_apart_and_hold_no_paths():
    base = Settings()
    names = {
        run_name(base.override(values), "waveform:dense")
        for values in (
            {}, {"optimization.learning_rate": 0.002}, {"model.frontend_options.mel.hop_length": 256}, {"model.width": 0.5},
            {"optimization.num_training_segments": 512_000}, {"optimization.loss": "focal"}, {"data.shuffle_labels": True},
            {"data.corpus": "folder", "data.corpus_options.root": "music/mine"},
            {"data.corpus": "folder", "data.corpus_options.root": "music/others"}, {"seed": 1}, {"data.num_clips": None},
        )
    }  # fmt: skip
    assert len(names) == 11
    assert not any("/" in name or ":" in name for name in names)
    assert run_name(base.override({"runtime.num_workers": 4, "evaluation.num_resamples": 10}), "waveform") == run_name(
        base, "waveform"
    )


@given(batches=st.integers(2, 500), warmup_ratio=st.floats(0, 0.9))
def test_the_learning_rate_rises_once_and_falls_to_zero(batches, warmup_ratio):
    settings = Settings().override(
        {"optimization.num_training_segments": 32 * batches, "optimization.warmup_ratio": warmup_ratio}
    )
    rates = [learning_rate(settings, step) for step in range(1, batches + 1)]
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert all(0 <= rate <= settings.optimization.learning_rate for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
