// The Fourier transform, of a length that is a power of two.

export class Fourier {
  constructor(length) {
    this.length = length;
    this.cosines = Float64Array.from({ length: length / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / length));
    this.sines = Float64Array.from({ length: length / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / length));
    const bits = Math.log2(length);
    this.swapped = Uint32Array.from({ length }, (_, i) => {
      let other = 0;
      for (let bit = 0; bit < bits; bit++) other |= ((i >> bit) & 1) << (bits - 1 - bit);
      return other;
    });
  }

  /** In place. The inverse, without the division by the length, is the transform with re and im exchanged. */
  transform(re, im) {
    const { length, cosines, sines, swapped } = this;
    for (let i = 0; i < length; i++) {
      const j = swapped[i];
      if (i < j) {
        const [x, y] = [re[i], im[i]];
        re[i] = re[j];
        im[i] = im[j];
        re[j] = x;
        im[j] = y;
      }
    }
    for (let half = 1; half < length; half *= 2) {
      const step = length / (2 * half);
      for (let begin = 0; begin < length; begin += 2 * half) {
        for (let k = 0; k < half; k++) {
          const [c, s] = [cosines[k * step], sines[k * step]];
          const i = begin + k;
          const j = i + half;
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
}

/** Periodic Hann window. */
export const hann = (length) => Float64Array.from({ length }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / length));
