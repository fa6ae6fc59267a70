// Another sample rate, by a windowed sinc: browsers' own resamplers are dull above 5 kHz, which changes scores.
// Flat up to 0.91 of the lower Nyquist frequency and 120 dB down above it, as the package's resampler (soxr, HQ).

const PASS = 0.9136;
const BETA = 12.27; // of the Kaiser window, for 120 dB
const ATTENUATION = 120;

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

/** Modified Bessel function of the first kind, order zero. */
function bessel(x) {
  let sum = 1;
  for (let k = 1, term = 1; term > 1e-17 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

/** Half the length of the filter, in input samples; even, so that the whole is a multiple of four. */
function reach(from, to) {
  const transition = (1 - PASS) * Math.min(1, to / from); // of the input's Nyquist frequency
  return 2 * Math.ceil((ATTENUATION - 8) / (2.285 * Math.PI * transition) / 4);
}

const designed = new Map();

/** The filters of all phases, each of `width` taps: output n at phase p = (n * down) % up takes taps[p * width ...]. */
function filters(from, to) {
  const key = `${from}:${to}`;
  if (!designed.has(key)) designed.set(key, design(from, to));
  return designed.get(key);
}

function design(from, to) {
  const up = to / gcd(from, to);
  const cutoff = ((1 + PASS) / 2) * Math.min(1, to / from); // of the input's Nyquist frequency
  const half = reach(from, to);
  const width = 2 * half;
  const taps = new Float32Array(up * width);
  for (let phase = 0; phase < up; phase++) {
    for (let i = 0; i < width; i++) {
      const x = i - half + 1 - phase / up; // distance from the output sample, in input samples
      const inside = 1 - (x / half) ** 2;
      const sinc = x === 0 ? cutoff : Math.sin(Math.PI * cutoff * x) / (Math.PI * x);
      taps[phase * width + i] = inside > 0 ? (sinc * bessel(BETA * Math.sqrt(inside))) / bessel(BETA) : 0;
    }
  }
  return { up, down: from / gcd(from, to), half, width, taps };
}

/** Samples of a sound at another rate. */
export const resampledLength = (samples, from, to) => Math.round((samples * to) / from);

/** A copy of the part of a sound that `count` samples from `start` on, at another rate, are made of. */
export function partOf(samples, from, to, start, count) {
  const half = from === to ? 0 : reach(from, to);
  const offset = Math.min(samples.length, Math.max(0, Math.floor((start * from) / to) - half));
  const end = Math.ceil(((start + count) * from) / to) + half;
  return { offset, part: samples.slice(offset, Math.max(offset, end)) };
}

/** A sound at another rate, computed where it is read: the whole of a long song is never in memory twice. */
export class Resampler {
  /**
   * @param {Float32Array} samples one channel, or a part of it
   * @param {number} from rate of the samples, Hz
   * @param {number} to rate of what is read, Hz
   * @param {{offset?: number, total?: number}} part where in the sound the samples begin, and how many it has
   */
  constructor(samples, from, to, { offset = 0, total = samples.length } = {}) {
    this.samples = samples;
    this.offset = offset;
    this.length = resampledLength(total, from, to);
    this.filters = from === to ? null : filters(from, to);
  }

  /** Samples [start, start + count) at the new rate; zeros outside the sound. */
  read(start, count) {
    const out = new Float32Array(count);
    const first = Math.max(0, -start);
    const last = Math.min(count, this.length - start);
    for (let n = first; n < last; n++) out[n] = this.filters ? this.at(start + n) : this.samples[start + n - this.offset];
    return out;
  }

  at(n) {
    const { samples } = this;
    const { up, down, half, width, taps } = this.filters;
    const position = n * down;
    const row = (position % up) * width;
    const begin = Math.floor(position / up) - half + 1 - this.offset;
    if (begin < 0 || begin + width > samples.length) {
      let sum = 0;
      for (let i = Math.max(0, -begin); i < width && begin + i < samples.length; i++) sum += taps[row + i] * samples[begin + i];
      return sum;
    }
    // four sums, which a processor adds at once
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let i = 0; i < width; i += 4) {
      a += taps[row + i] * samples[begin + i];
      b += taps[row + i + 1] * samples[begin + i + 1];
      c += taps[row + i + 2] * samples[begin + i + 2];
      d += taps[row + i + 3] * samples[begin + i + 3];
    }
    return a + b + (c + d);
  }
}

/** A whole sound at another rate: Float32Array -> Float32Array. */
export function resample(samples, from, to) {
  const resampler = new Resampler(samples, from, to);
  return resampler.read(0, resampler.length);
}
