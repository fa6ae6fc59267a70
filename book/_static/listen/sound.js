// One channel of a sound, what its level says about it, and a file of it.

const CANCELLED = 0.01;
const LOUDEST = 32;
const BLOCK = 2 ** 20; // samples between two pauses, in which the page can answer

/**
 * Average channels, and note what makes scores doubtful (tagging/audio/waveform.py).
 * @param {Float32Array[]} channels
 * @returns {Promise<{samples: Float32Array, notes: string[]}>}
 */
export async function mixed(channels) {
  const samples = new Float32Array(channels[0].length);
  let peak = 0;
  let loudest = 0;
  let power = 0;
  let channelPower = 0;
  for (let begin = 0; begin < samples.length; begin += BLOCK) {
    const end = Math.min(samples.length, begin + BLOCK);
    for (let i = begin; i < end; i++) {
      let sum = 0;
      for (const channel of channels) {
        const value = channel[i];
        sum += value;
        channelPower += (value * value) / channels.length;
        loudest = Math.max(loudest, Math.abs(value));
      }
      const value = Math.fround(sum / channels.length);
      samples[i] = value;
      power += value * value;
      peak = Math.max(peak, Math.abs(value));
    }
    await new Promise((resume) => setTimeout(resume));
  }
  if (!Number.isFinite(channelPower)) throw new Error("the sound contains samples that are not numbers");
  if (loudest > LOUDEST) throw new Error(`samples as large as ${loudest.toPrecision(3)}, where full scale is 1`);
  return { samples, notes: levelNotes(peak, power, channelPower, channels.length) };
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
