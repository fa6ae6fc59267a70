"""Do taggers trained on one SoundFont understand another? The same test clips, played by both.

    python benchmarks/soundfont_transfer.py FluidR3_GM.sf2       # writes tagging/book/runs/soundfont-transfer.json

The taggers are those of this book that ship with the package. FluidR3 GM (MIT licence) is, for one, in Debian's package
fluid-soundfont-gm. Notes, arrangements, rooms and noises of the clips stay as they are: only the instruments differ.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import records
from accelerate import Accelerator

from tagging.book.runs import tag_parts
from tagging.data.sheet_music.synthesizer import soundfont_path
from tagging.evaluation.evaluate import difference, evaluate
from tagging.pretrained import load_tagger
from tagging.pretrained.bundled import list_bundled
from tagging.training import Settings
from tagging.training.data import Split
from tagging.training.failures import Failures
from tagging.training.results import predictions_of
from tagging.utils.files import sha256

PARTS = ("all", "composition", "instrument")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("soundfont", type=Path, help="a General MIDI .sf2 file other than the one of training")
    parser.add_argument("--clips", type=int, default=2000, help="of the test split (default: %(default)s)")
    options = parser.parse_args()
    settings = Settings().override({"evaluation.num_test_clips": options.clips})
    taggers = {name: load_tagger(name) for name in list_bundled()}
    fonts, predictions = {}, {}
    for role, font in (("own", None), ("other", options.soundfont)):
        os.environ.pop("TAGGING_SOUNDFONT", None)
        if font is not None:
            os.environ["TAGGING_SOUNDFONT"] = str(font)
        used = soundfont_path()
        test = Split(settings, "test")
        fonts[role] = {"file": used.name, "sha256": sha256(used), "bank": test.corpus.provenance()["bank"]}
        failures = Failures(test.corpus, len(test))
        predictions[role] = predictions_of(taggers, test, settings, Accelerator(cpu=True), failures)
        print(fonts[role], flush=True)
    models = {}
    for name in taggers:
        evaluations = {}
        for role in fonts:
            songs = predictions[role][name]
            parts = tag_parts(songs.vocabulary)
            evaluations[role] = evaluate(songs.labels, songs.scores, songs.vocabulary, groups=songs.groups, parts=parts)
        change = {
            part: {metric: difference(evaluations["other"], evaluations["own"], metric, part) for metric in means}
            for part, means in evaluations["own"].parts.items()
        }
        models[name] = {
            "parts": {
                role: {
                    part: {metric: value.to_dict() for metric, value in result.parts[part].items()} for part in PARTS
                }
                for role, result in evaluations.items()
            },
            "change": {part: {metric: value.to_dict() for metric, value in change[part].items()} for part in PARTS},
            "tags": [
                {"name": tag.name, "own": tag.roc_auc.value, "other": other.roc_auc.value}
                for tag, other in zip(evaluations["own"].tags, evaluations["other"].tags, strict=True)
                if tag.roc_auc is not None
            ],
        }
        for metric, value in change["all"].items():
            print(f"{name}: {metric} {value:+.4f}", flush=True)
    records.write("soundfont-transfer", {"clips": options.clips, "fonts": fonts, "models": models})


if __name__ == "__main__":
    main()
