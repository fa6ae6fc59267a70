"""Self-consistency of the pretrained taggers: synonyms and opposites of their vocabularies, on rendered clips.

    python benchmarks/self_consistency.py                    # writes tagging/book/runs/self-consistency.json

No annotations are needed: "vocal" and "vocals" should be given to the same clips, "slow" and "fast" never to the same clip.
The input is test clips of the ``sheet-music`` corpus, whole, and the three example sounds of the package. Tags are given by
three rules: a score of 0.5 or more; the ten highest scores of a clip; and for each tag the tenth of the clips with its highest
scores, which removes differences of level between tags.

Nobody sings in these clips. The closest sound is a synthesizer's "aah", annotated as *choir timbre*: words for voices are
wrong on all other clips, and the benchmark measures how often they are given there.
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
        "groups": resampling.count,
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
            print(f"{clip + 1} clips done", flush=True)
    return scores, seconds


def consistency(name, vocabulary, scores, resampling):
    """Agreement of synonyms and contradictions of opposites, by each rule."""
    known, position = tag_synonyms(name), vocabulary.position
    lists = {"top_k": TOP_K, "resampling": resampling}
    limits = {"threshold": THRESHOLD, "tenth": np.quantile(scores, 1 - TENTH, axis=0)}
    results = {"synonyms": {}, "related": {}, "opposites": {}}
    for kind in ("synonyms", "related"):
        rows = {group: [position(word) for word in same] for group, same in getattr(known, kind).items()}
        by = {rule: agreement(scores, rows, thresholds=limit, **lists) for rule, limit in limits.items()}
        usual = by["threshold"]
        results[kind] = {
            "correlation": usual.correlation,
            "one_only": {"threshold": usual.above, "listed": usual.listed, "tenth": by["tenth"].above},
            "pairs": [
                {
                    "group": pair.group,
                    "words": [vocabulary.names[pair.first], vocabulary.names[pair.second]],
                    "correlation": pair.correlation,
                    "difference": pair.difference,
                    "offset": pair.offset,
                    "one_only": {"threshold": pair.above, "listed": pair.listed, "tenth": other.above},
                }
                for pair, other in zip(usual.pairs, by["tenth"].pairs, strict=True)
            ],
        }
    for group in known.opposites:
        rows = {f"{one} + {other}": [position(one), position(other)] for one, other in known.opposed(group)}
        by = {rule: contradictions(scores, rows, thresholds=limit, **lists) for rule, limit in limits.items()}
        usual = by["threshold"]
        results["opposites"][group] = {
            "both": {"threshold": usual.above, "listed": usual.listed, "tenth": by["tenth"].above},
            "pairs": [
                {
                    "words": [vocabulary.names[pair.first], vocabulary.names[pair.second]],
                    "both": {"threshold": pair.above, "listed": pair.listed, "tenth": other.above},
                    "confidence": {"threshold": pair.above_confidence, "listed": pair.listed_confidence},
                    "by_chance": {"threshold": pair.above_by_chance, "tenth": other.above_by_chance},
                }
                for pair, other in zip(usual.pairs, by["tenth"].pairs, strict=True)
            ],
        }
    return results


def voices(name, vocabulary, scores, choir, groups, resampling):
    """How often a word for a voice is given, with and without a choir timbre; how well each word tells the two apart."""
    silent, singing = tag_synonyms(name).opposites["voice"]
    columns_of_voices = [vocabulary.position(word) for word in singing]
    rules = {"threshold": scores >= THRESHOLD, "listed": highest(scores, TOP_K)}
    with_choir = choir == 1
    shares = {}
    for rule, given in rules.items():
        with_voice = given[:, columns_of_voices].any(axis=1)
        sums = resampling.sums(
            np.column_stack([with_voice & ~with_choir, ~with_choir, with_voice & with_choir, with_choir])
        )
        with np.errstate(invalid="ignore"):  # a resample without any choir
            shares[rule] = {
                "without": interval_of(sums[:, 0] / sums[:, 1], (0.0, 1.0)),
                "with": interval_of(sums[:, 2] / sums[:, 3], (0.0, 1.0)),
            }
    asked = (*singing, *silent)
    columns = scores[:, [vocabulary.position(word) for word in asked]]
    labels = np.repeat(choir[:, None], len(asked), axis=1)
    tags = evaluate(labels, columns, Vocabulary(asked), groups=groups, resamples=resampling.resamples).tags
    return {"any": shares, "roc_auc": {tag.name: tag.roc_auc for tag in tags}}


def examples(name, tagger):
    """Scores of each example sound: of every listed word, and the ten highest."""
    known = tag_synonyms(name)
    groups = (*known.synonyms.values(), *known.related.values(), *chain.from_iterable(known.opposites.values()))
    asked = sorted({word for group in groups for word in group}, key=tagger.vocabulary.position)
    words = {}
    for sound in list_sounds():
        result = tagger.tag(sound_path(sound))
        score = dict(zip(result.tags, result.scores.tolist(), strict=True))
        words[sound] = {
            "words": {word: score[word] for word in asked},
            "top": {word: float(value) for word, value in result.top(TOP_K)},
        }
    return words


def rounded(value):
    """Plain data with four decimals: more than the intervals leave."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
