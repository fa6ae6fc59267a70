// What a model gets to hear: a log-mel spectrogram of a sound, made anew whenever a control is moved, and the sound that is left
// of it. Mounts on every <div class="mel-explorer" data-sounds="name,name,...">; its content is the fallback without scripts.

import { decode } from "./listen/decode.js";
import { resample } from "./listen/resample.js";
import { COMPRESSIONS, bandEdges } from "./mel.js";
import { choice, control, make, slider, whenNear } from "./shared/elements.js";
import { MAGMA, Picture, paint } from "./shared/picture.js";
import { SoundPlayer } from "./shared/sound_player.js";
import { octaves } from "./shared/ticks.js";

const SECONDS = 6;
const OWN = "own";

class Explorer {
  constructor(root) {
    this.root = root;
    this.decoded = new Map(); // name -> {samples, rate}
    this.turn = 0;
    this.build(root.dataset.sounds.split(","));
    this.worker = new Worker(new URL("mel_worker.js", import.meta.url), { type: "module" });
  }

  build(names) {
    const sounds = [...names.map((name) => [name, name.replaceAll("-", " ")]), [OWN, "your own file"]];
    this.sound = choice(sounds, names.at(-1));
    this.file = make("input", { type: "file", accept: "audio/*,.flac,.opus" });
    this.start = make("input", { type: "range", min: 0, step: 1, value: 0 });
    this.startText = make("output");
    this.rate = choice([8000, 16000, 48000].map((rate) => [String(rate), `${rate} Hz`]), "16000");
    this.window = slider([64, 128, 256, 512, 1024, 2048, 4096], 512, "samples");
    this.hop = slider([64, 128, 256, 512, 1024, 2048], 256, "samples");
    this.bands = slider([8, 16, 24, 48, 96, 128, 192, 256], 96, "bands");
    this.compression = choice(Object.keys(COMPRESSIONS).map((name) => [name, name]), "log10(1+10000x)");
    this.heard = choice([["all", "the sound itself"], ["left", "what is left in the picture"]], "all");
    this.fileRow = control("file", this.file);
    this.startRow = control("from second", this.start, this.startText);
    this.picture = new Picture("Log-mel spectrogram: brighter is louder", "frequency");
    this.player = new SoundPlayer("The sound", (seconds) => this.current && this.picture.follow(seconds / this.current.seconds));
    this.picture.onPoint((across) => (this.player.time = across * this.current.seconds));
    this.status = make("p");
    this.status.setAttribute("role", "status");
    this.listening = make("p", { className: "explorer-note" });
    this.listening.setAttribute("role", "status");
    const rows = [
      control("sound", this.sound),
      this.fileRow,
      this.startRow,
      control("sample rate", this.rate),
      control("window", this.window.input, this.window.output),
      control("hop", this.hop.input, this.hop.output),
      control("mel bands", this.bands.input, this.bands.output),
      control("compression", this.compression),
      control("listen to", this.heard),
    ];
    const legend = make("legend", { textContent: "What the model gets to hear" });
    const controls = make("fieldset", {}, legend, make("div", { className: "explorer-controls" }, ...rows));
    this.root.replaceChildren(controls, this.picture.root, this.player.root, this.listening, this.status);
    const inputs = [this.sound, this.start, this.rate, this.window.input, this.hop.input, this.bands.input, this.compression];
    for (const input of inputs) input.addEventListener("input", () => this.update());
    this.heard.addEventListener("input", () => this.play());
    this.file.addEventListener("change", () => this.update());
    this.rows();
  }

  /** Show the rows that the chosen sound needs. */
  rows() {
    this.fileRow.hidden = this.sound.value !== OWN;
    const sound = this.decoded.get(this.sound.value);
    const latest = sound ? Math.floor(sound.samples.length / sound.rate - SECONDS) : 0;
    this.startRow.hidden = latest < 1;
    this.start.max = Math.max(0, latest);
    this.startText.textContent = `${this.start.value} s`;
    this.start.setAttribute("aria-valuetext", this.startText.textContent);
  }

  /** The chosen sound as the file has it; null where there is none yet. */
  async source() {
    const key = this.sound.value;
    const [file] = this.file.files;
    if (key === OWN && file !== this.own) {
      this.own = file;
      this.decoded.delete(OWN);
      this.start.value = 0;
    }
    if (!this.decoded.has(key)) {
      if (key === OWN && !file) return null;
      this.decoded.set(key, await decode(key === OWN ? file : await example(key)));
    }
    return this.decoded.get(key);
  }

  update() {
    return this.draw().catch((error) => {
      this.status.textContent = error.message;
      this.forget();
    });
  }

  forget() {
    this.current = undefined;
    this.player.clear();
    this.picture.canvas.width = this.picture.canvas.height = 1;
    this.picture.follow(null);
    this.listening.textContent = "";
  }

  async draw() {
    const turn = ++this.turn;
    this.rows();
    const sound = await this.source();
    if (turn !== this.turn) return; // a control was moved meanwhile
    this.rows();
    if (!sound) {
      this.forget();
      this.status.textContent = "Choose a file. It stays on your machine.";
      return;
    }
    const sampleRate = Number(this.rate.value);
    const begin = Number(this.start.value) * sound.rate;
    const samples = resample(sound.samples.subarray(begin, begin + SECONDS * sound.rate), sound.rate, sampleRate);
    const spec = {
      sampleRate,
      windowLength: this.window.value,
      hop: this.hop.value,
      bands: this.bands.value,
      compression: this.compression.value,
    };
    const mel = await this.ask({ kind: "mel", samples, spec });
    if (turn !== this.turn) return;
    this.current = { samples, spec, mel, seconds: samples.length / sampleRate };
    this.show();
    await this.play();
  }

  /** One question at a time: what is no longer asked for is not computed to its end. */
  ask(question) {
    if (this.busy) {
      this.worker.terminate();
      this.worker = new Worker(new URL("mel_worker.js", import.meta.url), { type: "module" });
    }
    this.busy = true;
    return new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }) => {
        this.busy = false;
        resolve(data);
      };
      this.worker.onerror = (event) => {
        this.busy = false;
        reject(new Error(event.message || "the worker could not start"));
      };
      this.worker.postMessage(question);
    });
  }

  show() {
    const { mel, spec, seconds } = this.current;
    const { values, frames, bands, empty } = mel;
    let low = Infinity;
    let high = -Infinity;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (spec.compression === "dB") low = Math.max(low, high - 80);
    paint(this.picture.canvas, bands, frames, (band, frame) => values[frame * bands + band], MAGMA, low, high);
    this.picture.upwards = octaves(bandEdges(bands, spec.sampleRate).subarray(1, -1));
    this.picture.time(seconds, Number(this.start.value));
    this.picture.canvas.setAttribute("aria-label", `Log-mel spectrogram: ${frames} frames, ${bands} bands up to ${spec.sampleRate / 2} Hz`);
    const milliseconds = (n) => `${((1000 * n) / spec.sampleRate).toFixed(1)} ms`;
    const perSecond = Math.round((frames * bands) / seconds);
    const parts = [
      `${seconds.toFixed(1)} s become ${frames} frames of ${bands} bands: ${perSecond} values a second instead of ${spec.sampleRate} samples.`,
      `A window covers ${milliseconds(spec.windowLength)}, and a new frame comes every ${milliseconds(spec.hop)}.`,
    ];
    if (spec.hop > spec.windowLength) parts.push("The hop is longer than the window: some samples are in no frame at all.");
    if (empty) parts.push(`${empty} bands are empty: they are narrower than the distance between two frequency bins.`);
    this.status.textContent = parts.join(" ");
  }

  /** Give the player what is to be heard at the settings of now. */
  async play() {
    if (!this.current) return;
    const { samples, spec, mel } = this.current;
    const rate = spec.sampleRate;
    if (this.heard.value === "all") {
      this.player.set({ samples, rate }, "The sound itself");
      this.listening.textContent = "";
      return;
    }
    const { current } = this;
    this.listening.textContent = "Computing a sound from the picture";
    const question = { kind: "invert", values: mel.values, frames: mel.frames, spec, length: samples.length };
    const { samples: left, passes } = await this.ask(question);
    if (current !== this.current || this.heard.value === "all") return;
    this.player.set({ samples: left, rate }, "What is left in the picture");
    this.listening.textContent = `You hear a sound computed from the picture alone, with its phases guessed in ${passes} passes (Griffin-Lim).`;
  }
}

async function example(name) {
  const url = new URL(`sounds/${name}.mp3`, import.meta.url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.pathname} is missing on this server (${response.status}).`);
  return response.blob();
}

for (const root of document.querySelectorAll(".mel-explorer")) {
  whenNear(root, () => (root.explorer = new Explorer(root)).update());
}
