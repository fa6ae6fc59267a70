"""Right answers of exercises, computed: a page checks against them and does not show them.

Each function takes nothing and returns one answer; it is called when a reader has answered. Book: ``book/how_to_use``.
"""

from __future__ import annotations

import numpy as np
import torch

from ..audio.mel import MelSpec
from ..data.base import open_corpus
from ..evaluation.bias.remedies import adjusted_scores
from ..evaluation.metrics import Ranking, pr_auc, roc_auc
from ..evaluation.stratified import mask_unannotated
from ..models.build import build_tagger
from ..models.frontends import build_frontend
from ..training.settings import Settings
from .architecture_study import TAGS, grid
from .backend_study import BACKENDS, backend_macs, finder, musicnn, test_clips
from .clip_study import training_clips
from .comparisons import changes, runs_of
from .datasets import magnatagatune_positives
from .emotify import genre_table
from .exclusive_study import LARGEST as LARGEST_MODEL
from .exclusive_study import OFTEN, counted
from .field import probes
from .input_study import dead_bands
from .leak_study import key_alone, library
from .measuring import labels_of
from .parts_study import BACKENDS as PARTS_BACKENDS
from .popularity_study import SPECTROGRAM, classes, list_popularity, list_precision, training_share
from .published import list_published, published_gaps, published_results, version_changes
from .remedies_study import AS_IT_IS, after_training
from .results_study import find_row, leads
from .run_lists import trained
from .runs import bundled_record, load_predictions
from .scales_study import SHORT, first_runs
from .song_study import results
from .timbre_study import TIMBRES, pitch_shares
from .time_study import FRONTENDS, spans, tag_leads
from .transfer_study import font_value, instruments
from .tree_study import TAGS, blocks, features_table, fitted
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


def largest_family() -> int:
    """*Leaks and shortcuts*, 1."""
    return int(np.bincount(library().facts["family"]).max())


def small_shift() -> float:
    """*Leaks and shortcuts*, 2."""
    shift = np.random.default_rng(0).integers(-2, 3, len(library()))
    return key_alone((library().facts["tonic"] + shift) % 12, "Irish")


def expensive_features() -> str:
    """*Two baselines*, 1."""
    table = features_table()
    return str((table["ms a clip"] / table["numbers"]).idxmax())


def needs_more_than_timbre() -> str:
    """*Two baselines*, 2."""
    model = fitted()
    values, others = model.test.values.copy(), blocks() != "timbre"
    values[:, others] = values[np.random.default_rng(0).permutation(len(values))][:, others]
    return TAGS[int(np.argmax(model.roc_auc - roc_auc(model.test.labels, model.trees.predict(values))))]


def trained_together() -> int:
    """*How these results were made*, 1."""
    return sum(len(record["settings"]["models"]) > 1 for record in trained().values())


def quiet_hours() -> float:
    """*How these results were made*, 2."""
    speeds = bundled_record("training-speed")["speeds"]["no"].values()
    return 1_024_000 / min(model["segments_per_second"] for model in speeds) / 3600


def backend_sizes() -> float:
    """*Back-ends, heads, length*, 1."""
    sizes = [runs_of(model)[0]["parameters"] for model in PARTS_BACKENDS]
    return max(sizes) / min(sizes)


def sample_level_verdict() -> str:
    """*Back-ends, heads, length*, 2."""
    (change,) = changes({"waveform": "sample level"}, "waveform-frame-level-many-shapes", "pr_auc").values()
    return change.verdict


def fallen_instruments() -> int:
    """*What transfers*, 1."""
    areas = instruments()
    return int((areas["waveform", "own"] - areas["waveform", "other"] > 0.1).sum())


def kept_share() -> float:
    """*What transfers*, 2."""
    same, other = (font_value("spectrogram-1M", "instrument", font) for font in ("own", "other"))
    return (other - 0.5) / (same - 0.5)


def no_better_lists() -> float:
    """*Popular tags win*, 1."""
    test = classes(SPECTROGRAM)
    labels = labels_of(test) == 1
    listed = np.argsort(-test.scores, axis=1, kind="stable")[:, :10]
    popular = np.argsort(-training_share(), kind="stable")[:10]
    return float(np.mean(np.take_along_axis(labels, listed, axis=1).sum(axis=1) <= labels[:, popular].sum(axis=1)))


def evidence_alone() -> list[float]:
    """*Popular tags win*, 2."""
    evidence = adjusted_scores(classes(SPECTROGRAM).scores, training_share())
    return [list_popularity(evidence).value, list_precision(evidence).value]


def three_exclusive() -> float:
    """*Tags that exclude each other*, 1."""
    return 1 / 3


def most_above_chance() -> set[str]:
    """*Tags that exclude each other*, 2."""
    names = classes(SPECTROGRAM).vocabulary.names
    pairs = [pair for pair in counted(LARGEST_MODEL)[OFTEN].pairs if pair.by_threshold_if_independent > 0]
    most = max(pairs, key=lambda pair: pair.by_threshold.value / pair.by_threshold_if_independent)
    return {names[most.first], names[most.second]}


def only_one() -> float:
    """*Do real taggers agree with themselves*, 1."""
    both = 0.1 * 0.1
    return 1 - both / (0.2 - both)


def pairs_below_related() -> int:
    """*Do real taggers agree with themselves*, 2."""
    tagger = bundled_record("self-consistency")["models"]["mtt-musicnn"]
    related = next(pair for pair in tagger["related"]["pairs"] if pair["words"] == ["quiet", "soft"])
    affirmed = [pair for pair in tagger["synonyms"]["pairs"] if pair["group"] != "no voice"]
    return sum(pair["correlation"]["value"] < related["correlation"]["value"] for pair in affirmed)


def adjusted_score() -> float:
    """*What can be done*, 1."""
    return float(adjusted_scores(np.array([[0.1, 0.5]]), np.array([0.02, 0.5]))[0, 0])


def unmoved_remedies() -> int:
    """*What can be done*, 2."""
    labels = labels_of(classes(SPECTROGRAM))
    means = {name: float(np.nanmean(roc_auc(labels, scores))) for name, scores in after_training().items()}
    return sum(abs(mean - means[AS_IT_IS]) < 1e-6 for name, mean in means.items() if name != AS_IT_IS)


def longest_filter() -> float:
    """*Spectrogram front-ends*, 1."""
    frontend = build_frontend("spectrogram")
    return frontend.receptive_fields()["temporal.0"].size / frontend.sample_rate


def without_vowel() -> str:
    """*Spectrogram front-ends*, 2."""
    stage = "timbral 38 x 7, maximum"
    every, five = (pitch_shares(musicnn(), timbres)[stage] for timbres in (TIMBRES, TIMBRES[:-1]))
    return "up" if five > every else "down"


def positions_of_128() -> int:
    """*Spectrogram front-ends*, 3."""
    return 128 - int(0.9 * 128) + 1


def fewest_parameters() -> tuple[str, str]:
    """*Putting a tagger together*, 1."""
    pairs = grid()
    return min(pairs, key=lambda pair: pairs[pair][0])


def slow_frames() -> int:
    """*Putting a tagger together*, 2."""
    return build_frontend("spectrogram", mel={"hop_length": 2187, "n_fft": 4096}).num_frames(15 * 16_000)


def per_tag_head() -> int:
    """*Putting a tagger together*, 3."""
    head = build_tagger("waveform", "temporal-pooling", TAGS, head="per-tag").head
    return sum(weight.numel() for weight in head.parameters())


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


def tunes_of_oneills() -> int:
    """*A million clips*, 1."""
    corpus = training_clips()
    return sum(corpus[index].source.startswith("oneills") for index in range(100))


def clips_per_composition() -> float:
    """*A million clips*, 2."""
    corpus = training_clips()
    return len(corpus) / len(corpus.pool)


def unknown_reels() -> float:
    """*A million clips*, 3."""
    corpus = training_clips()
    column = corpus.vocabulary.position("reel")
    return float(np.mean([np.isnan(corpus[index].labels[column]) for index in range(300)]))
