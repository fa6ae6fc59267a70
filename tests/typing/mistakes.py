"""Mistakes that a type checker must report: each line that ends in ``# mistake``, and no other. Nothing runs it."""

from __future__ import annotations

import tagging

tagging.load_taggers("msd-musicnn")  # mistake
tagger = tagging.load_tagger(3)  # mistake
result = tagging.load_tagger("msd-musicnn").tag("song.mp3")
result.tpo(5)  # mistake
scores: list[str] = result.top(5)  # mistake
name: int = tagging.list_frontends()[0]  # mistake
tagging.build_tagger("waveform", "dense", ["piano"], segment_seconds="3 s")  # mistake
tagging.build_tagger("waveform", ["piano"])  # mistake
tagging.Tag("piano", kinds="classification")  # mistake
tagging.Vocabulary([1, 2])  # mistake
tagging.tag_loss(1.0, 2.0, ["piano"])  # mistake
waveform = tagging.load_audio("song.mp3").mean()  # mistake
tagging.Settings(sed=1)  # mistake
tagging.open_corpus(name=3)  # mistake
tagging.register_command("greet")  # mistake
tagging.FRONTENDS.build("waveform").anything()  # parts that are found by name have any type
