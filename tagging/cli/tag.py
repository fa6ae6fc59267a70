"""``tagging tag``: tags of sound files. Book: ``book/tag_a_song``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import TaggingError
from ..tags import TrackTags
from ..utils.files import atomic_write
from ..utils.text import printable, shortened
from .base import OK, SOME_FAILED, Run, command, number, whole_number
from .paths import check_output_file, check_sound_file, sound_files, tagger_path
from .terminal import complain, show, show_json

if TYPE_CHECKING:
    from ..models.inference import SongTagger

PICTURES = (".png", ".svg", ".pdf")


@command(
    "tag",
    help="tag sound files",
    description="Tag sound files: mp3, wav, flac, ogg, opus, aiff, m4a, wma, webm and most else that FFmpeg decodes.",
)
def tag(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging tag``."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a sound file, or a pattern such as '*.mp3'; a bad one is reported and the others are tagged",
    )
    parser.add_argument(
        "--model",
        default="msd-musicnn",
        help="a name of `tagging list`, the path of a saved or exported tagger, or a folder of a run (default: %(default)s)",
    )
    parser.add_argument(
        "--top", type=whole_number(), default=5, metavar="N", help="how many tags to show (default: %(default)s)"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object per file and line, with the scores of all tags; in ASCII, other characters as \\uXXXX",
    )
    parser.add_argument(
        "--taggram",
        metavar="PNG",
        help="draw the tags over time; with several files, number and name of each are added",
    )
    parser.add_argument(
        "--hop",
        type=number(0.01, 1e6),
        metavar="SECONDS",
        help="from the start of one segment to the next (default: no overlap)",
    )
    parser.add_argument(
        "--threads",
        type=whole_number(high=1024),
        default=1,
        metavar="N",
        help="on the CPU; more than one rarely ends sooner and burns the cores that others need; "
        "to use them all, tag files in several processes (default: %(default)s)",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps ... (default: %(default)s)")
    return _tag


def _tag(options: argparse.Namespace) -> int:
    files = sound_files(options.files)
    target = check_output_file("--taggram", Path(options.taggram), PICTURES) if options.taggram else None
    if target:
        import matplotlib  # noqa: F401  (one that is not installed is reported before the work)
    tagger = _tagger(tagger_path(options.model), options.device, options.threads)
    failed = 0
    for position, path in enumerate(files, start=1):
        try:
            result = _tag_file(tagger, path, options.hop)
        except Exception as error:  # whatever a file does to a decoder, the files after it are tagged
            failed += 1
            complain(problem := _explained(path, error))
            if options.json:
                show_json({"file": path, "error": problem})
            continue
        # printed before the picture is drawn: one that cannot be written must not lose the tags
        if options.json:
            present = {"present": result.present(tagger.thresholds)} if tagger.thresholds else {}
            show_json({"file": path, "model": options.model, **result.to_dict(), **present})
        else:
            show(*_table(path, result, options.top, tagger.thresholds))
        if target:
            try:
                _draw(result, path, _picture(target, path, position, len(files)))
            except Exception as error:  # fonts and formats have more ways to fail than can be named
                failed += 1
                complain(_explained(f"{path}: the taggram cannot be drawn", error))
    if failed:
        complain(f"{failed} of {len(files)} files could not be tagged or drawn")
    return SOME_FAILED if failed else OK


def _tagger(name: str, device: str, threads: int) -> SongTagger:
    """On a CPU by onnxruntime where that can be: importing PyTorch takes longer than to tag a song."""
    from ..pretrained import list_pretrained, load_tagger

    if device == "cpu" and (name in list_pretrained() or name.endswith(".onnx")):
        return load_tagger(name, runtime="onnx", threads=threads)
    tagger = load_tagger(name, device=device)
    import torch

    torch.set_num_threads(threads)
    return tagger


def _explained(subject: str, error: Exception) -> str:
    """What went wrong with a file, in one line that names the file."""
    message = str(error) if isinstance(error, TaggingError) else f"{type(error).__name__}: {error}"
    return message if subject in message else f"{subject}: {message}"


def _tag_file(tagger: SongTagger, path: str, hop_seconds: float | None) -> TrackTags:
    """Tag one file; a bar appears on a terminal once this has taken a second."""
    from tqdm import tqdm

    from ..audio.files import AudioFile

    check_sound_file(path)
    name = printable(shortened(Path(path).name, 30))
    with (
        AudioFile(path) as file,
        tqdm(
            total=round(file.seconds or 0) or None,
            unit="s",
            desc=name,
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


def _table(path: str, result: TrackTags, top: int, thresholds: Mapping[str, float]) -> list[str]:
    """The best tags with their scores; with yes or no where the tagger comes with thresholds."""
    rows, present = result.top(top), set(result.present(thresholds))
    width = max((len(printable(tag)) for tag, _ in rows), default=0)
    lines = [path]
    for tag, score in rows:
        answer = ("yes" if tag in present else "no ") if tag in thresholds else "   "
        answer = f"  {answer}" if thresholds else ""
        lines.append(f"  {printable(tag):<{width}}  {score:4.2f}{answer}  {'#' * round(20 * score)}".rstrip())
    return [*lines, *(f"  note: {note}" for note in result.notes)]


def _picture(target: Path, path: str, position: int, count: int) -> Path:
    """Where the taggram of a file goes: numbered, because files of different folders may share a name."""
    name = Path(path).stem[:40]  # the longest name that a file system takes is 255 bytes, and some have been used
    return target.with_stem(f"{target.stem}-{position:03d}-{name}") if count > 1 else target


def _draw(result: TrackTags, path: str, picture: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    from .. import plots

    plots.use_style()
    before = set(plt.get_fignums())
    try:
        figure = plots.taggram(result, title=Path(path).name)
        with atomic_write(picture) as part:
            figure.savefig(part, format=picture.suffix[1:].lower())
    finally:
        for opened in set(plt.get_fignums()) - before:
            plt.close(opened)
