// Log-mel spectrograms in the browser, by the same definitions as tagging/mel.py (musicnn's: Slaney scale and norm,
// periodic Hann window, zero padding, power). Pure functions; tests/test_book_js.py compares them with Python.

/** Windowed-sinc low-pass and decimation by a whole factor: Float32Array -> Float32Array. */
export function decimate(samples, factor) {
  if (factor === 1) return samples;
  const half = 24 * factor;
  const taps = new Float64Array(2 * half + 1);
  let sum = 0;
  for (let i = -half; i <= half; i++) {
    const x = (i * 0.92) / factor; // pass band up to 0.92 of the new Nyquist frequency
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    const hann = 0.5 + 0.5 * Math.cos((Math.PI * i) / (half + 1));
    sum += taps[i + half] = sinc * hann;
  }
  const out = new Float32Array(Math.floor(samples.length / factor));
  for (let n = 0; n < out.length; n++) {
    let y = 0;
    for (let i = Math.max(-half, -n * factor); i <= half && n * factor + i < samples.length; i++) {
      y += taps[i + half] * samples[n * factor + i];
    }
    out[n] = y / sum;
  }
  return out;
}

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

/** In-place radix-2 transform; re and im have a length that is a power of two. */
function fft(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const angle = (-2 * Math.PI) / size;
    for (let k = 0; k < size / 2; k++) {
      const c = Math.cos(angle * k);
      const s = Math.sin(angle * k);
      for (let i = k; i < n; i += size) {
        const j = i + size / 2;
        const x = re[j] * c - im[j] * s;
        const y = re[j] * s + im[j] * c;
        re[j] = re[i] - x;
        im[j] = im[i] - y;
        re[i] += x;
        im[i] += y;
      }
    }
  }
}

/** Compression of mel power, by name. */
export const COMPRESSIONS = {
  "log10(1+10000x)": (x) => Math.log10(1 + 10000 * x),
  dB: (x) => 10 * Math.log10(Math.max(x, 1e-10)),
  none: (x) => x,
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
  const hann = Float64Array.from({ length: windowLength }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / windowLength));
  const values = new Float32Array(frames * bands);
  const re = new Float64Array(windowLength);
  const im = new Float64Array(windowLength);
  for (let frame = 0; frame < frames; frame++) {
    const start = frame * hop - windowLength / 2;
    for (let i = 0; i < windowLength; i++) {
      re[i] = hann[i] * (samples[start + i] ?? 0);
      im[i] = 0;
    }
    fft(re, im);
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
