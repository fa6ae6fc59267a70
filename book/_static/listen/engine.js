// A model as the page uses it: loads when it is first needed, and scores the segments of a song on several workers.

import { download } from "./download.js";
import { partOf, resampledLength } from "./resample.js";
import { segmentStarts } from "./segments.js";

const RUNTIME = new URL("../vendor/onnxruntime/ort.wasm.bundle.min.mjs", import.meta.url).href;
const WASM = new URL("../vendor/onnxruntime/ort-wasm-simd-threaded.wasm", import.meta.url).href;
const MAX_WORKERS = 4;

let wasm; // the same for all models

/** A worker that answers questions. */
class Helper {
  constructor() {
    this.waiting = new Map();
    this.asked = 0;
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => {
      const { resolve, reject } = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error) reject(new Error(data.error));
      else resolve(data.scores);
    });
    this.worker.addEventListener("error", (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(event.message || "the worker could not start"));
      this.waiting.clear();
    });
  }

  ask(question, transferred = []) {
    const id = this.asked++;
    this.worker.postMessage({ id, ...question }, transferred);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }
}

export class Engine {
  /**
   * @param {object} model entry of models.json
   * @param {number} wasmBytes size of the runtime
   */
  constructor(model, wasmBytes) {
    this.model = model;
    this.wasmBytes = wasmBytes;
    this.helpers = [];
  }

  /** Bytes to fetch: of the runtime and of the model. */
  get bytes() {
    return this.wasmBytes + this.model.bytes;
  }

  /**
   * Fetch the runtime and the model and start the workers, once.
   * @param {number} workers how many, where there are as many cores
   * @param {(received: number) => void} progress bytes so far
   */
  async load(workers, progress, signal) {
    if (this.helpers.length) return progress(this.bytes);
    const received = [0, 0];
    const note = (part) => (count) => {
      received[part] = count;
      progress(received[0] + received[1]);
    };
    const { file, sha256, bytes, segmentSamples, sampleRate } = this.model;
    const address = new URL(`models/${file}?${sha256.slice(0, 16)}`, import.meta.url).href;
    wasm ??= download(WASM, this.wasmBytes, note(0), signal);
    const model = download(address, bytes, note(1), signal);
    const loaded = await Promise.all([wasm, model]).catch((error) => {
      wasm = undefined; // the next attempt begins anew
      throw error;
    });
    progress(this.bytes);
    const order = { kind: "load", runtime: RUNTIME, wasm: loaded[0], model: loaded[1], description: { segmentSamples, sampleRate } };
    const helpers = Array.from({ length: workers }, () => new Helper());
    try {
      await Promise.all(helpers.map((helper) => helper.ask(order)));
      signal.throwIfAborted();
      this.helpers = helpers;
    } finally {
      if (!this.helpers.length) helpers.forEach(({ worker }) => worker.terminate());
    }
  }

  /**
   * Scores of a song.
   * @param {Float32Array} samples one channel
   * @param {number} rate Hz
   * @param {(plan: {starts: number[], padded: number}) => void} plan called first
   * @param {(segment: number, scores: Float32Array) => void} add called for each segment, in any order
   */
  async analyse(samples, rate, plan, add, signal) {
    const { sampleRate, segmentSamples, songPadding } = this.model;
    const length = resampledLength(samples.length, rate, sampleRate);
    if (!length) throw new Error(`the sound is shorter than one sample at ${sampleRate} Hz`);
    const song = segmentStarts(length, this.model);
    plan(song);
    let next = 0;
    const work = async (helper) => {
      while (next < song.starts.length) {
        const segment = next++;
        const start = song.starts[segment] - songPadding;
        const { part, offset } = partOf(samples, rate, sampleRate, start, segmentSamples);
        const question = { kind: "score", start, samples: part, offset, length: samples.length, rate };
        const scores = await helper.ask(question, [part.buffer]);
        signal.throwIfAborted();
        add(segment, scores);
      }
    };
    await Promise.all(this.helpers.map(work));
  }

  /** Free the memory of the workers. */
  close() {
    for (const { worker } of this.helpers) worker.terminate();
    this.helpers = [];
  }
}

/** Workers for each of some models. */
export const workersFor = (models) => Math.max(1, Math.floor(Math.min(MAX_WORKERS, navigator.hardwareConcurrency ?? 1) / models));
