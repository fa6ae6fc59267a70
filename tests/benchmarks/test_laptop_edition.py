"""The script behind the book's records: it knows what is done, carries on what is not, and ships what came of it."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
from pathlib import Path

import pytest

from tagging.book.runs import BUNDLED_RUNS, list_predictions
from tagging.cli import _parser
from tagging.cli.train import settings_of
from tagging.data.sheet_music.corpus import VOCABULARY
from tagging.models.tagger import Tagger
from tagging.tags import Vocabulary
from tagging.training import Settings
from tagging.training.learner import num_parameters
from tagging.training.models import build_model, check_options
from tagging.training.run_names import run_name

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "laptop_edition.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="a source distribution has no benchmarks")


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script as a module, with an empty folder of its own for records and for what is under way."""
    spec = importlib.util.spec_from_file_location("laptop_edition", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "BUNDLED_RUNS", tmp_path / "records")
    monkeypatch.setattr(module, "UNDER_WAY", tmp_path / "under_way")
    return module


def state(folder: Path, step: int) -> None:
    """What a run leaves that was stopped after a step."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text("{}")
    (folder / f"state-{step:08d}.safetensors").write_bytes(str(step).encode())


def ship(script, settings: Settings, changes: dict | None = None) -> None:
    """Records of a run, as if it had been made with some other settings."""
    for model in settings.models:
        record = {"date": "today", "settings": settings.override(changes or {}).to_dict()}
        script.BUNDLED_RUNS.mkdir(exist_ok=True)
        (script.BUNDLED_RUNS / f"{run_name(settings, model)}.json").write_text(json.dumps(record))


def test_no_two_runs_of_the_studies_share_a_name(script):
    names = [name for study in script.STUDIES.values() for settings in study for name in script.names_of(settings)]
    assert len(names) == len(set(names)) > 40


def test_commands_ask_for_these_very_runs_and_their_models_can_be_built(script):
    for settings in (settings for study in script.STUDIES.values() for settings in study):
        _, *arguments = shlex.split(script.command_of(settings))
        assert settings_of(_parser().parse_args(arguments)) == settings
        if settings.models != ("gbt",):
            check_options(settings)


def test_one_change_at_a_time_is_what_it_says(script):
    """Milliseconds from frame to frame in the first convolution of the back-end, and the longest filters in seconds."""
    frames = {}
    for settings in (*script.STUDIES["frames"], *(script.plan(model, 10_000) for model in script.PAIR)):
        tagger = build_model(settings.models[0], settings.model, Vocabulary(["a"]), 16_000)
        assert isinstance(tagger, Tagger)
        *_, output = tagger.frontend.receptive_fields().values()
        field = tagger.backend.receptive_fields(output)["cnn1"]
        name = script.names_of(settings)[0].removeprefix("laptop-").rpartition("-s")[0]
        frames[name] = round(field.stride / 16), tagger.frontend.num_frames(48_000)
        if "temporal" in name:
            longest = tagger.frontend.receptive_fields()["temporal.0"].size / 16_000
            assert longest == pytest.approx(165 * 0.016, abs=0.05)
    assert frames == {
        "spectrogram-10k": (32, 94),
        "spectrogram-10k-temporal-82_16_64_32_32_64_16_128": (32, 94),
        "spectrogram-10k-pool_input-4": (128, 94),
        "waveform-10k": (137, 20),
        "waveform-10k-filters-64_64_64_128_128_256": (46, 64),
        "waveform-frame-level-many-shapes-10k-pool_input-8": (128, 188),
        "spectrogram-vgg-10k-pools-2_2_2_2_2_2_2_2_2_1_2_1_2_1_2_1_4_1_4_1": (128, 23),
    }


def test_heads_of_equal_size_are(script):
    sizes = [
        num_parameters(build_model(settings.models[0], settings.model, VOCABULARY, 16_000))
        for settings in (script.STUDIES["heads"][0], script.plan("mel-statistics", 10_000))
    ]
    assert 0.95 < sizes[0] / sizes[1] < 1


def test_records_that_ship_are_those_of_its_studies(script, monkeypatch):
    """What ``tagging report`` prints is what this script makes: the same runs, with the same settings."""
    monkeypatch.setattr(script, "BUNDLED_RUNS", BUNDLED_RUNS)
    shipped = {path.stem for path in BUNDLED_RUNS.glob("laptop-*.json")}
    assert len(shipped) > 20
    done = [settings for study in script.STUDIES.values() for settings in study if script.is_shipped(settings)]
    assert shipped == {name for settings in done for name in script.names_of(settings)}


def test_a_run_is_done_when_all_its_models_have_records_of_these_very_settings(script):
    settings = script.plan("waveform spectrogram", 1_000)
    assert not script.is_shipped(settings)
    ship(script, settings)
    assert script.is_shipped(settings)
    # how it was computed does not count
    ship(script, settings, {"runtime.num_workers": 7, "runtime.cpu_acceleration": False})
    assert script.is_shipped(settings)
    ship(script, settings, {"model.dropout": 0.25})
    assert not script.is_shipped(settings)
    ship(script, settings)
    (script.BUNDLED_RUNS / f"{run_name(settings, 'spectrogram')}.json").unlink()
    assert not script.is_shipped(settings)


def test_what_is_under_way_is_kept_and_taken_up_elsewhere(script, tmp_path):
    settings, here, elsewhere = script.plan("waveform", 1_000), tmp_path / "here", tmp_path / "elsewhere"
    script.keep(settings, here)
    assert not script.UNDER_WAY.exists()  # nothing was begun
    folder = script.folder_of(settings, here)
    for step in (100, 900, 1100):
        state(folder, step)
        script.keep(settings, here)
    target = script.folder_of(settings, script.UNDER_WAY)
    assert sorted(path.name for path in target.iterdir()) == ["settings.json", "state-00001100.safetensors"]
    script.take_up(settings, elsewhere)
    assert (script.folder_of(settings, elsewhere) / "state-00001100.safetensors").read_bytes() == b"1100"


def test_what_has_come_further_is_not_overwritten(script, tmp_path):
    settings, here, elsewhere = script.plan("waveform", 1_000), tmp_path / "here", tmp_path / "elsewhere"
    state(script.folder_of(settings, here), 300)
    state(script.folder_of(settings, elsewhere), 500)
    script.keep(settings, elsewhere)
    script.keep(settings, here)
    assert script.newest_state(script.folder_of(settings, script.UNDER_WAY)) == "state-00000500.safetensors"
    state(script.folder_of(settings, here), 700)
    script.take_up(settings, here)
    assert not (script.folder_of(settings, here) / "state-00000500.safetensors").exists()
    ship(script, settings)
    shutil.rmtree(script.UNDER_WAY)
    script.keep(settings, here)  # done: elsewhere is nothing to carry on
    assert not script.UNDER_WAY.exists()


def test_of_trees_all_finished_tags_are_kept(script, tmp_path):
    settings, here, elsewhere = script.plan("gbt", 1_000), tmp_path / "here", tmp_path / "elsewhere"
    for runs, tags in ((here, (0, 3)), (elsewhere, (0, 1))):
        folder = script.folder_of(settings, runs) / "gbt" / "tags-0123"
        folder.mkdir(parents=True)
        (script.folder_of(settings, runs) / "settings.json").write_text("{}")
        for tag in tags:
            (folder / f"{tag:03d}.npz").write_bytes(str(tag).encode())
        script.keep(settings, runs)
    script.take_up(settings, here)
    assert {path.name: path.read_bytes() for path in here.rglob("*.npz")} == {
        "000.npz": b"0",
        "001.npz": b"1",
        "003.npz": b"3",
    }


def test_predictions_ship_of_every_run_but_those_of_other_seeds_that_were_not_kept(script, monkeypatch):
    monkeypatch.setattr(script, "BUNDLED_RUNS", BUNDLED_RUNS)
    records = {path.stem for path in BUNDLED_RUNS.glob("laptop-*.json")}
    assert set(list_predictions()) <= records
    assert not {name for name in records - set(list_predictions()) if name.endswith("-s0")}
    assert script.has_predictions(script.plan("spectrogram", 10_000))
    assert not script.has_predictions(script.plan("spectrogram", 10_000, seed=9))


@pytest.mark.parametrize(
    ("model", "clips", "segments", "seed", "name"),
    [
        ("waveform", 100_000, 102_400, 0, "laptop-waveform-100k"),
        ("spectrogram", 500_000, 512_000, 0, "laptop-spectrogram-500k"),
        ("spectrogram", 100_000, 512_000, 0, None),  # each clip five times
        ("spectrogram", 100_000, 102_400, 1, None),  # those of the first seed are there
        ("spectrogram", 10_000, 10_240, 0, None),
        ("mel-statistics", 100_000, 102_400, 0, None),
    ],
)
def test_weights_ship_of_the_pair_where_each_clip_passed_once(
    script, tmp_path, monkeypatch, model, clips, segments, seed, name
):
    monkeypatch.setattr(script, "bundled_path", lambda name: tmp_path / f"{name}.safetensors")
    folder = tmp_path / model
    folder.mkdir()
    (folder / "tagger.safetensors").write_bytes(b"weights")
    plan = script.plan(model, clips, seed, {"optimization.num_training_segments": segments})
    script.ship_weights(folder, plan)
    assert [path.stem for path in tmp_path.glob("*.safetensors")] == ([name] if name else [])
