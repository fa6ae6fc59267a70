"""What mutated sound files do to `load_audio`: every outcome is right, noted or refused, or it is counted as a fault.

    python benchmarks/attack_audio.py                 # 2,000 mutants, some minutes
    python benchmarks/attack_audio.py --mutants 200 --seed 3

Each mutant is read in a process with limited memory and time, and compared with an independent decode (the `ffmpeg` command,
if it is there) and with the file before it was mutated. Outcomes:

- right: as long as the original within 0.1 s, or as the independent decode, and no sample beyond what the file holds
- noted: shorter than that, with a note that says so
- refused: `TaggingError`
- silent: shorter than the independent decode by more than 0.25 s, without a note
- raw: any other exception; memory: over the limit; crash: killed by a signal; hang: over the time limit
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

FORMATS = ("wav", "flac", "ogg", "opus", "mp3", "aiff")
MEMORY, SECONDS = 1_500_000_000, 20
READER = """
import json, resource, sys
import numpy as np
from tagging.audio.files import AudioFile  # what it loads is not limited
import av, soundfile, soxr
from tagging.errors import TaggingError
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]) + 3 * 10**9,) * 2)
for line in sys.stdin:
    path = line.rstrip("\\n")
    try:
        with AudioFile(path) as file:
            samples = sum(len(block) for block in file.blocks(16000))
            print(json.dumps({"seconds": samples / 16000, "notes": file.notes}), flush=True)
    except TaggingError as error:
        print(json.dumps({"refused": str(error)}), flush=True)
    except MemoryError:
        print(json.dumps({"memory": True}), flush=True)
    except BaseException as error:
        print(json.dumps({"raw": f"{type(error).__name__}: {error}"}), flush=True)
"""


def originals() -> dict[str, bytes]:
    """Three seconds of stereo in each format."""
    import soundfile

    rng = np.random.default_rng(0)
    time = np.arange(3 * 48000) / 48000
    sound = 0.3 * np.stack([np.sin(2 * np.pi * 330 * time), np.sin(2 * np.pi * 440 * time)], axis=1)
    sound += 0.01 * rng.standard_normal(sound.shape)
    files = {}
    for kind in FORMATS:
        buffer = io.BytesIO()
        subtype = {"ogg": "VORBIS", "opus": "OPUS"}.get(kind)
        soundfile.write(buffer, sound, 48000, subtype, format="OGG" if kind == "opus" else kind.upper())
        files[kind] = buffer.getvalue()
    return files


def mutate(data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """A kind of damage and the damaged file."""
    changed = bytearray(data)
    kind = rng.choice(
        [
            "header bit",
            "header byte",
            "header field",
            "body bits",
            "cut",
            "removed",
            "inserted",
            "zeros",
            "joined",
            "front",
        ]
    )
    head = min(200, len(changed) - 8)
    at = int(rng.integers(0, head))
    middle = int(rng.integers(head, len(changed) - 1))
    size = int(2 ** rng.uniform(0, 14))
    if kind == "header bit":
        changed[at] ^= 1 << int(rng.integers(8))
    elif kind == "header byte":
        changed[at] = int(rng.integers(256))
    elif kind == "header field":
        value = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, int(rng.integers(2**32))]))
        changed[at : at + 4] = value.to_bytes(4, str(rng.choice(["little", "big"])))
    elif kind == "body bits":
        for _ in range(int(rng.integers(1, 20))):
            changed[int(rng.integers(head, len(changed)))] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        del changed[middle:]
    elif kind == "removed":
        del changed[middle : middle + size]
    elif kind == "inserted":
        changed[middle:middle] = rng.bytes(size)
    elif kind == "zeros":
        changed[middle : middle + size] = bytes(len(changed[middle : middle + size]))
    elif kind == "joined":
        changed += data
    else:
        changed[:0] = rng.bytes(size) if rng.random() < 0.5 else bytes(size)
    return str(kind), bytes(changed)


def independent_seconds(path: Path) -> float | None:
    """Length by the `ffmpeg` command, None without it or if it decodes nothing."""
    if not shutil.which("ffmpeg"):
        return None
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "quiet",
        "-i",
        path,
        "-map",
        "0:a:0",
        "-ac",
        "1",
        "-ar",
        "16000",
        "-f",
        "s16le",
        "-",
    ]
    try:
        result = subprocess.run(command, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return None
    return len(result.stdout) / 2 / 16000 or None


class Reader:
    """A process that reads files, started again after it died."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> dict:
        import selectors

        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, "-c", READER, str(MEMORY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        selector = selectors.DefaultSelector()
        selector.register(self.process.stdout, selectors.EVENT_READ)
        if not selector.select(timeout=3 * SECONDS):
            self.process.kill()
            self.process.wait()
            return {"hang": True}
        line = self.process.stdout.readline()
        if not line:
            return {"crash": self.process.wait()}
        return json.loads(line)


def outcome(answer: dict, original: float, independent: float | None) -> str:
    """The name of what happened to one mutant; see the top of this file."""
    for name in ("refused", "raw", "memory", "crash", "hang"):
        if name in answer:
            return name
    expected = original if independent is None else independent
    if abs(answer["seconds"] - original) <= 0.1 or answer["seconds"] >= expected - 0.25:
        return "right"
    return "noted" if answer["notes"] else "silent"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", metavar="FOLDER", help="save the files whose outcome is a fault")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    files, counts, reader = originals(), collections.Counter(), Reader()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.mutants):
            kind = FORMATS[number % len(FORMATS)]
            damage, data = mutate(files[kind], rng)
            path = Path(folder) / f"a.{kind}"
            path.write_bytes(data)
            answer = reader.read(path)
            original = 6.0 if damage == "joined" else 3.0
            result = outcome(answer, original, independent_seconds(path) if "seconds" in answer else None)
            counts[kind, result] += 1
            if result not in ("right", "noted", "refused"):
                print(f"{number} {kind} {damage}: {result} {answer}", flush=True)
                if options.keep:
                    Path(options.keep).mkdir(parents=True, exist_ok=True)
                    (Path(options.keep) / f"{number:05d}-{damage.replace(' ', '-')}.{kind}").write_bytes(data)
    results = ("right", "noted", "refused", "silent", "raw", "memory", "crash", "hang")
    print(f"{'':6}" + "".join(f"{result:>9}" for result in results))
    for kind in FORMATS:
        print(f"{kind:6}" + "".join(f"{counts[kind, result]:9d}" for result in results))
    total = {result: sum(counts[kind, result] for kind in FORMATS) for result in results}
    print(f"{'all':6}" + "".join(f"{total[result]:9d}" for result in results))


if __name__ == "__main__":
    main()
