"""A library takes what the decoders read."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from sounds import ENCODED, WRITTEN, encode, rate_of

from tagging.audio.decode import CONTAINERS
from tagging.audio.files import AudioFile
from tagging.data.scan import AUDIO_SUFFIXES
from tagging.library.walk import walk

# films, and endings that FFmpeg does not say
WITHOUT_SUFFIX = {"avi", "flv", "iff", "ircam", "mpeg", "mpegts", "paf", "pvf"}
UNSAID = {
    "aiff": "aiff", "amr": "amr", "asf": "wma", "au": "au", "caf": "caf", "dsf": "dsf", "mpc8": "mpc", "voc": "voc", "w64": "w64",
    "wav": "wav", "wv": "wv",
}  # fmt: skip


@pytest.mark.parametrize("container", sorted(set(CONTAINERS) - WITHOUT_SUFFIX))
def test_each_container_has_a_suffix(container):
    suffixes = av.ContainerFormat(container, "r").extensions or {UNSAID[container]}
    assert AUDIO_SUFFIXES & {f".{suffix}" for suffix in suffixes}


def test_every_format_is_found_and_read(tmp_path):
    names = [name for name in (*ENCODED, *WRITTEN) if Path(name).suffix != ".flv"]  # a film
    for name in names:
        (tmp_path / name).write_bytes(encode(name, 0.1 * np.ones(rate_of(name) // 2, np.float32), rate_of(name)))
        with AudioFile(tmp_path / name) as file:
            assert sum(len(block) for block in file.blocks()) > 0
    assert sorted(file.path for file in walk(tmp_path)) == sorted(names)
