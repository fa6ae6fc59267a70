// Spectrograms and their inversion, computed beside the page.
// In: {id, kind: "mel", samples, spec} or {id, kind: "invert", values, frames, spec, length}. Out: {id, ...result}.

import { griffinLim, magnitudes } from "./inversion.js";
import { logMel } from "./mel.js";

const PASSES = 60;
const PATIENCE = 4000; // ms: extreme settings end with fewer passes

function invert({ values, frames, spec, length }) {
  const began = performance.now();
  const magnitude = magnitudes(values, frames, spec);
  const { windowLength, hop } = spec;
  return griffinLim(magnitude, frames, { windowLength, hop, length }, PASSES, () => performance.now() - began < PATIENCE);
}

const TASKS = { mel: ({ samples, spec }) => logMel(samples, spec), invert };

self.addEventListener("message", ({ data }) => postMessage({ id: data.id, ...TASKS[data.kind](data) }));
