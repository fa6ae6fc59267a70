// Log-mel spectrograms in the browser, by the same definitions as tagging/mel.py (musicnn's: Slaney scale and norm,
// periodic Hann window, zero padding, power). Pure functions; tests/test_book_js.py compares them with Python.

import { Fourier, hann } from "./shared/fft.js";

const toMel = (hertz) => (hertz < 1000 ? (hertz * 3) / 200 : 15 + (Math.log(hertz / 1000) * 27) / Math.log(6.4));
const toHertz = (mel) => (mel < 15 ? (mel * 200) / 3 : 1000 * Math.exp(((mel - 15) * Math.log(6.4)) / 27));

/** Edges of the bands in Hz: bands + 2 numbers, band b rises from edge b, peaks at b + 1, ends at b + 2. */
export function bandEdges(bands, sampleRate) {
  const top = toMel(sampleRate / 2);
  return Float64Array.from({ length: bands + 2 }, (_, i) => toHertz((top * i) / (bands + 1)));
}

/** The triangular filters, each as {first, weights}: only the bins it hears. */
export function melBank(bands, windowLength, sampleRate) {
  const edges = bandEdges(bands, sampleRate);
  const width = sampleRate / windowLength;
  return Array.from({ length: bands }, (_, b) => {
    const [low, peak, high] = edges.subarray(b, b + 3);
    const first = Math.ceil(low / width);
    const weights = [];
    for (let bin = first; bin <= windowLength / 2 && bin * width < high; bin++) {
      const hertz = bin * width;
      const height = Math.min((hertz - low) / (peak - low), (high - hertz) / (high - peak));
      weights.push(Math.max(0, height) * (2 / (high - low)));
    }
    return { first, weights: Float64Array.from(weights) };
  });
}

/** Compression of mel power, by name. */
export const COMPRESSIONS = {
  "log10(1+10000x)": (x) => Math.log10(1 + 10000 * x),
  dB: (x) => 10 * Math.log10(Math.max(x, 1e-10)),
  none: (x) => x,
};

/** Mel power from compressed values, by name. */
export const EXPANSIONS = {
  "log10(1+10000x)": (y) => (10 ** y - 1) / 10000,
  dB: (y) => 10 ** (y / 10),
  none: (y) => y,
};

/**
 * Log-mel spectrogram.
 * @returns {{values: Float32Array, frames: number, bands: number, empty: number}} values[frame * bands + band], and how
 *   many bands hear no bin at all.
 */
export function logMel(samples, { sampleRate, windowLength, hop, bands, compression }) {
  const bank = melBank(bands, windowLength, sampleRate);
  const compress = COMPRESSIONS[compression];
  const frames = Math.floor(samples.length / hop) + 1;
  const window = hann(windowLength);
  const fourier = new Fourier(windowLength);
  const values = new Float32Array(frames * bands);
  const re = new Float64Array(windowLength);
  const im = new Float64Array(windowLength);
  for (let frame = 0; frame < frames; frame++) {
    const start = frame * hop - windowLength / 2;
    for (let i = 0; i < windowLength; i++) {
      re[i] = window[i] * (samples[start + i] ?? 0);
      im[i] = 0;
    }
    fourier.transform(re, im);
    bank.forEach(({ first, weights }, band) => {
      let power = 0;
      weights.forEach((weight, i) => {
        const bin = first + i;
        power += weight * (re[bin] * re[bin] + im[bin] * im[bin]);
      });
      values[frame * bands + band] = compress(power);
    });
  }
  return { values, frames, bands, empty: bank.filter((band) => !band.weights.some((weight) => weight > 0)).length };
}
