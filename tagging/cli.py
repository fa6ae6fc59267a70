"""The command ``tagging``. Each subcommand is a thin layer over one function of the package. Book: ``book/tag_a_song``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from . import __version__
from .bias_commands import add_bias_commands
from .cache import atomic_write
from .corpora.commands import add_corpus_commands
from .errors import ConfigError, TaggingError
from .tags import TrackTags
from .training.commands import add_training_commands

# Exit codes: all went well; some file failed and the others were done; the command itself was wrong.
OK, SOME_FAILED, WRONG = 0, 1, 2


def entry() -> NoReturn:
    """What the installed command runs: :func:`main`, and after `tagging tag` the quickest way out.

    Taking PyTorch's CUDA libraries down in order touches 110 MiB that tagging never needed, more than the tagging itself.
    """
    code = main()
    if sys.argv[1:2] == ["tag"]:
        with contextlib.suppress(BrokenPipeError, ValueError):  # ValueError: main closed it
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    # a file name may hold bytes that the terminal's encoding lacks: it is shown escaped rather than stopping the batch
    sys.stdout.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except TaggingError as error:
        print(f"tagging: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("tagging: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of a pipe went away, e.g. `tagging tag ... | head`; nothing is left to say to it
        sys.stderr.close()
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tagging", description="Music tags from sound, and the experiments of the book."
    )
    parser.add_argument("--version", action="version", version=f"tagging {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    tag = commands.add_parser(
        "tag", help="tag sound files", description="Tag sound files (wav, flac, ogg, opus, mp3, aiff)."
    )
    tag.add_argument(
        "files", nargs="+", metavar="FILE", help="a sound file; a bad one is reported and the others go on"
    )
    tag.add_argument(
        "--model",
        default="msd-musicnn",
        help="a name of `tagging list`, or the path of a saved tagger (default: %(default)s)",
    )
    tag.add_argument(
        "--top", type=_positive, default=5, metavar="N", help="how many tags to show (default: %(default)s)"
    )
    tag.add_argument("--json", action="store_true", help="one JSON object a file and line, with the scores of all tags")
    tag.add_argument(
        "--taggram",
        metavar="PNG",
        help="draw the tags over time; with several files, number and name of each are added",
    )
    tag.add_argument("--hop", type=float, metavar="SECONDS", help="from one segment to the next (default: no overlap)")
    tag.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps ... (default: %(default)s)")
    tag.set_defaults(run=_tag)

    listing = commands.add_parser("list", help="pretrained taggers, front-ends, back-ends")
    listing.set_defaults(run=_list)

    prepare = commands.add_parser("prepare", help="fetch or build ahead what would be needed at first use")
    prepare.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a pretrained tagger, 'pretrained' for all of them, or a corpus such as 'scores'",
    )
    prepare.set_defaults(run=_prepare)

    add_corpus_commands(commands)
    add_training_commands(commands)
    add_bias_commands(commands)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number, at least 1")
    return int(text)


def _tag(options: argparse.Namespace) -> int:
    from .pretrained import load_tagger

    tagger = load_tagger(options.model).to(_device(options.device))
    failed = []
    for number, path in enumerate(options.files, start=1):
        picture = _picture(options.taggram, path, number, len(options.files)) if options.taggram else None
        try:
            with _progress(path) as progress:
                result = tagger.tag(path, hop_seconds=options.hop, progress=progress)
            # printed before it is drawn: a picture that cannot be written takes no tags with it
            print(_json(path, options.model, result) if options.json else _table(path, result, options.top), flush=True)
            if picture:
                _draw(result, path, picture)
        except ConfigError:
            raise  # a wrong option is wrong for every file
        except (TaggingError, RuntimeError) as error:  # RuntimeError: PyTorch's, out of memory for example
            failed.append(path)
            text = str(error) if isinstance(error, TaggingError) else f"{path}: {error}"
            print(f"tagging: {text}", file=sys.stderr)
            if options.json:
                print(json.dumps({"file": path, "error": text}, ensure_ascii=False), flush=True)
    if failed:
        print(f"tagging: {len(failed)} of {len(options.files)} files could not be tagged", file=sys.stderr)
    return SOME_FAILED if failed else OK


def _json(path: str, model: str, result: TrackTags) -> str:
    return json.dumps({"file": path, "model": model, **result.to_dict()}, ensure_ascii=False)


def _table(path: str, result: TrackTags, top: int) -> str:
    rows = result.top(top)
    width = max(len(tag) for tag, _ in rows)
    lines = [path, *(f"  {tag:<{width}}  {score:4.2f}  {'#' * round(20 * score)}".rstrip() for tag, score in rows)]
    return "\n".join([*lines, *(f"  note: {note}" for note in result.notes)])


def _device(name: str):
    import torch

    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used ({str(error).splitlines()[0]}); leave --device out for the CPU"
        ) from error
    return device


@contextlib.contextmanager
def _progress(path: str) -> Iterator[object]:
    """A callback for seconds of sound; it draws a bar once a file has taken a second, and only on a terminal."""
    from tqdm import tqdm

    from .audio import AudioFile

    with AudioFile(path) as file:
        seconds = file.seconds
    with tqdm(total=round(seconds), unit="s", desc=Path(path).name[:30], delay=1, leave=False, disable=None) as bar:
        yield bar.update


def _picture(target: str, path: str, number: int, count: int) -> Path:
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
    from . import plots

    plots.use_style()
    figure = plots.taggram(result, title=Path(path).name)
    try:
        with atomic_write(picture) as part:
            figure.savefig(part, format=picture.suffix[1:].lower())
    finally:
        plots.plt.close(figure)


def _list(options: argparse.Namespace) -> int:
    from .backends import list_backends
    from .frontends import list_frontends
    from .pretrained import list_pretrained, pretrained_card

    print("pretrained taggers")
    width = max(map(len, list_pretrained()))
    for name in list_pretrained():
        card = pretrained_card(name)
        print(f"  {name:<{width}} {card['description']} ({card['dataset']}, ROC-AUC {card['scores']['ROC-AUC']:.3f})")
    for title, names in (("front-ends", list_frontends()), ("back-ends", list_backends())):
        print(f"{title}\n  " + "\n  ".join(names))
    return OK


def _prepare(options: argparse.Namespace) -> int:
    from .corpora import list_corpora, prepare_corpus
    from .pretrained import list_pretrained, load_tagger

    for name in options.names:
        if name in list_corpora():
            start = time.perf_counter()
            prepare_corpus(name)
            print(f"{name}: ready ({time.perf_counter() - start:.1f} s)")
            continue
        for model in list_pretrained() if name == "pretrained" else [name]:
            start = time.perf_counter()
            load_tagger(model)
            print(f"{model}: ready ({time.perf_counter() - start:.1f} s)")
    return OK


if __name__ == "__main__":
    entry()
