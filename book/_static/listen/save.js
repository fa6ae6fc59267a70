// Results as files: JSON with the scores of the song and of every segment, CSV with a row a segment, PNG with what is shown.

import { paint, AXIS, ROW } from "./taggram.js";

const LABELS = 190; // pixels of the picture
const MARGIN = 16;
const WIDTH = 900;

const rounded = (values) => Array.from(values, (value) => Number(value.toPrecision(7)));
const named = (taggram, values) => Object.fromEntries(taggram.model.tags.map((tag, i) => [tag.name, values[i]]));

/** The fields of `tagging tag --json`, and the taggram. */
export function json(file, taggrams, notes) {
  return JSON.stringify(
    taggrams.map((taggram) => ({
      file,
      model: taggram.model.name,
      scores: named(taggram, rounded(taggram.means)),
      segments: taggram.rows.length,
      segment_seconds: taggram.model.segmentSamples / taggram.model.sampleRate,
      padded_seconds: taggram.padded / taggram.model.sampleRate,
      notes,
      times: rounded(taggram.rows.map((_, i) => taggram.starts[i] / taggram.model.sampleRate)),
      taggram: taggram.rows.map(rounded),
      runtime: "onnxruntime-web",
      licence: taggram.model.card.licence,
    })),
    null,
    1,
  );
}

/** A row for the song and one a segment of each model; a column a tag of any of them. */
export function csv(file, taggrams) {
  const names = [...new Set(taggrams.flatMap(({ model }) => model.tags.map((tag) => tag.name)))];
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [["file", "model", "start_seconds", ...names]];
  for (const taggram of taggrams) {
    const line = (start, values) => {
      const scores = named(taggram, rounded(values));
      lines.push([file, taggram.model.name, start, ...names.map((name) => scores[name] ?? "")]);
    };
    line("song", taggram.means);
    taggram.rows.forEach((row, i) => line(taggram.time(i).toFixed(3), row));
  }
  return lines.map((line) => line.map((cell) => quoted(String(cell))).join(",")).join("\r\n") + "\r\n";
}

/** The taggrams one below the other, with names and scores: a canvas. */
export function picture(file, taggrams, count, { theme, ink, paper }) {
  const heights = taggrams.map((taggram) => 34 + taggram.top(count).length * ROW + AXIS + MARGIN);
  const canvas = document.createElement("canvas");
  canvas.width = 2 * WIDTH;
  canvas.height = 2 * (34 + heights.reduce((sum, height) => sum + height, 0));
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.fillStyle = paper;
  context.fillRect(0, 0, WIDTH, canvas.height);
  const write = (text, x, y, font) => {
    context.fillStyle = ink;
    context.font = `${font} system-ui, sans-serif`;
    context.textBaseline = "middle";
    context.fillText(text, x, y, WIDTH - x - MARGIN);
  };
  write(file, MARGIN, 20, "bold 16px");
  let y = 34;
  taggrams.forEach((taggram, i) => {
    write(taggram.model.title, MARGIN, y + 16, "14px");
    const tags = taggram.top(count);
    const means = taggram.means;
    tags.forEach((tag, row) => {
      write(taggram.model.tags[tag].name, MARGIN, y + 34 + (row + 0.5) * ROW, "14px");
      write(means[tag].toFixed(2), WIDTH - 44, y + 34 + (row + 0.5) * ROW, "14px");
    });
    context.save();
    context.translate(LABELS, y + 34);
    paint(context, taggram, tags, { theme, ink, width: WIDTH - LABELS - 56 });
    context.restore();
    y += heights[i];
  });
  return canvas;
}

/** Offer a file for download. */
export function offer(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** A name for a file of results. */
export const resultName = (file, kind) => `${file.replace(/\.[^.]{1,5}$/, "").replace(/[^\p{L}\p{N}._ -]/gu, "_") || "song"}-tags.${kind}`;

