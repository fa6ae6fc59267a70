"""Do the pretrained taggers agree with themselves? Synonyms and opposites of their vocabularies, on rendered clips.

    python benchmarks/self_consistency.py                    # writes tagging/book/runs/self-consistency.json

No annotations are needed for that: "vocal" and "vocals" should be given to the same clips, "slow" and "fast" never to one.
Each tagger hears test clips of the ``scores`` corpus, whole, and the three example sounds of the package. Tags are given by
three rules: a score of 0.5 or more; the ten highest of a clip; and to a tenth of the clips each, those with the highest scores
of that tag, which leaves aside that some words have higher scores everywhere.

Nobody sings in these clips. What comes nearest is a synthesizer's "aah", annotated as *choir timbre*: so words for voices are
wrong on all others, and how often they are given there is measured too.
"""

from __future__ import annotations

import timing  # isort: skip  # noqa: F401  (sets the number of threads before numpy is imported)

import argparse
import time
from itertools import chain

import numpy as np
import records
import torch

from tagging.audio.examples import list_sounds, sound_path
from tagging.book.tag_synonyms import tag_synonyms
from tagging.data import open_corpus
from tagging.evaluation.bias import agreement, contradictions
from tagging.evaluation.bias.common import THRESHOLD, highest
from tagging.evaluation.bias.report import plain
from tagging.evaluation.bootstrap import Resampling, interval_of
from tagging.evaluation.evaluate import evaluate
from tagging.pretrained import list_musicnn, load_tagger
from tagging.tags import Vocabulary

TOP_K = 10
TENTH = 0.1
CHOIR = "choir timbre"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=500, help="of the test split (default: %(default)s)")
    parser.add_argument("--resamples", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--record", help="where the record goes (default: in the package)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus = open_corpus("sheet-music", split="test", clips=options.clips)
    taggers = {name: load_tagger(name) for name in list_musicnn()}
    scores, seconds = scores_of(corpus, taggers)
    choir = corpus.labels_of(np.arange(len(corpus)))[:, corpus.vocabulary.position(CHOIR)]
    groups = corpus.groups()
    resampling = Resampling(len(corpus), groups, resamples=options.resamples)
    models = {}
    for name, tagger in taggers.items():
        models[name] = {
            "tags": tagger.vocabulary.names,
            "seconds_per_clip": round(seconds[name] / len(corpus), 3),
            **consistency(name, tagger.vocabulary, scores[name], resampling),
            "voices": voices(name, tagger.vocabulary, scores[name], choir, groups, resampling),
            "examples": examples(name, tagger),
        }
        print(f"{name}: synonyms' rank correlation {models[name]['synonyms']['correlation']:.2f}")
    record = {
        "corpus": corpus.version,
        "clips": len(corpus),
        "groups": resampling.num_groups,
        "choir_clips": int(choir.sum()),
        "top_k": TOP_K,
        "models": rounded(plain(models)),
    }
    records.write("self-consistency", record, options.record)


def scores_of(corpus, taggers):
    """Song-level scores, float64 [clips, tags] for each tagger; and the CPU seconds each took."""
    scores = {name: np.empty((len(corpus), len(tagger.vocabulary))) for name, tagger in taggers.items()}
    seconds = dict.fromkeys(taggers, 0.0)
    for clip in range(len(corpus)):
        sound = corpus[clip].read()
        for name, tagger in taggers.items():
            start = time.process_time()
            scores[name][clip] = tagger.tag_waveform(sound, corpus.sample_rate).scores
            seconds[name] += time.process_time() - start
        if clip % 50 == 49:
            print(f"{clip + 1} clips heard", flush=True)
    return scores, seconds


def consistency(name, vocabulary, scores, resampling):
    """Agreement of synonyms and contradictions of opposites, by each rule."""
    synonyms, position = tag_synonyms(name), vocabulary.position
    lists = {"top_k": TOP_K, "resampling": resampling}
    limits = {"threshold": THRESHOLD, "tenth": np.quantile(scores, 1 - TENTH, axis=0)}
    results = {"synonyms": {}, "related": {}, "opposites": {}}
    for kind in ("synonyms", "related"):
        groups = {group: [position(word) for word in same] for group, same in getattr(synonyms, kind).items()}
        by = {rule: agreement(scores, groups, thresholds=limit, **lists) for rule, limit in limits.items()}
        usual = by["threshold"]
        results[kind] = {
            "correlation": usual.correlation,
            "one_only": {"threshold": usual.by_threshold, "listed": usual.in_top_k, "tenth": by["tenth"].by_threshold},
            "pairs": [
                {
                    "group": pair.group,
                    "words": [vocabulary.names[pair.first], vocabulary.names[pair.second]],
                    "correlation": pair.correlation,
                    "difference": pair.difference,
                    "offset": pair.offset,
                    "one_only": {
                        "threshold": disagreement(pair.by_threshold),
                        "listed": disagreement(pair.in_top_k),
                        "tenth": disagreement(other.by_threshold),
                    },
                }
                for pair, other in zip(usual.pairs, by["tenth"].pairs, strict=True)
            ],
        }
    for group in synonyms.opposites:
        groups = {f"{one} + {other}": [position(one), position(other)] for one, other in synonyms.opposed(group)}
        by = {rule: contradictions(scores, groups, thresholds=limit, **lists) for rule, limit in limits.items()}
        usual = by["threshold"]
        results["opposites"][group] = {
            "both": {"threshold": usual.by_threshold, "listed": usual.in_top_k, "tenth": by["tenth"].by_threshold},
            "pairs": [
                {
                    "words": [vocabulary.names[pair.first], vocabulary.names[pair.second]],
                    "both": {"threshold": pair.by_threshold, "listed": pair.in_top_k, "tenth": other.by_threshold},
                    "confidence": {"threshold": pair.by_threshold_confidence, "listed": pair.in_top_k_confidence},
                    "by_chance": {
                        "threshold": pair.by_threshold_if_independent,
                        "tenth": other.by_threshold_if_independent,
                    },
                }
                for pair, other in zip(usual.pairs, by["tenth"].pairs, strict=True)
            ],
        }
    return results


def disagreement(measured):
    """Of two synonyms: how many clips are given any, and the share of these that are given one only."""
    return {
        "songs": measured.num_songs,
        "share": measured.rate,
        "by_chance": measured.if_independent,
        "at_least": measured.minimum,
    }


def voices(name, vocabulary, scores, choir, groups, resampling):
    """How often a word for a voice is given, with and without a choir timbre; how well each word tells the two apart."""
    silent, singing = tag_synonyms(name).opposites["voice"]
    columns = [vocabulary.position(word) for word in singing]
    rules = {"threshold": scores >= THRESHOLD, "listed": highest(scores, TOP_K)}
    with_choir = choir == 1
    shares = {}
    for rule, given in rules.items():
        any_voice = given[:, columns].any(axis=1)
        sums = resampling.sums(
            np.column_stack([any_voice & ~with_choir, ~with_choir, any_voice & with_choir, with_choir])
        )
        with np.errstate(invalid="ignore"):  # a resample without any choir
            shares[rule] = {
                "without": interval_of(sums[:, 0] / sums[:, 1], (0.0, 1.0)),
                "with": interval_of(sums[:, 2] / sums[:, 3], (0.0, 1.0)),
            }
    asked = (*singing, *silent)
    asked_scores = scores[:, [vocabulary.position(word) for word in asked]]
    labels = np.repeat(choir[:, None], len(asked), axis=1)
    tags = evaluate(labels, asked_scores, Vocabulary(asked), groups=groups, resamples=resampling.resamples).tags
    return {"any": shares, "roc_auc": {tag.name: tag.roc_auc for tag in tags}}


def examples(name, tagger):
    """What the tagger says about each example sound: the score of every word that is listed, and the ten highest."""
    known = tag_synonyms(name)
    groups = (*known.synonyms.values(), *known.related.values(), *chain.from_iterable(known.opposites.values()))
    asked = sorted({word for group in groups for word in group}, key=tagger.vocabulary.position)
    results = {}
    for sound in list_sounds():
        result = tagger.tag(sound_path(sound))
        score = dict(zip(result.tags, result.scores.tolist(), strict=True))
        results[sound] = {
            "words": {word: score[word] for word in asked},
            "top": {word: float(value) for word, value in result.top(TOP_K)},
        }
    return results


def rounded(value):
    """Plain data with four decimals: more than the intervals leave."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
