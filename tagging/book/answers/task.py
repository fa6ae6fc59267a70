"""Right answers of the exercises of the part *The task*. Book: ``book/how_to_use``."""

from __future__ import annotations

import numpy as np

from ...audio.mel import MelSpec
from ...evaluation.metrics import Ranking, pr_auc, roc_auc
from ...evaluation.stratified import mask_unannotated
from ..backend_study import musicnn
from ..input_study import dead_bands
from ..measuring import labels_of
from ..runs import bundled_record, load_predictions
from ..song_study import results

LARGEST = "laptop-spectrogram-1M-seen-1024k-s0"


def _of(tag: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of one tag: float64 [songs, 1] each."""
    clips = load_predictions(LARGEST)
    column = [clips.vocabulary.names.index(tag)]
    return labels_of(clips)[:, column], clips.scores[:, column]


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


def fastest() -> str:
    """*Which tagger*, 1."""
    speeds = bundled_record("tagger-speed")["taggers"]
    shown = [name for name in speeds if "laptop" not in name or name.endswith("1M")]
    return max(shown, key=lambda name: speeds[name]["songs_per_cpu_hour"])


def core_hours() -> float:
    """*Which tagger*, 2."""
    record = bundled_record("tagger-speed")
    return 20_000 * 240 / record["seconds_of_a_song"] / record["taggers"]["msd-musicnn"]["songs_per_cpu_hour"]


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


def segments_in_a_clip() -> int:
    """*Tag a song*, 1."""
    tagger = musicnn()
    silence = np.zeros(round(29.1 * tagger.sample_rate), dtype=np.float32)
    return len(tagger.tag_waveform(silence, tagger.sample_rate).times)


def calmest() -> str:
    """*Tag a song*, 2."""
    songs = results("msd-vgg")
    return max(songs, key=lambda name: songs[name]["Mellow"])


def short_list() -> list[str]:
    """*Tag a song*, 3."""
    result = results()["drowsy-maggie"]
    order = np.argsort(-result.scores, kind="stable")
    return [result.tags[tag] for tag in order if result.scores[tag] >= result.scores.max() / 3]
