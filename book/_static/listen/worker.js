// Scores of one segment at a time, computed beside the page.
// In: {id, kind: "load", runtime, wasm, model, description} or {id, kind: "score", start, samples, offset, length, rate}.
// Out: {id, scores} or {id, error}.

import { Resampler } from "./resample.js";
import { sigmoid } from "./segments.js";

let ort;
let session;
let description;

async function load({ runtime, wasm, model, description: described }) {
  ort = await import(runtime);
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.numThreads = 1; // threads need headers that plain servers do not send: the page has several workers instead
  ort.env.logLevel = "error";
  session = await ort.InferenceSession.create(new Uint8Array(model), { executionProviders: ["wasm"], logSeverityLevel: 4 });
  description = described;
}

/** `samples` is the part of a song from `offset` on that the segment from `start` on (at the model's rate) is made of. */
async function score({ start, samples, offset, length, rate }) {
  const { segmentSamples, sampleRate } = description;
  const sound = new Resampler(samples, rate, sampleRate, { offset, total: length });
  const segment = new ort.Tensor("float32", sound.read(start, segmentSamples), [1, segmentSamples]);
  const { logits } = await session.run({ waveform: segment }, ["logits"]);
  const scores = Float32Array.from(logits.data, sigmoid);
  if (!scores.every(Number.isFinite)) throw new Error("the model's scores are not numbers");
  return scores;
}

const TASKS = { load, score };

self.addEventListener("message", async ({ data }) => {
  try {
    postMessage({ id: data.id, scores: await TASKS[data.kind](data) });
  } catch (error) {
    postMessage({ id: data.id, error: error.message ?? String(error) });
  }
});
