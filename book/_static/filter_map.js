// What one convolution filter of a trained front-end answers to, everywhere in a spectrogram: the same arithmetic as
// tagging.frontends, for the page spectrogram_frontends. No drawing here, so that it can be tested without a browser.

/** Numbers of one byte each, from base64. */
export function decode(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** Log-mel values as stored in a page -> Float32Array [bands][frames], laid out band by band. */
export function logMel({ mel, top }) {
  return Float32Array.from(decode(mel), (value) => (value / 255) * top);
}

/**
 * Answers of one filter: normalised input, zero-padding, convolution, ReLU, gain and offset.
 *
 * @param values log-mel, [bands x frames], band by band
 * @param bands, frames its shape
 * @param filter { input: [scale, shift], bands, frames, padding: [below, above, before, after], weights, bias, gain, offset }
 * @returns { answers, places, frames, strongest } answers [places x frames]; strongest: place of the largest, per frame
 */
export function answerMap(values, bands, frames, filter) {
  const [below, above, before, after] = filter.padding;
  const high = bands + below + above;
  const long = frames + before + after;
  const padded = new Float32Array(high * long); // the zeros lie around the normalised picture, as in the package
  for (let band = 0; band < bands; band++) {
    for (let frame = 0; frame < frames; frame++) {
      padded[(band + below) * long + frame + before] = values[band * frames + frame] * filter.input[0] + filter.input[1];
    }
  }
  const places = high - filter.bands + 1;
  const count = long - filter.frames + 1;
  const answers = new Float32Array(places * count);
  for (let place = 0; place < places; place++) {
    const row = answers.subarray(place * count, (place + 1) * count);
    row.fill(filter.bias);
    for (let i = 0; i < filter.bands; i++) {
      for (let j = 0; j < filter.frames; j++) {
        const weight = filter.weights[i * filter.frames + j];
        const from = (place + i) * long + j;
        for (let frame = 0; frame < count; frame++) row[frame] += weight * padded[from + frame];
      }
    }
    for (let frame = 0; frame < count; frame++) row[frame] = Math.max(0, row[frame]) * filter.gain + filter.offset;
  }
  const strongest = new Int32Array(count);
  for (let frame = 0; frame < count; frame++) {
    for (let place = 1; place < places; place++) {
      if (answers[place * count + frame] > answers[strongest[frame] * count + frame]) strongest[frame] = place;
    }
  }
  return { answers, places, frames: count, strongest };
}
