"""A small synthesizer for the example sounds: plucked string, bowed string, synth, drums, room.

Everything is computed from formulas with NumPy and SciPy; nothing is sampled from a recording.
Every instrument returns float64 [samples] at ``RATE``, with a level near 1 for ``loud=1``.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, fftconvolve, iirpeak, lfilter, sosfilt

RATE = 44100
A4 = 440.0
STEPS = {"C": -9, "D": -7, "E": -5, "F": -4, "G": -2, "A": 0, "B": 2}


def hertz(note: str) -> float:
    """Frequency of a note such as ``"F#4"`` in twelve-tone equal temperament, A4 = 440 Hz."""
    letter, octave = note[0], int(note[-1])
    return A4 * 2 ** ((STEPS[letter] + note.count("#") - note.count("b")) / 12 + octave - 4)


def seconds(duration: float) -> np.ndarray:
    """Time axis of ``duration`` seconds."""
    return np.arange(round(duration * RATE)) / RATE


def low_pass(x: np.ndarray, cutoff: float, order: int = 2) -> np.ndarray:
    return sosfilt(butter(order, cutoff, "low", fs=RATE, output="sos"), x, axis=0)


def high_pass(x: np.ndarray, cutoff: float, order: int = 2) -> np.ndarray:
    return sosfilt(butter(order, cutoff, "high", fs=RATE, output="sos"), x, axis=0)


def fade(length: int, attack: float, release: float) -> np.ndarray:
    """An envelope that rises over ``attack`` seconds and falls over the last ``release`` seconds."""
    t = np.arange(length) / RATE
    return np.clip(t / attack, 0, 1) * np.clip((length / RATE - t) / release, 0, 1)


def body(x: np.ndarray, modes: list[tuple[float, float, float]]) -> np.ndarray:
    """Add the resonances of a wooden box: (frequency in Hz, Q, gain) of each mode."""
    return x + sum(gain * lfilter(*iirpeak(frequency, q, fs=RATE), x) for frequency, q, gain in modes)


# --- plucked string ---------------------------------------------------------------------------------------------------

GUITAR = [(98, 9, 1.4), (196, 14, 1.6), (285, 18, 0.8), (402, 20, 0.7), (560, 22, 0.5), (830, 14, 0.3)]


def pluck(frequency: float, duration: float, loud: float, rng: np.random.Generator) -> np.ndarray:
    """A plucked string after Karplus and Strong (1983): a delay line that feeds back through a gentle low-pass.

    The loop's length in samples, its low-pass and a fractional delay together make exactly one period, so the
    string is in tune. The loop gain sets how long the fundamental rings, the low-pass how much sooner 3 kHz dies.
    """
    ring, ring_3k = 7.0 * (110 / frequency) ** 0.3, 1.0  # seconds to fall by 60 dB
    gain = 10 ** (-3 / (frequency * ring))
    w3k, w0 = 2 * np.pi * 3000 / RATE, 2 * np.pi * frequency / RATE
    loss = min(0.25, (1 - (10 ** (-3 / (frequency * ring_3k)) / gain) ** 2) / (2 - 2 * np.cos(w3k)))
    share = (1 - np.sqrt(1 - 4 * loss)) / 2
    delay_of_loss = np.arctan2(share * np.sin(w0), 1 - share + share * np.cos(w0)) / w0
    delay = RATE / frequency - delay_of_loss
    whole = int(delay) - 1
    part = delay - whole
    # third-order Lagrange interpolation between the samples whole .. whole + 3
    interpolation = [np.prod([(part - j) / (i - j) for j in range(4) if j != i]) for i in range(4)]
    loop = np.zeros(whole + 5)
    loop[0] = 1
    loop[whole:] = -gain * np.convolve([1 - share, share], interpolation)

    period = round(RATE / frequency)
    strike = np.zeros(round(duration * RATE))
    strike[0] = 1
    strike[:period] += 0.12 * rng.standard_normal(min(period, len(strike)))
    soft = 0.88 - 0.12 * loud  # the flesh of a finger; a louder pluck is a brighter one
    strike = lfilter([1 - soft], [1, -soft], lfilter([1 - soft], [1, -soft], strike))
    near_bridge = max(1, round(0.17 * period))
    strike[near_bridge:] -= 0.9 * strike[:-near_bridge].copy()
    string = lfilter([1.0], loop, strike)
    return loud * 9.0 * body(high_pass(string, 60), GUITAR) * fade(len(string), 0.001, 0.09)


# --- bowed string -----------------------------------------------------------------------------------------------------

FIDDLE = [(275, 12, 1.2), (460, 16, 1.6), (540, 16, 1.4), (850, 9, 0.7), (1200, 7, 0.7), (2400, 3, 1.3), (3100, 5, 0.6)]


def harmonics(phase: np.ndarray, frequency: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Sum of sines ``level[k]`` at multiples of a phase, none of them above 0.45 of the sample rate (no aliasing)."""
    out = np.zeros_like(phase)
    for k, amplitude in enumerate(level, start=1):
        if k * frequency.min() > 0.45 * RATE:
            break
        out += np.where(k * frequency < 0.45 * RATE, amplitude, 0) * np.sin(k * phase)
    return out


def bow(frequency: float, duration: float, loud: float, rng: np.random.Generator, vibrato: float = 0.0) -> np.ndarray:
    """One bow stroke: the saw-tooth motion of Helmholtz, a scratch at its start, bow noise, the box of a fiddle.

    Args:
        vibrato: depth in cents, reached after a quarter of a second.
    """
    t = seconds(duration)
    wobble = vibrato * np.clip((t - 0.08) / 0.2, 0, 1) * np.sin(2 * np.pi * 5.6 * t + rng.uniform(0, 6.28))
    drift = 2.0 * low_pass(rng.standard_normal(len(t)), 6, 1) * np.sqrt(RATE / 12)
    scoop = -18 * np.exp(-t / 0.02)  # the string speaks a little flat
    pitch = frequency * 2 ** ((wobble + np.clip(drift, -4, 4) + scoop) / 1200)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tone = harmonics(phase, pitch, 1 / np.arange(1, 46) ** (1.15 - 0.2 * loud))
    swell = 0.8 + 0.2 * np.sin(np.pi * t / duration)
    scratch = high_pass(rng.standard_normal(len(t)), 1800) * (0.05 * np.exp(-t / 0.018) + 0.008)
    return loud * 0.45 * body(tone * swell + scratch, FIDDLE) * fade(len(t), 0.018, 0.022)


# --- synth ------------------------------------------------------------------------------------------------------------


def synth(frequency: float, duration: float, loud: float, *, cutoff: float, bite: float, detune: float, decay: float):
    """Detuned saw-tooths through a resonant low-pass that opens on each note and closes again.

    Made from its harmonics, so that the filter may move without artefacts and nothing aliases.

    Args:
        cutoff: resting cutoff of the filter in Hz; ``bite`` times as high at the note's start.
        detune: distance of the outer voices in cents.
        decay: time constant of the filter, in seconds.
    """
    t = seconds(duration)
    corner = cutoff * (1 + (bite - 1) * np.exp(-t / decay))
    out = np.zeros_like(t)
    for voice, cents in enumerate((-detune, 0.0, detune) if detune else (0.0,)):
        pitch = frequency * 2 ** (cents / 1200)
        for k in range(1, int(min(60, 0.45 * RATE / pitch)) + 1):
            x = k * pitch / corner
            gain = 1 / np.sqrt((1 - x**2) ** 2 + (x / 1.6) ** 2)  # two poles, Q = 1.6
            out += gain / k * np.sin(2 * np.pi * k * pitch * t + 2.1 * voice)
    return loud * 0.35 * out * fade(len(t), 0.004, 0.03)


# --- drums ------------------------------------------------------------------------------------------------------------


def kick(loud: float) -> np.ndarray:
    """A bass drum: a sine that falls from 190 to 48 Hz, with a click."""
    t = seconds(0.34)
    phase = 2 * np.pi * np.cumsum(48 + 142 * np.exp(-t / 0.028)) / RATE
    return loud * (np.sin(phase) * np.exp(-t / 0.11) + 0.3 * np.exp(-t / 0.0015)) * fade(len(t), 0.0005, 0.03)


def snare(loud: float, rng: np.random.Generator) -> np.ndarray:
    """A snare drum: two skin modes under a burst of filtered noise."""
    t = seconds(0.26)
    skin = np.sin(2 * np.pi * 186 * t) + 0.6 * np.sin(2 * np.pi * 331 * t)
    wires = high_pass(low_pass(rng.standard_normal(len(t)), 9000), 900)
    return loud * (0.5 * skin * np.exp(-t / 0.05) + 0.7 * wires * np.exp(-t / 0.075)) * fade(len(t), 0.0005, 0.03)


def hat(loud: float, rng: np.random.Generator, ring: float = 0.03) -> np.ndarray:
    """A hi-hat: noise and six inharmonic square waves, high-passed; ``ring`` is its time constant in seconds."""
    t = seconds(6 * ring)
    metal = sum(np.sign(np.sin(2 * np.pi * f * t + f)) for f in (2050.0, 3042.0, 3690.0, 4150.0, 5400.0, 8000.0))
    return loud * 0.4 * high_pass(0.12 * metal + rng.standard_normal(len(t)), 6500, 4) * np.exp(-t / ring)


def stamp(loud: float, rng: np.random.Generator, pitch: float = 72.0) -> np.ndarray:
    """A frame drum struck with the hand, or a foot on a wooden floor: a falling tone and a dull knock."""
    t = seconds(0.3)
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.6 * np.exp(-t / 0.02))) / RATE
    knock = low_pass(rng.standard_normal(len(t)), 700) * np.exp(-t / 0.012)
    return loud * (np.sin(phase) * np.exp(-t / 0.085) + 1.5 * knock) * fade(len(t), 0.001, 0.03)


# --- the room ---------------------------------------------------------------------------------------------------------


def mix_in(track: np.ndarray, sound: np.ndarray, start: float, pan: float = 0.0) -> None:
    """Add a sound to the stereo ``track`` [samples, 2] at ``start`` seconds; ``pan`` from -1 (left) to 1 (right)."""
    first = round(start * RATE)
    sound = sound[: max(0, len(track) - first)]
    angle = (pan + 1) * np.pi / 4
    track[first : first + len(sound), 0] += np.cos(angle) * sound
    track[first : first + len(sound), 1] += np.sin(angle) * sound


def room(track: np.ndarray, decay: float, wet: float, rng: np.random.Generator) -> np.ndarray:
    """Put the stereo ``track`` into a room: early reflections, then noise that decays, the treble twice as fast.

    Args:
        decay: seconds until the reverberation has fallen by 60 dB.
        wet: level of the reverberation against the direct sound.
    """
    t = seconds(decay)
    dull = low_pass(rng.standard_normal((len(t), 2)), 1500)
    bright = high_pass(rng.standard_normal((len(t), 2)), 1500)
    tail = dull * 10 ** (-3 * t / decay)[:, None] + 0.5 * bright * 10 ** (-6 * t / decay)[:, None]
    tail[: round(0.012 * RATE)] = 0
    for side in (0, 1):
        for _ in range(7):
            tail[round(rng.uniform(0.006, 0.045) * RATE), side] += rng.choice([-4.0, 4.0])
    tail /= np.sqrt((tail**2).sum() / 2)
    return track + wet * np.stack([fftconvolve(track[:, s], tail[:, s])[: len(track)] for s in (0, 1)], axis=1)
