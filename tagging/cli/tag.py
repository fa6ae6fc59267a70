"""``tagging tag``: tags of sound files. Book: ``book/tag_a_song``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, TaggingError
from ..tags import TrackTags
from ..utils.files import atomic_write
from .base import OK, SOME_FAILED, Run, command, positive_int

if TYPE_CHECKING:
    import torch

    from ..models.tagger import Tagger


@command("tag", help="tag sound files", description="Tag sound files (wav, flac, ogg, opus, mp3, aiff).")
def tag(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging tag``."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a sound file; a bad one is reported and the others are tagged"
    )
    parser.add_argument(
        "--model",
        default="msd-musicnn",
        help="a name of `tagging list`, or the path of a saved tagger (default: %(default)s)",
    )
    parser.add_argument(
        "--top", type=positive_int, default=5, metavar="N", help="how many tags to show (default: %(default)s)"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per file and line, with the scores of all tags"
    )
    parser.add_argument(
        "--taggram",
        metavar="PNG",
        help="draw the tags over time; with several files, number and name of each are added",
    )
    parser.add_argument(
        "--hop", type=float, metavar="SECONDS", help="from the start of one segment to the next (default: no overlap)"
    )
    parser.add_argument(
        "--threads",
        type=positive_int,
        default=1,
        metavar="N",
        help="on the CPU; more than one rarely ends sooner and burns the cores that others need; "
        "to use them all, tag files in several processes (default: %(default)s)",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps ... (default: %(default)s)")
    return _tag


def _tag(options: argparse.Namespace) -> int:
    import torch

    from ..pretrained import load_tagger

    torch.set_num_threads(options.threads)
    tagger = load_tagger(options.model).to(_device(options.device))
    failed = 0
    for number, path in enumerate(options.files, start=1):
        picture = _picture(options.taggram, path, number, len(options.files)) if options.taggram else None
        try:
            result = _tag_file(tagger, path, options.hop)
            # printed before the picture is drawn: one that cannot be written must not lose the tags
            print(_json(path, options.model, result) if options.json else _table(path, result, options.top), flush=True)
            if picture:
                _draw(result, path, picture)
        except ConfigError:
            raise  # a wrong option is wrong for every file
        except (TaggingError, RuntimeError) as error:  # RuntimeError: PyTorch's, out of memory for example
            failed += 1
            text = str(error) if isinstance(error, TaggingError) else f"{path}: {error}"
            print(f"tagging: {text}", file=sys.stderr)
            if options.json:
                print(json.dumps({"file": path, "error": text}, ensure_ascii=False), flush=True)
    if failed:
        print(f"tagging: {failed} of {len(options.files)} files could not be tagged", file=sys.stderr)
    return SOME_FAILED if failed else OK


def _tag_file(tagger: Tagger, path: str, hop_seconds: float | None) -> TrackTags:
    """Tag one file; a bar appears on a terminal once this has taken a second."""
    from tqdm import tqdm

    from ..audio.files import AudioFile

    with (
        AudioFile(path) as file,
        tqdm(
            total=round(file.seconds or 0) or None,
            unit="s",
            desc=Path(path).name[:30],
            delay=1,
            leave=False,
            disable=None,
        ) as bar,
    ):

        def advance(seconds: float) -> None:
            bar.update(seconds)

        blocks = file.blocks(tagger.sample_rate)
        result = tagger.tag_blocks(blocks, hop_seconds=hop_seconds, progress=advance)
        return replace(result, notes=(*file.notes, *result.notes))


def _json(path: str, model: str, result: TrackTags) -> str:
    return json.dumps({"file": path, "model": model, **result.to_dict()}, ensure_ascii=False)


def _table(path: str, result: TrackTags, top: int) -> str:
    rows = result.top(top)
    width = max((len(tag) for tag, _ in rows), default=0)
    lines = [path, *(f"  {tag:<{width}}  {score:4.2f}  {'#' * round(20 * score)}".rstrip() for tag, score in rows)]
    return "\n".join([*lines, *(f"  note: {note}" for note in result.notes)])


def _device(name: str) -> torch.device:
    import torch

    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} cannot be used ({reason}); leave --device out for the CPU") from error
    return device


def _picture(target: str, path: str, number: int, count: int) -> Path:
    """Where the taggram of a file goes. Raises ConfigError for a folder that is missing or a format that is not drawn."""
    picture = Path(target)
    if picture.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"--taggram {target}: the name must end in .png, .svg or .pdf")
    if not picture.parent.is_dir():
        raise ConfigError(f"--taggram {target}: no such folder {picture.parent}")
    # numbered, because files of different folders may share a name
    return picture.with_stem(f"{picture.stem}-{number:03d}-{Path(path).stem}") if count > 1 else picture


def _draw(result: TrackTags, path: str, picture: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from .. import plots

    plots.use_style()
    figure = plots.taggram(result, title=Path(path).name)
    try:
        with atomic_write(picture) as part:
            figure.savefig(part, format=picture.suffix[1:].lower())
    finally:
        plt.close(figure)
