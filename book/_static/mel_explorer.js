// What a model gets to hear: a log-mel spectrogram of an example sound, made anew whenever a control is moved.
// Mounts on every <div class="mel-explorer" data-sounds="name,name,...">; its content is the fallback without scripts.

import { COMPRESSIONS, bandEdges, decimate, logMel } from "./mel.js";

const DECODED = 48000; // decoded at this rate, then decimated here: browsers' own resamplers differ
const SECONDS = 6;
const RATES = { 8000: 6, 16000: 3, 48000: 1 };
// eight points of matplotlib's magma, joined by straight lines
const MAGMA = [[0, 0, 4], [34, 17, 80], [95, 24, 127], [152, 45, 128], [211, 67, 110], [248, 118, 92], [254, 186, 128], [252, 253, 191]];

const COLOURS = Uint8ClampedArray.from({ length: 256 * 3 }, (_, i) => {
  const x = (Math.floor(i / 3) / 255) * (MAGMA.length - 1);
  const k = Math.min(Math.floor(x), MAGMA.length - 2);
  return MAGMA[k][i % 3] + (x - k) * (MAGMA[k + 1][i % 3] - MAGMA[k][i % 3]);
});

let nextId = 0;

/** A labelled control; the label is part of the page's text, so it is read out and can be clicked. */
function control(text, input, output) {
  const row = document.createElement("div");
  row.className = "mel-control";
  const label = document.createElement("label");
  input.id = `mel-explorer-${nextId++}`;
  label.htmlFor = input.id;
  label.textContent = text;
  row.append(label, input);
  if (output) row.append(output);
  return row;
}

function choice(options, chosen) {
  const select = document.createElement("select");
  for (const [value, text] of options) select.add(new Option(text, value, false, value === chosen));
  return select;
}

/** A slider over a list of values: arrow keys step through the list, and the value itself is what is announced. */
function slider(values, chosen, unit) {
  const input = document.createElement("input");
  input.type = "range";
  input.min = 0;
  input.max = values.length - 1;
  input.value = values.indexOf(chosen);
  const output = document.createElement("output");
  const show = () => {
    output.textContent = `${values[input.value]} ${unit}`;
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", show);
  show();
  return { input, output, get value() { return values[input.value]; } };
}

class Explorer {
  constructor(root) {
    this.root = root;
    this.decoded = new Map();
    this.names = root.dataset.sounds.split(",");
    this.build();
  }

  build() {
    this.sound = choice(this.names.map((name) => [name, name]), this.names.at(-1));
    this.rate = choice(Object.keys(RATES).map((rate) => [rate, `${rate} Hz`]), "16000");
    this.window = slider([64, 128, 256, 512, 1024, 2048, 4096], 512, "samples");
    this.hop = slider([64, 128, 256, 512, 1024, 2048], 256, "samples");
    this.bands = slider([8, 16, 24, 48, 96, 128, 192, 256], 96, "bands");
    this.compression = choice(Object.keys(COMPRESSIONS).map((name) => [name, name]), "log10(1+10000x)");
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.textContent = "Play";
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.axis = document.createElement("div");
    this.axis.className = "mel-axis";
    this.axis.setAttribute("aria-hidden", "true");
    this.cursor = document.createElement("div");
    this.cursor.className = "mel-cursor";
    this.status = document.createElement("p");
    this.status.setAttribute("role", "status");

    const controls = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = "What the model gets to hear";
    const grid = document.createElement("div");
    grid.append(
      control("sound", this.sound),
      control("sample rate", this.rate),
      control("window", this.window.input, this.window.output),
      control("hop", this.hop.input, this.hop.output),
      control("mel bands", this.bands.input, this.bands.output),
      control("compression", this.compression),
      this.button,
    );
    controls.append(legend, grid);
    const picture = document.createElement("div");
    picture.className = "mel-picture";
    const frame = document.createElement("div");
    frame.className = "mel-frame";
    frame.append(this.canvas, this.cursor);
    picture.append(this.axis, frame);
    this.root.replaceChildren(controls, picture, this.status);

    for (const element of [this.window.input, this.hop.input, this.bands.input, this.compression]) {
      element.addEventListener("input", () => this.draw());
    }
    for (const element of [this.sound, this.rate]) {
      element.addEventListener("input", () => {
        this.stop();
        this.draw();
      });
    }
    this.button.addEventListener("click", () => (this.source ? this.stop() : this.play()));
  }

  /** The first seconds of the chosen sound at the chosen rate, one channel. */
  async samples() {
    const key = this.sound.value;
    if (!this.decoded.has(key)) {
      const url = new URL(`sounds/${key}.mp3`, import.meta.url);
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url.pathname}: ${response.status}`);
      const audio = await new OfflineAudioContext(1, 1, DECODED).decodeAudioData(await response.arrayBuffer());
      const mono = new Float32Array(Math.min(audio.length, SECONDS * DECODED));
      for (let c = 0; c < audio.numberOfChannels; c++) {
        const channel = audio.getChannelData(c);
        for (let i = 0; i < mono.length; i++) mono[i] += channel[i] / audio.numberOfChannels;
      }
      this.decoded.set(key, mono);
    }
    return decimate(this.decoded.get(key), RATES[this.rate.value]);
  }

  async draw() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const sampleRate = Number(this.rate.value);
    const samples = await this.samples();
    if (turn !== this.turn) return; // a control was moved meanwhile
    this.current = { samples, sampleRate };
    const spec = {
      sampleRate,
      windowLength: this.window.value,
      hop: this.hop.value,
      bands: this.bands.value,
      compression: this.compression.value,
    };
    const mel = logMel(samples, spec);
    this.paint(mel);
    this.label(spec);
    this.describe(mel, spec, samples.length / sampleRate);
  }

  paint({ values, frames, bands }) {
    this.canvas.width = frames;
    this.canvas.height = bands;
    let low = Infinity;
    let high = -Infinity;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (this.compression.value === "dB") low = Math.max(low, high - 80);
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(frames, bands);
    for (let frame = 0; frame < frames; frame++) {
      for (let band = 0; band < bands; band++) {
        const x = Math.max(0, (values[frame * bands + band] - low) / (high - low || 1));
        const pixel = 4 * ((bands - 1 - band) * frames + frame);
        const colour = 3 * Math.round(255 * x);
        image.data.set([COLOURS[colour], COLOURS[colour + 1], COLOURS[colour + 2], 255], pixel);
      }
    }
    context.putImageData(image, 0, 0);
  }

  /** Frequencies beside the picture, at the height of the band that peaks there. */
  label({ bands, sampleRate }) {
    const edges = bandEdges(bands, sampleRate);
    this.axis.replaceChildren();
    let last = Infinity;
    for (const hertz of [16000, 8000, 4000, 2000, 1000, 500, 250]) {
      let band = 0;
      while (band < bands && edges[band + 1] < hertz) band++;
      if (band === 0 || band >= bands) continue;
      const place = (band - (edges[band + 1] - hertz) / (edges[band + 1] - edges[band]) + 0.5) / bands;
      if (last - place < 0.09) continue;
      last = place;
      const tick = document.createElement("span");
      tick.textContent = hertz >= 1000 ? `${hertz / 1000} kHz` : `${hertz} Hz`;
      tick.style.bottom = `${100 * place}%`;
      this.axis.append(tick);
    }
  }

  describe({ frames, bands, empty }, { sampleRate, windowLength, hop }, seconds) {
    const milliseconds = (n) => `${((1000 * n) / sampleRate).toFixed(1)} ms`;
    const perSecond = Math.round((frames * bands) / seconds);
    const parts = [
      `${seconds.toFixed(1)} s become ${frames} frames of ${bands} bands: ${perSecond} values a second instead of ${sampleRate} samples.`,
      `A window hears ${milliseconds(windowLength)}, a new frame comes every ${milliseconds(hop)}.`,
    ];
    if (hop > windowLength) parts.push("The hop is longer than the window: some samples are in no frame at all.");
    if (empty) parts.push(`${empty} bands hear nothing: they are narrower than the distance between two frequency bins.`);
    this.status.textContent = parts.join(" ");
    this.canvas.setAttribute("aria-label", `Log-mel spectrogram of ${this.sound.value}: ${frames} frames, ${bands} bands up to ${sampleRate / 2} Hz`);
  }

  async play() {
    this.context ??= new AudioContext();
    await this.context.resume();
    const { samples, sampleRate } = this.current;
    const buffer = this.context.createBuffer(1, samples.length, sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = (this.source = this.context.createBufferSource());
    source.buffer = buffer;
    source.connect(this.context.destination);
    const start = this.context.currentTime;
    source.onended = () => source === this.source && this.stop();
    source.start();
    this.button.textContent = "Stop";
    const move = () => {
      if (source !== this.source) return;
      this.cursor.style.left = `${(100 * (this.context.currentTime - start)) / buffer.duration}%`;
      requestAnimationFrame(move);
    };
    this.cursor.hidden = false;
    move();
  }

  stop() {
    const source = this.source;
    this.source = null;
    source?.stop();
    this.button.textContent = "Play";
    this.cursor.hidden = true;
  }
}

for (const root of document.querySelectorAll(".mel-explorer")) {
  const fallback = [...root.childNodes];
  const explorer = new Explorer(root);
  explorer.cursor.hidden = true;
  explorer.draw().catch((error) => {
    root.replaceChildren(...fallback);
    console.error("mel explorer:", error);
  });
}
