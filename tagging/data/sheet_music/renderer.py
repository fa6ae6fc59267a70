"""From notes to sound: every note is a stretch of the bank, scaled, faded and added.

Only single-precision products and sums in a fixed order happen here, so that a clip has the same bytes on every machine
that has the same bank, with or without numba, and a piece of a clip is exactly that piece of the whole.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from .arranger import Arrangement
from .instruments import DRUM_KIT
from .note_bank import LENGTH, LOOP_START, Bank
from .synthesizer import STEP

_TURN = LENGTH - LOOP_START
# A clip's expected level, in samples of int16 (-20 dB below full scale). Peaks above the knee are bent, never cut.
_TARGET_RMS = 3277.0
KNEE = np.float32(24000)
_ROOM = np.float32(32000 - 24000)


def render(bank: Bank, arrangement: Arrangement, samples: int, begin: int = 0) -> np.ndarray:
    """The sound of an arrangement.

    Args:
        bank: the rendered notes.
        arrangement: what to play.
        samples: how many samples.
        begin: the first of them.

    Returns:
        int16 ``[samples]`` at 16 kHz, never at full scale.
    """
    mixed = mix_notes(bank, *arrangement.notes, samples, begin, level=level(bank, arrangement))
    return to_int16(mixed)


def level(bank: Bank, arrangement: Arrangement) -> float:
    """The factor that brings a clip to its expected level.

    It is estimated from the notes, as if their energies added up, and not measured on the sound: so it is the same for
    every piece of a clip.
    """
    entries = bank.entries(arrangement.program, arrangement.pitch, arrangement.velocity)
    power = bank.note_energy(entries, arrangement.duration) * (arrangement.velocity / 127.0) ** 2
    total = float(power[entries >= 0].sum(dtype=np.float64))
    end = max(int((arrangement.start + arrangement.duration).max()), STEP)
    # three digits: not even the order of a sum can change the result
    return float(f"{_TARGET_RMS / np.sqrt(max(total, 1e-9) / end):.3g}")


def mix_notes(
    bank: Bank,
    program: np.ndarray,
    pitch: np.ndarray,
    start: np.ndarray,
    duration: np.ndarray,
    velocity: np.ndarray,
    samples: int,
    begin: int = 0,
    level: float = 1.0,
) -> np.ndarray:
    """Add up notes from the bank.

    Args:
        bank: the rendered notes.
        program, pitch, start, duration, velocity: int64 [notes]; times in samples, on multiples of 64.
        samples, begin: which part of the sound.
        level: factor for all of it.

    Returns:
        float32 ``[samples]``.
    """
    entries = bank.entries(program, pitch, velocity)
    offset = begin % STEP
    origin = begin - offset
    blocks = -(-(samples + offset) // STEP)
    out = np.zeros(blocks * STEP, np.float32)
    # drum strokes sound to their end
    fade = np.where(program == DRUM_KIT, LENGTH // STEP, bank.fade[entries])
    held = duration // STEP
    first = (start - origin) // STEP
    heard = (entries >= 0) & (first < blocks) & (first + held + fade > 0)
    gain = (velocity / 127.0 * level).astype(np.float32)
    entries = entries[heard]
    _placer()(
        out,
        bank.samples,
        bank.first[entries],
        bank.length[entries] // STEP,
        gain[heard] * bank.gain[entries],
        first[heard],
        held[heard],
        fade[heard],
        bank.decay[entries],
        bank.loop_gain[entries],
    )
    return out[offset : offset + samples]


def to_int16(mixed: np.ndarray) -> np.ndarray:
    """Round to int16; what exceeds the knee is bent smoothly below full scale, sample by sample."""
    size = np.abs(mixed)
    if size.max(initial=0) > KNEE:
        above = np.maximum(size - KNEE, np.float32(0))
        bent = np.minimum(size, KNEE) + above * _ROOM / (above + _ROOM)
        mixed = np.copysign(bent, mixed)
    return np.rint(mixed).astype(np.int16)


@functools.cache
def _placer() -> Callable[..., None]:
    """The inner loop: compiled where numba is installed, else in NumPy (some times slower, the same bytes)."""
    try:
        import numba
    except ImportError:
        return place_numpy
    # no fast-math: it would let the compiler change the order of operations, and with it the bytes
    return numba.njit(nogil=True, cache=True)(_place_blocks)


def _place_blocks(out, samples, source, length, gain, first, held, fade, decay, loop_gain):
    """Times and lengths are counted in blocks of 64 samples; ``source`` in samples."""
    blocks = len(out) // 64
    for note in range(len(source)):
        level = gain[note]
        last = held[note] + fade[note]
        if loop_gain[note] == 0:
            last = min(last, length[note])
        last = min(last, blocks - first[note])
        for block in range(last):
            if block > held[note]:
                level *= decay[note]
            here = first[note] + block
            if here < 0:
                continue
            sounding = level
            place = block * 64
            if place >= LENGTH:
                turn = (place - LENGTH) // _TURN
                place = LOOP_START + (place - LENGTH) % _TURN
                for _ in range(turn + 1):
                    sounding *= loop_gain[note]
            # slices, and not sums of indices: these the compiler turns into vector instructions (3 times faster)
            target = out[here * 64 : here * 64 + 64]
            sound = samples[source[note] + place : source[note] + place + 64]
            for index in range(64):
                target[index] += sounding * np.float32(sound[index])


def place_numpy(out, samples, source, length, gain, first, held, fade, decay, loop_gain):
    """:func:`_place_blocks` for machines without numba: one note at a time, the same operations in the same order."""
    blocks = len(out) // STEP
    for note in range(len(source)):
        last = held[note] + fade[note]
        if loop_gain[note] == 0:
            last = min(last, length[note])
        last = min(last, blocks - first[note])
        if last <= 0:
            continue
        factors = np.full(last, decay[note], np.float32)
        factors[: held[note] + 1] = 1
        factors[0] = gain[note]
        levels = np.multiply.accumulate(factors)
        inside = min(last, LENGTH // STEP)
        sound = [samples[source[note] : source[note] + inside * STEP]]
        done = inside
        while done < last:
            turn_blocks = min(last - done, _TURN // STEP)
            for _ in range(1 + (done * STEP - LENGTH) // _TURN):
                levels[done : done + turn_blocks] *= loop_gain[note]
            start = source[note] + LOOP_START
            sound.append(samples[start : start + turn_blocks * STEP])
            done += turn_blocks
        skip = max(0, -first[note])
        wave = np.concatenate(sound).astype(np.float32).reshape(-1, STEP)[skip:last]
        begin = (first[note] + skip) * STEP
        out[begin : begin + wave.size] += (levels[skip:last, None] * wave).ravel()
