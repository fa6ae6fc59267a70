// One channel of a sound, what its level says about it, and a file of it.

const CANCELLED = 0.01;
const LOUDEST = 32;
const BLOCK = 2 ** 20; // samples between two pauses, in which the page can answer

/** Averages the channels of a sound that comes in pieces, and notes what makes scores doubtful (tagging/audio/waveform.py). */
export class Mixer {
  constructor() {
    this.pieces = [];
    this.channels = 1;
    this.length = this.peak = this.loudest = this.power = this.channelPower = 0;
  }

  /** @param {Float32Array[]} channels the next samples of each */
  add(channels) {
    const samples = new Float32Array(channels[0].length);
    let { peak, loudest, power, channelPower } = this;
    for (let i = 0; i < samples.length; i++) {
      let sum = 0;
      for (const channel of channels) {
        const value = channel[i];
        sum += value;
        channelPower += (value * value) / channels.length;
        if (value > loudest) loudest = value;
        else if (-value > loudest) loudest = -value;
      }
      const value = Math.fround(sum / channels.length);
      samples[i] = value;
      power += value * value;
      peak = Math.max(peak, Math.abs(value));
    }
    Object.assign(this, { peak, loudest, power, channelPower, channels: channels.length });
    this.length += samples.length;
    this.pieces.push(samples);
  }

  /** One channel of the whole: {samples, notes}. */
  finish() {
    if (!Number.isFinite(this.channelPower)) throw new Error("the sound contains samples that are not numbers");
    if (this.loudest > LOUDEST) throw new Error(`samples as large as ${this.loudest.toPrecision(3)}, where full scale is 1`);
    const samples = new Float32Array(this.length);
    let at = 0;
    for (const piece of this.pieces.splice(0)) {
      samples.set(piece, at);
      at += piece.length;
    }
    return { samples, notes: levelNotes(this.peak, this.power, this.channelPower, this.channels) };
  }
}

/**
 * One channel of a whole sound, computed with pauses in which the page can answer.
 * @param {Float32Array[]} channels
 * @returns {Promise<{samples: Float32Array, notes: string[]}>}
 */
export async function mixed(channels) {
  const mixer = new Mixer();
  for (let begin = 0; begin < channels[0].length; begin += BLOCK) {
    mixer.add(channels.map((channel) => channel.subarray(begin, begin + BLOCK)));
    await new Promise((resume) => setTimeout(resume));
  }
  return mixer.finish();
}

function levelNotes(peak, power, channelPower, channels) {
  if (channels > 1 && channelPower && power < CANCELLED * channelPower) {
    return ["The channels cancel each other: the scores describe what is left, not the music."];
  }
  if (peak === 0) return ["Silent: the scores describe the model, not music."];
  if (peak < 1e-3) return ["Nearly silent: the scores may describe noise."];
  if (peak > 4) return [`Samples reach ${peak.toFixed(1)}, where full scale is 1: the scores are of a sound far too loud.`];
  return [];
}

/** A wav file of one channel with 16 bits: Float32Array -> Blob. */
export function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const write = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, value))), true));
  return new Blob([view], { type: "audio/wav" });
}
