"""The examples of the page "Serve it": eight uploads at once, limits, and a cluster that loses a worker."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tagging

EXAMPLES = Path(__file__).parents[2] / "book" / "_examples"
MODEL = "laptop-spectrogram-1M"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the book is not part of this distribution")


def example(name: str):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> list[bytes]:
    """Eight songs of 7 to 14 s."""
    import soundfile

    folder, rng = tmp_path_factory.mktemp("songs"), np.random.default_rng(0)
    for number in range(8):
        time = np.arange((7 + number) * 16000) / 16000
        sound = 0.1 * np.sin(2 * np.pi * 110 * (number + 1) * time) + 0.02 * rng.standard_normal(len(time))
        soundfile.write(folder / f"{number}.wav", sound, 16000)
    return [(folder / f"{number}.wav").read_bytes() for number in range(8)]


@pytest.fixture(scope="module")
def service():
    """The module of the service, with a small tagger."""
    pytest.importorskip("fastapi")
    before = os.environ.get("TAGGING_MODEL")
    os.environ["TAGGING_MODEL"] = MODEL
    try:
        return example("serve")
    finally:
        os.environ.pop("TAGGING_MODEL")
        if before is not None:
            os.environ["TAGGING_MODEL"] = before


def post(service, bodies: list) -> list:
    """Answers to requests that are all sent at once."""
    httpx = pytest.importorskip("httpx")

    async def send():
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://it", timeout=120) as client:
            return await asyncio.gather(*(client.post("/tag", content=body) for body in bodies))

    service.places = asyncio.Semaphore(service.MAX_SONGS)  # one belongs to the loop that first waited for it
    return asyncio.run(send())


def test_eight_requests_at_once_get_the_tags_of_tag(service, songs):
    tagger = tagging.load_tagger(MODEL, runtime="onnx")
    for song, answer in zip(songs, post(service, songs), strict=True):
        result, body = tagger.tag(song), answer.json()
        assert answer.status_code == 200
        np.testing.assert_allclose(body["taggram"], result.taggram, rtol=0, atol=1e-5)
        np.testing.assert_allclose(list(body["scores"].values()), result.scores, rtol=0, atol=1e-5)
        assert body["times"] == result.times.tolist()
    assert service.tagger.largest_batch > 4  # segments of several requests were scored together


def test_limits_and_bad_files_are_said(service, songs, monkeypatch):
    assert [answer.status_code for answer in post(service, [b"", b"no sound" * 100, songs[0]])] == [422, 422, 200]
    monkeypatch.setattr(service, "MAX_SOUND", 10.0)
    assert [answer.status_code for answer in post(service, [songs[0], songs[7]])] == [200, 413]
    monkeypatch.setattr(service, "MAX_BYTES", 1000)
    (answer,) = post(service, [songs[0]])
    assert (answer.status_code, answer.json()["detail"]) == (413, "larger than 1,000 bytes")

    async def slow():
        yield songs[0][:500]
        await asyncio.sleep(5)

    monkeypatch.setattr(service, "MAX_WAIT", 0.2)
    assert post(service, [slow()])[0].status_code == 408
    monkeypatch.undo()
    monkeypatch.setattr(service, "MAX_WAIT", -1.0)
    with pytest.raises(service.HTTPException, match="not tagged within"):
        service.tags_of(songs[0])


def test_slow_uploads_keep_no_other_waiting(service, songs, monkeypatch):
    monkeypatch.setattr(service, "MAX_WAIT", 3.0)

    async def slow():
        yield songs[0][:500]
        await asyncio.sleep(20)

    start = time.monotonic()
    monkeypatch.setattr(service, "tags_of", lambda sound: {"seconds": time.monotonic() - start})
    *others, quick = post(service, [*(slow() for _ in range(service.MAX_SONGS)), songs[0]])
    assert {answer.status_code for answer in others} == {408}
    assert quick.json()["seconds"] < 2.5


CLUSTER = """
import json, os, signal, sys, threading
from distributed import Client, LocalCluster
import cluster as example

urls, model = json.loads(sys.stdin.read())
with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
    before = {worker.pid for worker in cluster.workers.values()}
    client.submit(example.tag_url, urls[0], model).result()
    threading.Timer(1.0, os.kill, (min(before), signal.SIGKILL)).start()
    rows = example.tag_urls(client, urls, model)
    after = {worker.pid for worker in cluster.workers.values()}
print(json.dumps([rows, before != after]))
"""


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_gives_the_same_rows(songs, tmp_path):
    """In a process of its own, because the scheduler and the workers import the example."""
    pytest.importorskip("distributed")
    urls = []
    for number in range(60):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(b"broken" if number % 13 == 5 else songs[number % 8])
        urls.append(path.as_uri())
    paths = [str(EXAMPLES), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    run = subprocess.run(
        [sys.executable, "-c", CLUSTER],
        input=json.dumps([urls, MODEL]),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},  # workers import the example too
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    rows, was_killed = json.loads(run.stdout)
    assert was_killed
    tagger = tagging.load_tagger(MODEL, runtime="onnx")
    expected = [tagger.tag(song).to_dict() for song in songs]
    assert [row.pop("file") for row in rows] == urls
    for number, row in enumerate(rows):
        assert set(row) == {"error"} if number % 13 == 5 else row == expected[number % 8]
