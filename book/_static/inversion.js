// A sound whose log-mel spectrogram is close to given values: what is left of a sound once it has become a picture.
// Mel power -> power of each bin (multiplicative updates, Kullback-Leibler) -> phases (fast Griffin-Lim).

import { EXPANSIONS, melBank } from "./mel.js";
import { Fourier, hann } from "./shared/fft.js";

const UPDATES = 20;
const MOMENTUM = 0.99;
const TINY = 1e-12;

/** Magnitude of each bin, [frames][bins], that explains the mel power. */
export function magnitudes(values, frames, { sampleRate, windowLength, bands, compression }) {
  const bins = windowLength / 2 + 1;
  const bank = melBank(bands, windowLength, sampleRate);
  const expand = EXPANSIONS[compression];
  const heard = new Float64Array(bins); // sum of the weights of a bin
  for (const { first, weights } of bank) weights.forEach((weight, i) => (heard[first + i] += weight));
  const out = new Float32Array(frames * bins);
  const power = new Float64Array(bins);
  const ratio = new Float64Array(bins);
  for (let frame = 0; frame < frames; frame++) {
    const wanted = bank.map((_, band) => Math.max(0, expand(values[frame * bands + band])));
    if (!wanted.some((value) => value > TINY)) continue;
    power.fill(1);
    for (let update = 0; update < UPDATES; update++) {
      ratio.fill(0);
      bank.forEach(({ first, weights }, band) => {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * power[first + i];
        const part = wanted[band] / (sum + TINY);
        for (let i = 0; i < weights.length; i++) ratio[first + i] += weights[i] * part;
      });
      for (let bin = 0; bin < bins; bin++) power[bin] = heard[bin] > 0 ? (power[bin] * ratio[bin]) / heard[bin] : 0;
    }
    for (let bin = 0; bin < bins; bin++) out[frame * bins + bin] = Math.sqrt(power[bin]);
  }
  return out;
}

/** Random numbers in [0, 1) that are the same each time. */
function dice(seed) {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/**
 * A sound with given magnitudes.
 * @param {Float32Array} magnitude [frames][bins]
 * @param {object} size {windowLength, hop, length (samples)}
 * @param {() => boolean} goOn asked before each pass after the first five
 * @returns {{samples: Float32Array, passes: number}}
 */
export function griffinLim(magnitude, frames, { windowLength, hop, length }, passes, goOn = () => true) {
  const bins = windowLength / 2 + 1;
  const window = hann(windowLength);
  const fourier = new Fourier(windowLength);
  const half = windowLength / 2;
  const size = length + windowLength; // with the zeros before and after
  const overlap = new Float32Array(size);
  for (let frame = 0; frame < frames; frame++) {
    for (let i = 0; i < windowLength && frame * hop + i < size; i++) overlap[frame * hop + i] += window[i] ** 2;
  }
  const random = dice(1);
  let guess = Float32Array.from({ length: size }, () => random() - 0.5);
  let last = new Float32Array(size);
  const re = new Float64Array(windowLength);
  const im = new Float64Array(windowLength);
  let done = 0;
  while (done < passes && (done < 5 || goOn())) {
    const next = new Float32Array(size);
    // two frames at a time: one in the real part, one in the imaginary part
    for (let frame = 0; frame < frames; frame += 2) {
      const [a, b] = [frame * hop, (frame + 1) * hop];
      const two = frame + 1 < frames;
      for (let i = 0; i < windowLength; i++) {
        re[i] = window[i] * (guess[a + i] ?? 0);
        im[i] = two ? window[i] * (guess[b + i] ?? 0) : 0;
      }
      fourier.transform(re, im);
      for (let k = 0; k < bins; k++) {
        const m = (windowLength - k) % windowLength;
        const [ar, ai] = [(re[k] + re[m]) / 2, (im[k] - im[m]) / 2];
        const [br, bi] = [(im[k] + im[m]) / 2, (re[m] - re[k]) / 2];
        const p = magnitude[frame * bins + k] / (Math.hypot(ar, ai) + TINY);
        const q = two ? magnitude[(frame + 1) * bins + k] / (Math.hypot(br, bi) + TINY) : 0;
        re[k] = p * ar - q * bi;
        im[k] = p * ai + q * br;
        if (m !== k) {
          re[m] = p * ar + q * bi;
          im[m] = q * br - p * ai;
        }
      }
      fourier.transform(im, re); // back
      for (let i = 0; i < windowLength; i++) {
        const weight = window[i] / windowLength;
        if (a + i < size) next[a + i] += weight * re[i];
        if (two && b + i < size) next[b + i] += weight * im[i];
      }
    }
    const moved = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      next[i] /= Math.max(overlap[i], 0.1); // not more, where frames hardly overlap
      moved[i] = next[i] + (done ? MOMENTUM * (next[i] - last[i]) : 0);
    }
    last = next;
    guess = moved;
    done++;
  }
  return { samples: last.slice(half, half + length), passes: done };
}
