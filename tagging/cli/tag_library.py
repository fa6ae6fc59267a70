"""``tagging tag-library``: a folder of songs becomes a table of tags. Book: ``book/tag_library``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..library.run import LibraryReport, Progress, tag_library
from ..utils.text import duration, printable, shortened
from .base import OK, SOME_FAILED, Run, command, number, whole_number
from .paths import check_output_file, tagger_path
from .terminal import complain, show

_LOG_SECONDS = 60  # from one line of progress to the next, where nobody looks at a bar
_SHOWN_ERRORS = 10


@command(
    "tag-library",
    help="tag all songs of a folder into one table",
    description="Tag all sound files of a folder into one table. Give the same command again after an interruption, or when "
    "songs have been added: only what is new or changed is tagged.",
)
def tag_library_command(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging tag-library``."""
    parser.add_argument("music", metavar="MUSIC", help="a folder; those in it are searched, hidden ones are left out")
    parser.add_argument("--out", required=True, metavar="TABLE", help="tags.parquet (extra library) or tags.csv")
    parser.add_argument(
        "--model",
        nargs="+",
        default=["msd-musicnn"],
        metavar="NAME",
        help="names of `tagging list`, or paths of saved or exported taggers (default: msd-musicnn)",
    )
    parser.add_argument(
        "--jobs", type=whole_number(high=1024), metavar="N", help="processes, of one thread each (default: one a core)"
    )
    parser.add_argument("--embeddings", action="store_true", help="keep a vector for each song, for `tagging similar`")
    parser.add_argument(
        "--hop",
        type=number(0.01, 1e6),
        metavar="SECONDS",
        help="from the start of one segment to the next (default: that of the model)",
    )
    parser.add_argument("--sidecar", choices=["json"], help="also write song.mp3.tags.json beside each song.mp3")
    parser.add_argument(
        "--playlist",
        action="append",
        default=[],
        metavar="TAG[=SCORE]",
        help="also write a .m3u8 file of the songs with this tag beside the table; may be repeated. Without a score, the "
        "threshold that the model comes with is taken",
    )
    parser.add_argument("--retry", action="store_true", help="try again the files that could not be tagged")
    return _run


def _run(options: argparse.Namespace) -> int:
    out = check_output_file("--out", Path(options.out).expanduser(), (".parquet", ".csv"))
    with _Bar() as bar:
        report = tag_library(
            options.music,
            out,
            models=[tagger_path(name) for name in options.model],
            jobs=options.jobs,
            embeddings=options.embeddings,
            hop_seconds=options.hop,
            playlists=options.playlist,
            sidecars=options.sidecar is not None,
            retry=options.retry,
            progress=bar.update,
            message=bar.say,
        )
    show(*_summary(report))
    return SOME_FAILED if report.failed else OK


class _Bar:
    """Songs an hour and time left: a bar on a terminal, a line a minute elsewhere."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._tqdm = tqdm
        self._bar: tqdm | None = None
        self._logged = time.monotonic()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def say(self, text: str) -> None:
        with self._tqdm.external_write_mode():
            complain(text)

    def update(self, progress: Progress) -> None:
        if self._bar is None:
            form = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {postfix}"
            self._bar = self._tqdm(total=progress.total, bar_format=form, disable=None)
        if progress.error:
            self.say(f"{progress.path}: {progress.error}")
        state = f"{progress.songs_per_hour:,.0f} songs/h, {duration(progress.seconds_left)} left"
        failed = f", {progress.failed:,} failed" if progress.failed else ""
        if not self._bar.disable:
            self._bar.set_postfix_str(f"{state}{failed} {printable(shortened(progress.path, 30))}", refresh=False)
            self._bar.update()
        elif time.monotonic() - self._logged > _LOG_SECONDS:
            self._logged = time.monotonic()
            complain(f"{progress.done:,} of {progress.total:,} files, {state}{failed}")


def _summary(report: LibraryReport) -> list[str]:
    counts = f"{report.tagged:,} tagged now, {report.unchanged:,} unchanged"
    if report.known:
        counts += f", {report.known:,} of content that is known"
    lines = [f"{report.out}: {report.files:,} files ({counts})"]
    if report.duplicates:
        lines.append(f"{report.duplicates:,} have the content of another one: column duplicate_of")
    if report.num_removed:
        shown = report.removed[:5]
        more = f" and {report.num_removed - len(shown):,} more" if report.num_removed > len(shown) else ""
        lines.append(f"{report.num_removed:,} no longer there: {', '.join(shown)}{more}")
    if report.failed:
        lines.append(f"{report.failed:,} could not be tagged: column error has them all; --retry tries again")
        lines += [f"  {path}: {reason}" for path, reason in report.errors[:_SHOWN_ERRORS]]
        if report.failed > _SHOWN_ERRORS:
            lines.append(f"  and {report.failed - _SHOWN_ERRORS:,} more")
    return [*lines, *map(str, report.playlists)]
