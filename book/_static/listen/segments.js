// A song as a model scores it: segments without overlap, and the mean over them, as tagging/models/inference.py.

/**
 * Where the segments of a song lie, in samples at the model's rate.
 * @param {number} length of the song
 * @param {{segmentSamples: number, hopSamples: number, songPadding: number}} model
 * @returns {{starts: number[], padded: number}} first sample of each segment, counted from the first padded zero; and the zeros
 *   added because the song is shorter than one segment. The incomplete end of a longer song is left out.
 */
export function segmentStarts(length, { segmentSamples, hopSamples, songPadding }) {
  const total = length + 2 * songPadding;
  const count = Math.max(1, Math.floor((total - segmentSamples) / hopSamples) + 1);
  return { starts: Array.from({ length: count }, (_, i) => i * hopSamples), padded: Math.max(0, segmentSamples - total) };
}

/** Logit -> score in [0, 1]. */
export const sigmoid = (logit) => Math.fround(1 / (1 + Math.exp(-Math.min(80, Math.max(-80, logit)))));

/** Mean of the scores of segments, each Float32Array [tags] -> Float32Array [tags]. */
export function meanScores(rows, tags) {
  const sums = new Float64Array(tags);
  for (const row of rows) row.forEach((score, tag) => (sums[tag] += score));
  return Float32Array.from(sums, (sum) => sum / rows.length);
}

/** Places of the classification tags by score, highest first; ties keep the order of the vocabulary. */
export function ranking(scores, tags) {
  const places = [...tags.keys()].filter((place) => tags[place].kind === "classification");
  return places.sort((a, b) => scores[b] - scores[a] || a - b);
}
