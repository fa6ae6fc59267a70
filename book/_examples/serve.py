"""A small service that tags uploaded songs: ``uvicorn serve:app``, then ``curl --data-binary @song.mp3 localhost:8000/tag``.

``uvicorn --limit-concurrency 32`` bounds the memory of uploads, to so many times ``MAX_BYTES``. Segments of all requests that
wait are scored together. Book: ``book/serve_it``.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from concurrent.futures import Future

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from starlette.concurrency import run_in_threadpool

import tagging
from tagging.errors import AudioError
from tagging.models.inference import SongTagger

MODEL = os.environ.get("TAGGING_MODEL", "msd-musicnn")
MAX_BYTES = int(os.environ.get("TAGGING_MAX_BYTES", 50_000_000))  # of an upload
MAX_SOUND = float(os.environ.get("TAGGING_MAX_SOUND", 1200))  # seconds of a song
MAX_WAIT = float(os.environ.get("TAGGING_MAX_WAIT", 60))  # seconds for an upload, and for its tags
MAX_SONGS = 8  # are tagged at once; more wait
BATCH = 16  # segments that are scored at once


Waiting = tuple[np.ndarray, Future[np.ndarray]]  # segments, and where their scores go


class BatchedTagger(SongTagger):
    """A tagger for many threads: one thread scores what all of them ask for."""

    def __init__(self, tagger: SongTagger) -> None:
        self.tagger = tagger
        self.vocabulary, self.sample_rate = tagger.vocabulary, tagger.sample_rate
        self.segment_samples = tagger.segment_samples
        self.hop_samples = tagger.hop_samples
        self.song_padding = tagger.song_padding
        self.largest_batch = 0
        self._waiting: queue.Queue[Waiting] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def scores(self, segments: np.ndarray) -> np.ndarray:
        answer: Future[np.ndarray] = Future()
        self._waiting.put((segments, answer))
        return answer.result()

    def _work(self) -> None:
        while True:
            requests = [self._waiting.get()]
            ends = [len(requests[0][0])]
            while ends[-1] < BATCH and not self._waiting.empty():
                requests.append(self._waiting.get())
                ends.append(ends[-1] + len(requests[-1][0]))
            batch = np.concatenate([segments for segments, _ in requests])
            self.largest_batch = max(self.largest_batch, len(batch))
            try:
                scores = self.tagger.scores(batch)
            # is raised where the scores are waited for; the next batch is scored
            except Exception as error:
                for _, answer in requests:
                    answer.set_exception(error)
                continue
            parts = np.split(scores, ends[:-1])
            for (_, answer), rows in zip(requests, parts, strict=True):
                answer.set_result(rows)


app = FastAPI(title="Tags of a song")
tagger = BatchedTagger(tagging.load_tagger(MODEL, runtime="onnx"))
places = asyncio.Semaphore(MAX_SONGS)


@app.post("/tag")
async def tag(request: Request) -> dict[str, object]:
    """Scores of all tags: of the song, and of each segment with its start in s."""
    # a slow upload holds none of the places
    try:
        async with asyncio.timeout(MAX_WAIT):
            sound = await read_body(request)
    except TimeoutError:
        raise HTTPException(408, f"the upload took more than {MAX_WAIT:g} s") from None
    async with places:
        return await run_in_threadpool(tags_of, sound)


async def read_body(request: Request) -> bytes:
    """The upload; refused as soon as it is too large, whatever its header says."""
    sound = bytearray()
    async for chunk in request.stream():
        sound += chunk
        if len(sound) > MAX_BYTES:
            raise HTTPException(413, f"larger than {MAX_BYTES:,} bytes")
    return bytes(sound)


def tags_of(sound: bytes) -> dict[str, object]:
    """Tag a file in memory, within the limits."""
    deadline, position = time.monotonic() + MAX_WAIT, 0.0

    def check_limits(seconds: float) -> None:
        nonlocal position
        position += seconds
        if position > MAX_SOUND:
            raise HTTPException(413, f"longer than {MAX_SOUND:g} s")
        if time.monotonic() > deadline:
            raise HTTPException(503, f"not tagged within {MAX_WAIT:g} s; try again")

    try:
        result = tagger.tag(sound, batch_size=4, progress=check_limits)
    except AudioError as error:
        raise HTTPException(422, str(error)) from error
    segments = {"times": result.times.tolist(), "taggram": result.taggram.tolist()}
    return {**result.to_dict(), **segments}
