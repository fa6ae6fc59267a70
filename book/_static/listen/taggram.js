// A taggram: tags by time, drawn on a canvas. What is drawn is computed by functions that need no page.

import { clock, ticks } from "../shared/ticks.js";
import { meanScores, ranking } from "./segments.js";

// from no score to the highest, in light and in dark; straight lines between
const RAMPS = {
  light: [[244, 247, 252], [160, 196, 240], [59, 120, 200], [14, 42, 110]],
  dark: [[27, 32, 44], [34, 74, 130], [76, 150, 220], [226, 242, 255]],
};
export const ROW = 30; // CSS pixels
export const AXIS = 22;

/** Colour of a score as [red, green, blue]. The square root shows low scores, which most tags have. */
export function colour(score, theme) {
  const ramp = RAMPS[theme];
  const x = Math.sqrt(Math.min(1, Math.max(0, score))) * (ramp.length - 1);
  const k = Math.min(Math.floor(x), ramp.length - 2);
  return ramp[k].map((value, i) => Math.round(value + (x - k) * (ramp[k + 1][i] - value)));
}

/** The result of one model on one song, filled as its segments are scored, in any order. */
export class Taggram {
  /** @param {object} model entry of models.json */
  constructor(model) {
    this.model = model;
    this.starts = [];
    this.rows = []; // scores of each segment, undefined until it is scored
    this.scored = 0;
    this.padded = 0;
  }

  plan({ starts, padded }) {
    this.starts = starts;
    this.padded = padded;
    this.rows = Array.from(starts, () => undefined);
  }

  add(segment, scores) {
    this.rows[segment] = scores;
    this.scored++;
  }

  /** Part of the song that is scored. */
  get part() {
    return this.scored / (this.starts.length || 1);
  }

  /** Scores of the song so far. */
  get means() {
    return meanScores(this.rows.filter(Boolean), this.model.tags.length);
  }

  /** Places of the tags with the highest means. */
  top(count) {
    return ranking(this.means, this.model.tags).slice(0, count);
  }

  /** When a segment starts, in seconds of the sound; the first may start in the silence before it. */
  time(segment) {
    return Math.max(0, (this.starts[segment] - this.model.songPadding) / this.model.sampleRate);
  }

  /** Seconds that the picture spans. */
  get seconds() {
    const { segmentSamples, songPadding, sampleRate } = this.model;
    return Math.max(0, (this.starts.at(-1) ?? 0) + segmentSamples - 2 * songPadding - this.padded) / sampleRate;
  }

  /** The segment that is heard at a time: the last that has started. */
  segmentAt(seconds) {
    let segment = 0;
    while (segment + 1 < this.rows.length && this.time(segment + 1) <= seconds) segment++;
    return segment;
  }

  /** The segment in which a tag has its highest score; the first of several. */
  strongest(tag) {
    const scores = this.rows.map((row) => row?.[tag] ?? -1);
    return scores.indexOf(Math.max(...scores));
  }

  /**
   * The coloured cells of some tags: {left, right (as parts of the width), row, score}.
   * A cell ends where the next segment begins.
   */
  cells(tags) {
    const whole = this.seconds || 1;
    return this.rows.flatMap((scores, i) => {
      const end = i + 1 < this.starts.length ? this.time(i + 1) : whole;
      return scores ? tags.map((tag, row) => ({ left: this.time(i) / whole, right: end / whole, row, score: scores[tag] })) : [];
    });
  }
}

/** Draw the rows of some tags, with a time axis below; the canvas has its size in CSS pixels already. */
export function draw(canvas, taggram, tags, { theme, ink, scale = globalThis.devicePixelRatio ?? 1, width = canvas.clientWidth }) {
  const height = tags.length * ROW + AXIS;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  paint(context, taggram, tags, { theme, ink, width });
}

/** The same into a part of a picture whose origin is the corner of the context. */
export function paint(context, taggram, tags, { theme, ink, width }) {
  for (const { left, right, row, score } of taggram.cells(tags)) {
    context.fillStyle = `rgb(${colour(score, theme)})`;
    context.fillRect(left * width, row * ROW + 2, (right - left) * width + 0.6, ROW - 4);
  }
  context.fillStyle = ink;
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "bottom";
  const whole = taggram.seconds || 1;
  for (const second of ticks(whole, Math.max(1, width / 60))) {
    const x = (second / whole) * width;
    context.fillRect(Math.min(x, width - 1), tags.length * ROW, 1, 4);
    const text = clock(second);
    const size = context.measureText(text).width;
    context.fillText(text, Math.min(Math.max(0, x - size / 2), width - size), tags.length * ROW + AXIS);
  }
}
