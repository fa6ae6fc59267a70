"""Renderer: from notes to audio. Every note is a stretch of the bank, scaled, faded and added.

Only single-precision products and sums in a fixed order are used, so a clip has the same bytes on every machine with the
same bank, with or without numba, and a stretch of a clip equals that stretch of the whole clip.
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
# Expected level of a clip in int16 (20 dB below full scale). Peaks above the knee are compressed, never clipped.
_TARGET_RMS = 3277.0
KNEE = np.float32(24000)
_ROOM = np.float32(32000 - 24000)


def render(bank: Bank, arrangement: Arrangement, samples: int, begin: int = 0) -> np.ndarray:
    """Render a stretch of an arrangement.

    Args:
        bank: the rendered notes.
        arrangement: the notes to play.
        samples: length of the stretch.
        begin: its first sample.

    Returns:
        int16 [samples] at 16 kHz, never at full scale.
    """
    program, pitch, start, duration, velocity = arrangement.notes
    gain = level(bank, arrangement)
    return to_int16(mix_notes(bank, program, pitch, start, duration, velocity, samples, begin, gain))


def level(bank: Bank, arrangement: Arrangement) -> float:
    """The gain that brings a clip to its expected level.

    Estimated from the energies of the notes, not measured on the audio, so it is the same for every stretch of a clip.

    Args:
        bank: the rendered notes.
        arrangement: the notes of the clip.
    """
    entries = bank.entries(arrangement.program, arrangement.pitch, arrangement.velocity)
    power = bank.note_energy(entries, arrangement.duration) * (arrangement.velocity / 127.0) ** 2
    total = float(power[entries >= 0].sum(dtype=np.float64))
    end = max(int((arrangement.start + arrangement.duration).max()), STEP)
    # three digits: the order of a sum cannot change the result
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
    """Add notes of the bank.

    Args:
        bank: the rendered notes.
        program, pitch, start, duration, velocity: int64 [notes]; times in samples, multiples of 64.
        samples, begin: length and first sample of the stretch.
        level: gain.

    Returns:
        float32 [samples].
    """
    entries = bank.entries(program, pitch, velocity)
    offset = begin % STEP
    origin = begin - offset
    blocks = -(-(samples + offset) // STEP)
    out = np.zeros(blocks * STEP, np.float32)
    # drum notes sound to their end
    fade = np.where(program == DRUM_KIT, LENGTH // STEP, bank.fade[entries])
    held = duration // STEP
    first = (start - origin) // STEP
    audible = (entries >= 0) & (first < blocks) & (first + held + fade > 0)
    gain = (velocity / 127.0 * level).astype(np.float32)
    entries = entries[audible]
    _placer()(
        out,
        bank.samples,
        bank.first[entries],
        bank.length[entries] // STEP,
        gain[audible] * bank.gain[entries],
        first[audible],
        held[audible],
        fade[audible],
        bank.decay[entries],
        bank.loop_gain[entries],
    )
    return out[offset : offset + samples]


def to_int16(mixed: np.ndarray) -> np.ndarray:
    """Round to int16; samples above the knee are compressed smoothly to below full scale.

    Args:
        mixed: float32 [samples].
    """
    size = np.abs(mixed)
    if size.max(initial=0) > KNEE:
        above = np.maximum(size - KNEE, np.float32(0))
        bent = np.minimum(size, KNEE) + above * _ROOM / (above + _ROOM)
        mixed = np.copysign(bent, mixed)
    return np.rint(mixed).astype(np.int16)


@functools.cache
def _placer() -> Callable[..., None]:
    """The inner loop: compiled where numba is installed, else in NumPy (slower, the same bytes)."""
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
            position = first[note] + block
            if position < 0:
                continue
            block_level = level
            offset = block * 64
            if offset >= LENGTH:
                turn = (offset - LENGTH) // _TURN
                offset = LOOP_START + (offset - LENGTH) % _TURN
                for _ in range(turn + 1):
                    block_level *= loop_gain[note]
            # slices instead of sums of indices: the compiler vectorizes these loops (3 times faster)
            target = out[position * 64 : position * 64 + 64]
            sound = samples[source[note] + offset : source[note] + offset + 64]
            for index in range(64):
                target[index] += block_level * np.float32(sound[index])


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
        levels = np.cumprod(factors)
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
