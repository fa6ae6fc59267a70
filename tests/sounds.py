"""Sound files of every format in memory, and what is heard in them."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

from tagging.audio.files import AudioFile

RATE = 44100
# file name -> (encoder, container), for what soundfile does not write
ENCODED = {
    "a.m4a": ("aac", "ipod"),
    "a-alac.m4a": ("alac", "ipod"),
    "a.aac": ("aac", "adts"),
    "a.wma": ("wmav2", "asf"),
    "a.webm": ("libopus", "webm"),
    "a.mka": ("flac", "matroska"),
    "a.wv": ("wavpack", "wv"),
    "a.tta": ("tta", "tta"),
    "a.caf": ("pcm_s16be", "caf"),
    "a.w64": ("pcm_s16le", "w64"),
    "a.ac3": ("ac3", "ac3"),
}
WRITTEN = ["a.wav", "a.aiff", "a.flac", "a.ogg", "a.opus", "a.mp3", "a.au"]


def encode(name: str, sound: np.ndarray, rate: int = RATE, video: bool = False) -> bytes:
    """A sound file in memory; ``sound`` is [samples] or [samples, channels]."""
    buffer = io.BytesIO()
    kind = Path(name).suffix[1:]
    if name not in ENCODED:
        subtype = {"opus": "OPUS", "ogg": "VORBIS"}.get(kind)
        soundfile.write(buffer, sound, rate, subtype, format="OGG" if kind == "opus" else kind.upper())
        return buffer.getvalue()
    codec, container = ENCODED[name]
    samples = np.ascontiguousarray(sound.reshape(len(sound), -1).T, dtype=np.float32)
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono" if len(samples) == 1 else "stereo")
        stream.time_base = Fraction(1, rate)
        if codec in ("aac", "ac3", "libopus", "wmav2"):
            stream.bit_rate = 128_000
        if video:
            pictures = output.add_stream("mpeg4", rate=5, width=32, height=32)
            pictures.pix_fmt = "yuv420p"
            for number in range(3):
                picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                picture.pts = number
                output.mux(pictures.encode(picture))
            output.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=stream.layout.name)
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        size = stream.codec_context.frame_size or 4096
        resampler = av.AudioResampler(
            format=stream.codec_context.format or "s16", layout=stream.layout.name, rate=rate, frame_size=size
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux([packet for packet in stream.encode(part) if packet.size])
        output.mux([packet for packet in stream.encode(None) if packet.size])
    return buffer.getvalue()


def rate_of(name: str) -> int:
    return 48000 if name in ("a.opus", "a.webm") else RATE


def read_whole(data: bytes, rate: int | None = None) -> tuple[np.ndarray, int, list[str]]:
    with AudioFile(data) as file:
        sound = np.concatenate(list(file.blocks(rate)))
        return sound, rate or file.sample_rate, file.notes
