// Tags of the reader's own music. Mounts on <div class="listen-live" data-examples="name:title,...">; what the div contains is the
// fallback without scripts. Nothing leaves the machine: the song is decoded and scored by this page.

import { look, make } from "../shared/elements.js";
import { clock } from "../shared/ticks.js";
import { MAX_MINUTES, UnreadableFile, decode } from "./decode.js";
import { Engine, workersFor } from "./engine.js";
import { record } from "./microphone.js";
import { Panel, SHOWN } from "./panel.js";
import { csv, json, offer, picture, resultName } from "./save.js";
import { Taggram } from "./taggram.js";

const RECORDED = 60; // seconds
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

class Listen {
  constructor(root, catalogue) {
    this.root = root;
    this.engines = new Map(catalogue.models.map((model) => [model.name, new Engine(model, catalogue.wasmBytes)]));
    this.panels = [];
    this.build();
  }

  build() {
    this.input = make("input", { type: "file", accept: "audio/*,video/*,.flac,.opus", id: "listen-file" });
    const choose = make("label", { htmlFor: "listen-file", className: "listen-button listen-choose", textContent: "Choose a song" });
    this.microphone = make("button", { type: "button", textContent: "Use the microphone" });
    this.examples = this.root.dataset.examples.split(",").map((entry) => {
      const [name, title] = entry.split(":");
      const button = make("button", { type: "button", textContent: title });
      button.addEventListener("click", () => this.example(name, title));
      return button;
    });
    this.drop = make(
      "div",
      { className: "listen-drop" },
      make("p", { className: "listen-lead", textContent: "Drop a song here" }),
      make("p", { className: "listen-row" }, this.input, choose, this.microphone),
      make("p", { className: "listen-row" }, make("span", { textContent: "or an example:" }), ...this.examples),
      make("p", { className: "listen-private", textContent: `Files never leave your machine: the song is analysed by this page. mp3, wav, flac, ogg, m4a; up to ${MAX_MINUTES} minutes.` }),
    );
    this.first = this.choice("listen-first", false);
    this.second = this.choice("listen-second", true);
    const models = make(
      "div",
      { className: "listen-models" },
      make("label", {}, "Model ", this.first),
      make("label", {}, "Compare with ", this.second),
    );
    this.status = make("p", { className: "listen-status" });
    this.status.setAttribute("role", "status");
    this.remarks = make("p", { className: "listen-remarks" });
    this.bar = make("progress", { max: 1, hidden: true, label: "Progress" });
    this.cancel = make("button", { type: "button", textContent: "Cancel", hidden: true });
    this.audio = make("audio", { controls: true, hidden: true, label: "The song" });
    this.threshold = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0.2, id: "listen-threshold" });
    this.limit = make("output", { htmlFor: "listen-threshold" });
    const row = make("label", { className: "listen-threshold" }, "Mark tags that score at least ", this.threshold, this.limit);
    this.saved = ["json", "csv", "png"].map((kind) => {
      const button = make("button", { type: "button", textContent: kind.toUpperCase(), label: `Save as ${kind.toUpperCase()}` });
      button.addEventListener("click", () => this.save(kind));
      return button;
    });
    const saving = make("p", { className: "listen-row" }, make("span", { textContent: "Save as" }), ...this.saved);
    this.results = make("div", { className: "listen-results" });
    this.below = make("div", { hidden: true }, row, saving);
    const working = make("div", { className: "listen-row" }, this.bar, this.cancel);
    this.root.replaceChildren(this.drop, models, this.status, working, this.remarks, this.audio, this.results, this.below);
    this.wire();
  }

  choice(id, optional) {
    const select = make("select", { id });
    if (optional) select.add(new Option("no other", ""));
    for (const { model } of this.engines.values()) select.add(new Option(`${model.title} (${megabytes(model.bytes)} MB)`, model.name));
    select.addEventListener("change", () => this.sound && this.working((signal) => this.analyse(signal)));
    return select;
  }

  wire() {
    this.input.addEventListener("change", () => {
      const [file] = this.input.files;
      this.input.value = ""; // the same file may be chosen again
      if (file) this.open(file, file.name);
    });
    const over = (event) => {
      event.preventDefault();
      this.drop.classList.toggle("over", event.type === "dragover");
    };
    for (const kind of ["dragover", "dragleave", "drop"]) this.drop.addEventListener(kind, over);
    this.drop.addEventListener("drop", ({ dataTransfer }) => {
      const [file] = dataTransfer.files;
      if (file) this.open(file, file.name);
    });
    this.microphone.addEventListener("click", () => (this.recording ? this.recording.abort() : this.listen()));
    this.cancel.addEventListener("click", () => this.stop("Cancelled."));
    const limit = () => {
      this.limit.textContent = Number(this.threshold.value).toFixed(2);
      for (const panel of this.panels) {
        panel.threshold = Number(this.threshold.value);
        panel.show();
      }
    };
    this.threshold.addEventListener("input", limit);
    this.limit.textContent = Number(this.threshold.value).toFixed(2);
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    const follow = () => {
      const time = this.audio.paused && !this.audio.currentTime ? null : this.audio.currentTime;
      for (const panel of this.panels) panel.follow(time);
      if (!this.audio.paused && !calm.matches) requestAnimationFrame(follow);
    };
    for (const kind of ["play", "pause", "seeked", "timeupdate"]) this.audio.addEventListener(kind, follow);
    const redraw = () => this.panels.forEach((panel) => panel.show());
    new ResizeObserver(redraw).observe(this.results);
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  say(text) {
    this.status.textContent = text;
  }

  /** Show how far the work is; null when none is done. */
  progress(part) {
    this.bar.hidden = this.cancel.hidden = part === null;
    if (part !== null) this.bar.value = part;
  }

  /** End what is going on. */
  stop(text) {
    this.work?.abort(new DOMException("cancelled", "AbortError"));
    this.work = undefined;
    this.progress(null);
    if (text) this.say(text);
  }

  /** Do some work that can be cancelled; later work ends it. */
  async working(task) {
    this.stop();
    const work = (this.work = new AbortController());
    try {
      await task(work.signal);
    } catch (error) {
      if (work.signal.aborted) return;
      this.say(error instanceof UnreadableFile ? error.message : `This did not work: ${error.message}.`);
    }
    if (this.work === work) this.stop();
  }

  async example(name, title) {
    await this.working(async (signal) => {
      this.say(`Fetching ${title}`);
      const address = new URL(`../sounds/${name}.mp3`, import.meta.url);
      const response = await fetch(address, { signal });
      if (!response.ok) throw new Error(`${address.pathname} is missing on this server`);
      await this.tag(await response.blob(), `${name}.mp3`, signal);
    });
  }

  async listen() {
    this.stop();
    this.recording = new AbortController();
    this.microphone.textContent = "Stop and analyse";
    try {
      const seen = (seconds) => {
        const text = `Recording, ${Math.floor(seconds)} of ${RECORDED} s`;
        if (text !== this.status.textContent) this.say(text);
      };
      const blob = await record(this.recording.signal, RECORDED, seen);
      await this.open(blob, "microphone.wav");
    } catch (error) {
      const refused = error.name === "NotAllowedError" || error.name === "NotFoundError";
      this.say(refused ? "There is no microphone that this page may use." : `The microphone did not work: ${error.message}.`);
    } finally {
      this.recording = undefined;
      this.microphone.textContent = "Use the microphone";
    }
  }

  open(file, name) {
    return this.working((signal) => this.tag(file, name, signal));
  }

  /** Decode a song and analyse it. */
  async tag(file, name, signal) {
    this.sound = undefined;
    this.clear();
    this.say(`Decoding ${name}`);
    this.progress(0);
    const sound = await decode(file, signal);
    signal.throwIfAborted();
    this.sound = { ...sound, name };
    this.audio.src = URL.createObjectURL(file);
    this.audio.hidden = false;
    this.audio.setAttribute("aria-label", name);
    await this.analyse(signal);
  }

  clear() {
    this.audio.pause();
    URL.revokeObjectURL(this.audio.src);
    this.audio.removeAttribute("src");
    this.audio.hidden = true;
    this.panels = [];
    this.results.replaceChildren();
    this.remarks.textContent = "";
    this.below.hidden = true;
  }

  /** Analyse the song with the chosen models. */
  async analyse(signal) {
    const names = [...new Set([this.first.value, this.second.value].filter(Boolean))];
    for (const [name, engine] of this.engines) if (!names.includes(name)) engine.close();
    const engines = names.map((name) => this.engines.get(name));
    await this.load(engines, signal);
    const began = performance.now();
    this.panels = engines.map(({ model }) => new Panel(new Taggram(model), this.audio, (text) => this.say(text)));
    for (const panel of this.panels) panel.threshold = Number(this.threshold.value);
    this.results.replaceChildren(...this.panels.map((panel) => panel.root));
    await Promise.all(engines.map((engine, i) => this.score(engine, this.panels[i], signal)));
    const length = clock(this.sound.samples.length / this.sound.rate);
    const taken = ((performance.now() - began) / 1000).toFixed(1);
    this.below.hidden = false;
    this.remarks.textContent = this.notes().join(" ");
    this.say(`Analysed ${length} of ${this.sound.name} in ${taken} s. ${this.remarks.textContent}`.trim());
  }

  notes() {
    const short = this.panels.filter(({ taggram }) => taggram.padded);
    const added = short.map(({ taggram }) => `${(taggram.padded / taggram.model.sampleRate).toFixed(1)} s of silence were added: the song is shorter than one segment.`);
    const { rate } = this.sound;
    const needed = Math.max(...this.panels.map(({ taggram }) => taggram.model.sampleRate));
    const low = rate < needed ? [`Sampled at ${rate} Hz: it contains nothing above ${rate / 2} Hz.`] : [];
    return [...this.sound.notes, ...low, ...new Set(added)];
  }

  async load(engines, signal) {
    const parts = engines.map(() => 0);
    const whole = engines.reduce((sum, { bytes }) => sum + bytes, 0);
    await Promise.all(
      engines.map((engine, i) =>
        engine.load(workersFor(engines.length), (received) => {
          parts[i] = received;
          const sum = parts.reduce((a, b) => a + b, 0);
          this.progress(sum / whole);
          if (sum < whole) this.say(`Loading the model: ${megabytes(engines[0].bytes)} MB, once`);
        }, signal),
      ),
    );
  }

  async score(engine, panel, signal) {
    const { taggram } = panel;
    const { samples, rate } = this.sound;
    let waiting = false;
    const show = () => {
      waiting = false;
      panel.show();
    };
    const plan = (song) => {
      taggram.plan(song);
      this.say(`Listening: ${taggram.starts.length} segments`);
    };
    const add = (segment, scores) => {
      taggram.add(segment, scores);
      this.progress(Math.min(...this.panels.map((one) => one.taggram.part)));
      if (!waiting) setTimeout(show, 150);
      waiting = true;
    };
    await engine.analyse(samples, rate, plan, add, signal);
    panel.show();
  }

  save(kind) {
    const { name } = this.sound;
    const taggrams = this.panels.map(({ taggram }) => taggram);
    const target = resultName(name, kind);
    if (kind === "json") offer(new Blob([json(name, taggrams, this.notes())], { type: "application/json" }), target);
    if (kind === "csv") offer(new Blob([csv(name, taggrams)], { type: "text/csv" }), target);
    if (kind === "png") picture(name, taggrams, SHOWN, look()).toBlob((blob) => offer(blob, target));
  }
}

async function mount(root) {
  const response = await fetch(new URL("models/models.json", import.meta.url));
  if (!response.ok) throw new Error("the models are missing: build the book with `make book`");
  const catalogue = await response.json();
  if (catalogue.models.length) root.listen = new Listen(root, catalogue);
  else root.textContent = "This build has no live tagger: npm was missing, or could not fetch it, when the book was built.";
}

for (const root of document.querySelectorAll(".listen-live")) mount(root).catch((error) => console.error("listen:", error));
