"""Damaged and hostile files of taggers: each is loaded, and tags one short song, in a process of limited memory and time.

usage: python benchmarks/attack_taggers.py [--mutants 1300] [--seed 0] [--list OUTCOME]

Outcomes: *right* (the scores of the whole file), *another* (a description or weights that were replaced on purpose, and describe
a tagger that works), *refused* (a TaggingError), *silent* (damage that went unnoticed), *raw* (any other exception), *memory*,
*crash*, *hang*.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from timing import machine  # first: it sets the number of threads

# isort: split

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save

from tagging import Tag, Vocabulary, build_tagger, load_tagger
from tagging.errors import TaggingError
from tagging.models import serialization

SONG = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * 16000).astype(np.float32)
SECONDS, MEGABYTES = 20, 1000  # of a child, beyond what it starts with
BASES = (
    ("spectrogram", "temporal-pooling", "per-group"),
    ("waveform", "attention", "linear"),
    ("spectrogram-vgg", "recurrent", "exclusive"),
    ("waveform-frame-level-many-shapes", "dense", "per-tag"),
)
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 3, 30, 1000, 10**5, 10**9, 10**20, -(10**9), 0.5, 1e-9, 1e9, 1e300, float("inf"),
    float("-inf"), float("nan"), "", "x", "16000", "\x1b]0;title\x07", "../../etc/passwd", "\ud800", "x" * 10**5, [], {},
    [1, 2], ["a"], [[1, 2], [3, 4]], [0] * 1000, [[]], {"a": 1}, {"": {}}, [None], [10**9] * 3, [1e9], "dense", "exclusive",
)  # fmt: skip

FIELDS: dict[str, tuple[Any, ...]] = {
    "width": (30, 1e4, 1e18, 1e-300, "1", True),
    "sample_rate": (1, 999, 7e5, 10**9, 16000.5, "16000", True),
    "segment_samples": (1, 10**9, 10**20, 1e20, 19200.0, 19200.5, "19200"),
    "hop_samples": (1, 10**9, 1e9, 0.5, -1),
    "norm_momentum": (0, 2, "0.1", None),
    "frontend": (None, 3, ["waveform"], "waveform", "spectrogram-vgg"),
}
BACKEND_OPTIONS = {
    "num_layers": 10**6, "num_heads": 10**6, "embed_dim": 10**8, "filters": 10**9, "dense_units": 10**9,
    "kernel_size": 10**7 + 1, "pool_size": 10**7, "hidden_size": 10**8, "max_frames": 0,
}  # fmt: skip
MELS = (
    {"n_fft": 2**30}, {"n_mels": 10**9}, {"hop_length": 10**9}, {"n_fft": 2**16, "n_mels": 2**16}, {"hop_length": 1},
)  # fmt: skip


class Mutant(NamedTuple):
    """One altered file. ``on_purpose``: altered consistently, so it may describe another tagger."""

    kind: str
    content: bytes
    on_purpose: bool = False


class File(NamedTuple):
    """A saved tagger, taken apart."""

    content: bytes
    description: dict[str, Any]
    weights: dict[str, torch.Tensor]

    @property
    def header(self) -> int:
        """Bytes before the weights."""
        return 8 + int.from_bytes(self.content[:8], "little")


def make_base(parts: tuple[str, str, str], folder: Path) -> File:
    """A small tagger with settled running statistics, in a file."""
    frontend, backend, head = parts
    tags = [
        "fast",
        Tag("energy", kind="regression"),
        *(Tag(name, exclusive_group="mode") for name in ("major", "minor")),
    ]
    options = {"mel": {"n_mels": 96, "hop_length": 256}} if "spectrogram" in frontend else {}
    tagger = build_tagger(
        frontend, backend, Vocabulary(tags), 1.2, hop_seconds=0.7, width=0.05, head=head, frontend_options=options
    )
    with torch.no_grad():
        tagger(0.1 * torch.randn(4, tagger.segment_samples))
    tagger.card = {"licence": "none", "scores": {"ROC-AUC": 0.7}}
    path = tagger.save(folder / "base.safetensors")
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["tagging"])
        description.pop("sha256", None)
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return File(path.read_bytes(), description, weights)


def written(text: str, weights: dict[str, torch.Tensor]) -> bytes:
    """A file with a description and weights, as an attacker who knows the format writes it: its digest fits."""
    if signed := getattr(serialization, "signed", None):  # versions before it had no digest
        text = signed(text, weights)
    return save(weights, metadata={"tagging": text})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all entries of nested data."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield (*path, key)
        yield from places(inner, (*path, key))


def with_replaced(description: dict[str, Any], path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> str:
    """The description as JSON, after ``change(container, key)`` at a path."""
    description = inner = json.loads(json.dumps(description))
    for key in path[:-1]:
        inner = inner[key]
    change(inner, path[-1])
    return json.dumps(description)


def hand_made(base: File) -> list[tuple[str, str]]:
    """Descriptions that need thought, as JSON."""
    description, config = base.description, base.description["config"]
    whole = json.dumps(description)
    tags = [{"name": f"tag {index}"} for index in range(50_000)]
    texts: list[tuple[str, str]] = []

    def add(name: str, text: str | None = None, **changes: Any) -> None:
        texts.append((name, json.dumps({**description, **changes}) if text is None else text))

    for field, values in FIELDS.items():
        for value in values:
            add(f"{field}={value!r}", config={**config, field: value})
    for option, value in BACKEND_OPTIONS.items():
        options = {**config["backend_options"], option: value}
        add(f"{option}={value}", config={**config, "backend_options": options})
    for mel in MELS:
        options = {**config["frontend_options"], "mel": mel}
        add(f"mel {mel}", config={**config, "frontend_options": options})
    add("50,000 tags", tags=tags)
    add("one tag 50,000 times", tags=tags[:1] * 50_000)
    add("50,000 tags in one group", tags=[{**tag, "exclusive_group": "g"} for tag in tags])
    add("names that are numbers", tags=[{"name": index} for index in range(4)])
    add("names that are mappings", tags=[{"name": {"a": 1}}] * 4)
    add("10 MB of card", card={"text": "x" * 10**7})
    add("deep list", whole[:-1] + ', "more": ' + "[" * 10**5 + "]" * 10**5 + "}")
    nested = '{"a":' * 900 + "1" + "}" * 900
    add("deep card", json.dumps({**description, "card": None}).replace('"card": null', f'"card": {nested}'))
    add("a number of 5,000 digits", whole[:-1] + ', "more": ' + "9" * 5000 + "}")
    add("twice the same key", whole[:-1] + ', "tags": []}')
    return texts


def odd_weights(base: File, generator: random.Random) -> dict[str, torch.Tensor]:
    """The weights with one tensor replaced by numbers, a type or a shape that does not belong there."""
    name = generator.choice(sorted(base.weights))
    tensor = base.weights[name].clone()
    spoilt = tensor.float().flatten()
    if len(spoilt):
        spoilt[generator.randrange(len(spoilt))] = generator.choice([float("nan"), float("inf"), 3e38])
    choices = [
        spoilt.reshape(tensor.shape),
        tensor.to(generator.choice([torch.float64, torch.int64, torch.complex64, torch.bool, torch.uint8])),
        torch.cat([tensor.flatten(), tensor.flatten()]),
        tensor[None],
        torch.zeros(0),
    ]
    return {**base.weights, name: generator.choice(choices).contiguous()}


def mutants(base: File, count: int, generator: random.Random) -> Iterator[Mutant]:
    """``count`` random mutants of a file, after those made by hand."""
    for name, text in hand_made(base):
        yield Mutant(f"by hand: {name}", written(text, base.weights), on_purpose=True)
    whole, paths = base.content, list(places(base.description))
    for _ in range(count):
        kind = generator.choice(
            ["header bit", "header bytes", "cut", "field", "field", "no field", "weights bit", "weights"]
        )
        content = bytearray(whole)
        if kind == "header bit":
            content[generator.randrange(base.header)] ^= 1 << generator.randrange(8)
        elif kind == "header bytes":
            start = generator.randrange(base.header)
            for position in range(start, min(start + generator.randrange(1, 9), base.header)):
                content[position] = generator.randrange(256)
        elif kind == "cut":
            size = generator.randrange(len(whole))
            content = content[:size] if generator.random() < 0.8 else content + content[size:]
        elif kind == "weights bit":
            content[generator.randrange(base.header, len(whole))] ^= 1 << generator.randrange(8)
        if bytes(content) != whole:
            yield Mutant(kind, bytes(content))
            continue
        path = generator.choice(paths)
        if kind == "field":
            value = generator.choice(ODD_VALUES)
            text = with_replaced(base.description, path, lambda c, k, v=value: c.__setitem__(k, v))
            yield Mutant(f"field: {path} = {str(value)[:40]!r}", written(text, base.weights), on_purpose=True)
        elif kind == "no field":
            text = with_replaced(base.description, path, lambda c, k: c.__delitem__(k))
            yield Mutant(f"no field: {path}", written(text, base.weights), on_purpose=True)
        else:
            yield Mutant(kind, written(json.dumps(base.description), odd_weights(base, generator)), on_purpose=True)


def use(path: Path) -> tuple[Any, ...]:
    """Load a tagger and tag the song: everything that a user would see of it."""
    tagger = load_tagger(path)
    result = tagger.tag_waveform(SONG, 16000)
    assert np.isfinite(result.taggram).all()
    result.top(5)
    json.dumps(result.to_dict())
    return result.tags, result.times.tolist(), result.taggram.tobytes(), json.dumps(tagger.card, sort_keys=True)


def child(path: Path, connection: Connection) -> None:
    """What happens to one file, in a process of limited memory and time."""
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + MEGABYTES * 10**6,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        connection.send(("used", use(path)))
    except TaggingError as error:
        connection.send(("refused", str(error)))
    except MemoryError:
        connection.send(("memory", "MemoryError"))
    except Exception as error:
        out_of_memory = "can't allocate memory" in str(error) or "bad allocation" in str(error)
        connection.send(("memory" if out_of_memory else "raw", f"{type(error).__name__}: {str(error)[:200]}"))


def outcome(mutant: Mutant, expected: tuple[Any, ...], path: Path) -> tuple[str, str]:
    """The outcome of one mutant, and the message."""
    path.write_bytes(mutant.content)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(path, theirs))
    process.start()
    theirs.close()
    try:
        if not ours.poll(15 * SECONDS):  # of the clock: the machine may be busy
            return "hang", "no answer"
        kind, what = ours.recv()
    except EOFError:
        process.join()
        return ("hang" if process.exitcode in (-24, -9) else "crash"), f"exit code {process.exitcode}"
    finally:
        process.kill()
        process.join()
        ours.close()
    if kind != "used":
        return kind, what
    if what == expected:
        return "right", ""
    return ("another" if mutant.on_purpose else "silent"), ""


def attack(count: int, seed: int = 0, bases: int = len(BASES)) -> Iterator[tuple[Mutant, str, str]]:
    """Each mutant with its outcome and message; ``count`` random ones are spread over the first ``bases`` taggers."""
    generator = random.Random(seed)
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        for parts in BASES[:bases]:
            base = make_base(parts, Path(folder))
            expected = use(Path(folder) / "base.safetensors")
            path = Path(folder) / "mutant.safetensors"
            for mutant in mutants(base, -(-count // bases), generator):
                yield mutant, *outcome(mutant, expected, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=1300, help="random ones, besides those made by hand")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bases", type=int, default=len(BASES), help="how many taggers to damage")
    parser.add_argument("--list", nargs="*", default=["silent", "raw", "memory", "crash", "hang"], metavar="OUTCOME")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine(), os.cpu_count(), "cores", flush=True)
    counts: dict[str, Counter[str]] = {}
    for mutant, result, message in attack(options.mutants, options.seed, options.bases):
        counts.setdefault(mutant.kind.split(":")[0], Counter())[result] += 1
        if result in options.list:
            print(f"{result:8} {mutant.kind[:90]}  {message[:150]!r}", flush=True)
    names = ("right", "another", "refused", "silent", "raw", "memory", "crash", "hang")
    print("\n" + "".join(f"{name:>13}" for name in ("", *names)))
    for kind, row in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        print(f"{kind:>13}" + "".join(f"{row[name]:13}" for name in names))


if __name__ == "__main__":
    main()
