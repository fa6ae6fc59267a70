"""Right answers of exercises, computed: a page checks against them and does not show them.

Each function takes nothing and returns one answer; it is called when a reader has answered. Book: ``book/how_to_use``.
"""

from __future__ import annotations

import numpy as np
import torch

from ..audio.mel import MelSpec
from ..data.base import open_corpus
from ..evaluation.metrics import Ranking, pr_auc, roc_auc
from ..evaluation.stratified import mask_unannotated
from ..models.frontends import build_frontend
from ..training.settings import Settings
from .backend_study import BACKENDS, backend_macs, finder, test_clips
from .datasets import magnatagatune_positives
from .emotify import genre_table
from .field import probes
from .input_study import dead_bands
from .measuring import labels_of
from .published import list_published, published_gaps, published_results, version_changes
from .results_study import find_row, leads
from .runs import bundled_record, load_predictions
from .scales_study import SHORT, first_runs
from .time_study import FRONTENDS, spans, tag_leads
from .waveform_study import phase_share

LARGEST = "laptop-spectrogram-1M-seen-1024k-s0"


def whole_segments() -> int:
    """*What tagging is*, 1."""
    seconds, segment = 95, 3
    return seconds // segment


def tags_per_clip() -> float:
    """*What tagging is*, 2."""
    clips = load_predictions(LARGEST)
    labels = mask_unannotated(labels_of(clips), clips.annotated)[:, clips.vocabulary.classification]
    return float(np.nansum(labels, axis=1).mean())


def random_pr_auc() -> float:
    """*How taggers are measured*, 1."""
    songs = 200_000
    labels = np.arange(songs) < 0.04 * songs
    return float(pr_auc(labels[:, None].astype(float), np.random.default_rng(0).random((songs, 1)))[0])


def squared_scores() -> float:
    """*How taggers are measured*, 2."""
    labels, scores = _of("minor")
    return float(roc_auc(labels, scores**2)[0] - roc_auc(labels, scores)[0])


def break_even() -> float:
    """*How taggers are measured*, 3."""
    labels, scores = _of("violin")
    return float(Ranking(labels[:, 0], scores[:, 0]).break_even_recall(np.ones((1, len(labels)), np.uint8))[0])


def _of(tag: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of one tag: float64 [songs, 1] each."""
    clips = load_predictions(LARGEST)
    column = [clips.vocabulary.names.index(tag)]
    return labels_of(clips)[:, column], clips.scores[:, column]


def passes() -> float:
    """*A training loop*, 1."""
    steps, batch, clips = 500, 32, 500
    return steps * batch / clips


def small_tagger() -> int:
    """*A training loop*, 2."""
    bands, filters, tags, kernel = 96, 64, 12, 7
    first, second = (channels * filters * kernel + filters for channels in (bands, filters))
    norms, head = 2 * (bands + filters + filters), 2 * filters * tags + tags
    return first + second + norms + head


def shuffled() -> float:
    """*A training loop*, 3."""
    return 0.5


def fastest() -> str:
    """*Which tagger*, 1."""
    speeds = bundled_record("tagger-speed")["taggers"]
    shown = [name for name in speeds if "laptop" not in name or name.endswith("1M")]
    return max(shown, key=lambda name: speeds[name]["songs_per_cpu_hour"])


def core_hours() -> float:
    """*Which tagger*, 2."""
    record = bundled_record("tagger-speed")
    return 20_000 * 240 / record["seconds_of_a_song"] / record["taggers"]["msd-musicnn"]["songs_per_cpu_hour"]


def same_rank() -> int:
    """*The field since*, 1."""
    ranks = probes().filter(like="PR-AUC").rank()
    return int((ranks.iloc[:, 0] == ranks.iloc[:, 1]).sum())


def reversed_sizes() -> list[int]:
    """*Two versions*, 1."""
    first, second = (published_gaps(version) for version in list_published())
    return [songs for songs in first if first[songs]["pr_auc"] * second[songs]["pr_auc"] < 0]


def moved_most() -> tuple[str, int]:
    """*Two versions*, 2."""
    moved = version_changes()["PR-AUC moved by"].abs()
    return moved.idxmax()


def gained_in_2017() -> float:
    """*The poster's table*, 1."""
    pr = {(row.model, row.num_clips): row.pr_auc for row in published_results(list_published()[0]).rows}
    return round(100 * (pr["spectrogram", 1_000_000] - pr["spectrogram", 100_000]), 2)


def paired_width() -> float:
    """*The poster's table*, 2."""
    scale = (1_000_000, 1_024_000)
    both = [find_row(model, *scale).endpoints["all"]["roc_auc"] for model in ("spectrogram", "waveform")]
    lead = leads()[scale]
    return (lead.high - lead.low) / float(np.linalg.norm([one.high - one.low for one in both]))


def early_best() -> list[int]:
    """*Data or training*, 1."""
    runs = {clips: run for (model, clips), run in first_runs(SHORT).items() if model == "spectrogram"}
    return [clips for clips, run in runs.items() if run["best"]["step"] < run["num_steps"]]


def gains_most_at_instruments() -> str:
    """*Data or training*, 2."""
    gained = {
        model: find_row(model, 100_000, 512_000).endpoints["instrument"]["roc_auc"].value
        - find_row(model, 100_000, SHORT).endpoints["instrument"]["roc_auc"].value
        for model in ("waveform", "spectrogram")
    }
    return max(gained, key=lambda model: gained[model])


def ahead_at_metre() -> list[tuple[int, int]]:
    """*Time against pitch*, 1."""
    return [scale for scale, lead in leads("meter").items() if lead.high < 0]


def longest_lead() -> str:
    """*Time against pitch*, 2."""
    return next(iter(tag_leads()))


def longest_filter() -> str:
    """*Time against pitch*, 3."""
    return max(FRONTENDS, key=lambda model: spans(model)["filter"])


def frame_step() -> float:
    """*Waveform front-ends*, 1."""
    return 1000 * 3**7 / 22050


def sample_frames() -> int:
    """*Waveform front-ends*, 2."""
    return build_frontend("waveform-sample-level").num_frames(59049)


def filters_needed() -> int:
    """*Waveform front-ends*, 3."""
    return next(count for count in range(1, 99) if np.cos(np.pi / count) >= 0.95)


def least_phase() -> int:
    """*Waveform front-ends*, 4."""
    torch.manual_seed(0)
    branches = build_frontend("waveform-frame-level-many-shapes").eval().branches
    return int(np.argmin([phase_share(branch, channel=True) for branch in branches]))  # type: ignore[union-attr]


def numbers_a_second() -> float:
    """*What goes in*, 1."""
    spec = MelSpec()
    return spec.n_mels * spec.sample_rate / spec.hop_length


def speech_frames() -> int:
    """*What goes in*, 2."""
    return MelSpec(n_fft=400, hop_length=160, pad_mode="none").num_frames(16000)


def folded_whistle() -> int:
    """*What goes in*, 3."""
    whistle = np.sin(2 * np.pi * 9000 * np.arange(16000) / 16000)
    return int(np.argmax(np.abs(np.fft.rfft(whistle))))  # one bin is 1 Hz


def shortest_window() -> int:
    """*What goes in*, 4."""
    return next(2**power for power in range(5, 15) if not dead_bands(2**power, 256))


def laptop_passes() -> float:
    """*The recipe*, 1."""
    return Settings().optimization.num_training_segments / 1_000


def dense_weights() -> int:
    """*Back-ends*, 1."""
    return 464 * 938 * 500


def attention_ratio() -> float:
    """*Back-ends*, 2."""
    short, long = (backend_macs("waveform", "attention", seconds)[1] for seconds in (15, 60))
    return round(long / short, 1)


def time_matters() -> int:
    """*Back-ends*, 3."""
    features = test_clips().features
    with torch.inference_mode():
        changes = [float((finder(name)(features.flip(-1)) - finder(name)(features)).abs().max()) for name in BACKENDS]
    return sum(change > 0.001 for change in changes)


def shares_apart() -> float:
    """*Public datasets*, 1."""
    shares = magnatagatune_positives()
    return shares["lee"] - shares["pons"]


def songs_in_major() -> int:
    """*Your own folder*, 1; in the folder that the page has made."""
    corpus = open_corpus("folder", root="music", labels="music/tags.csv", split="test")
    labels = corpus.labels_of(np.arange(len(corpus)))
    return int((labels[:, corpus.vocabulary.names.index("major")] == 1).sum())


def most_random() -> str:
    """*Fine-tuning and probing*, 1."""
    return str(genre_table()["random - artist"].idxmax())
