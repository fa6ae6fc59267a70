"""Players: what goes in can be heard, with a name, and stays on the page."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile

from tagging.book.player import SAMPLE_RATES, listen
from tagging.errors import AudioError, ConfigError


@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_the_page_carries_the_sound(rate):
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    shown = listen(sine, rate, "a sine")._repr_html_()
    data = base64.b64decode(re.search(r'src="data:audio/mpeg;base64,([^"]+)"', shown)[1])
    decoded, decoded_rate = soundfile.read(io.BytesIO(data))
    assert decoded_rate == rate
    assert len(decoded) / rate == pytest.approx(1.0, abs=0.2)
    middle = decoded[len(decoded) // 4 : 3 * len(decoded) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * rate / len(middle) == pytest.approx(440, rel=0.01)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)  # the level is kept


def test_label_is_escaped_and_names_the_player():
    player = listen(np.zeros((2, 8000)), 8000, 'loud <b> & "clear"')
    shown = player._repr_html_()
    assert "<b>" not in shown
    assert shown.count("loud &lt;b&gt; &amp; &quot;clear&quot;") == 2
    assert repr(player) == "Player('loud <b> & \"clear\"', 1.0 s)"


def test_what_is_too_loud_is_clipped_not_wrapped():
    shown = listen(np.full(16000, 3.0, dtype=np.float32), 16000, "too loud")
    decoded, _ = soundfile.read(io.BytesIO(shown.mp3))
    assert decoded[4000:12000].min() > 0


def test_errors():
    with pytest.raises(ConfigError, match="4000"):
        listen(np.zeros(100), 4000, "x")
    with pytest.raises(AudioError, match="NaN"):
        listen(np.full(100, np.nan), 16000, "x")
