// Move a filter over a spectrogram and watch its feature map, by eye and by ear. Mounts on <div class="filter-explorer"
// data-source="ID" data-sound="NAME" data-start="SECONDS">: ID names a <script type="application/json"> that the notebook wrote, NAME
// an example sound of which the spectrogram shows a part. The content of the div is the fallback without scripts.

import { answerMap, logMel } from "./filter_map.js";
import { decode } from "./listen/decode.js";
import { choice, control, make, whenNear } from "./shared/elements.js";
import { BALANCE, MAGMA, Picture, VIRIDIS, paint } from "./shared/picture.js";
import { SoundPlayer } from "./shared/sound_player.js";
import { hertz, octaves } from "./shared/ticks.js";

const percent = (part, whole) => `${(100 * part) / whole}%`;

class FilterExplorer {
  constructor(root, data) {
    this.data = data;
    this.mel = logMel(data);
    this.maps = new Map();
    this.build(root);
    paint(this.sound.canvas, data.bands, data.frames, (band, frame) => this.mel[band * data.frames + frame], MAGMA, 0, data.top);
    this.sound.canvas.setAttribute("aria-label", `Log-mel spectrogram, ${data.bands} bands, ${this.seconds.toFixed(1)} s`);
    this.sound.upwards = octaves(data.hertz);
    this.choose();
    if (root.dataset.sound) this.load(root.dataset.sound, Number(root.dataset.start ?? 0)).catch((error) => this.mute(error));
  }

  get seconds() {
    return this.data.frames * this.data.seconds;
  }

  get filter() {
    return this.data.filters[this.select.value];
  }

  build(root) {
    this.select = choice(this.data.filters.map(({ title }, index) => [String(index), title]), "0");
    this.time = make("input", { type: "range", min: 0, step: 1, value: 0 });
    this.height = make("input", { type: "range", min: 0, step: 1 });
    this.timeText = make("output");
    this.heightText = make("output");
    this.jump = make("button", { type: "button", textContent: "Go to its strongest answer in this frame" });
    this.box = make("div", { className: "filter-box" });
    this.mark = make("div", { className: "filter-mark" });
    this.best = make("div", { className: "filter-best" });
    this.sound = new Picture("Log-mel spectrogram; the frame is the filter", "frequency", this.box);
    this.map = new Picture("Answers of the filter: ○ where it is, ◇ its strongest in this frame", "lower edge of the filter", this.mark, this.best);
    this.weights = make("canvas");
    this.weights.setAttribute("role", "img");
    this.player = new SoundPlayer("The sound of this spectrogram", (seconds) => this.follow(seconds));
    this.player.root.hidden = true;
    this.status = make("p");
    this.status.setAttribute("role", "status");
    this.size = make("p", { className: "explorer-note" });
    const rows = [
      control("filter", this.select),
      control("time", this.time, this.timeText),
      control("frequency", this.height, this.heightText),
      make("p", { className: "filter-jump" }, this.jump),
    ];
    const legend = make("legend", { textContent: "Move a filter over a spectrogram" });
    const shape = make(
      "figure",
      { className: "filter-weights" },
      make("figcaption", { textContent: "Its weights: red adds, blue subtracts" }),
      this.weights,
      this.size,
    );
    root.replaceChildren(
      make("fieldset", {}, legend, make("div", { className: "explorer-controls" }, ...rows)),
      make("div", { className: "filter-pictures" }, make("div", {}, this.sound.root, this.player.root, this.map.root), shape),
      this.status,
    );
    this.select.addEventListener("input", () => this.choose());
    for (const input of [this.time, this.height]) input.addEventListener("input", () => this.show());
    this.jump.addEventListener("click", () => {
      this.height.value = this.current.strongest[this.time.value];
      this.show();
    });
    this.sound.onPoint((across, up) => this.move(across, Math.round(up * this.data.bands - this.filter.bands / 2 + this.filter.padding[0])));
    this.map.onPoint((across, up) => this.move(across, Math.floor(up * this.current.places)));
  }

  async load(name, start) {
    const response = await fetch(new URL(`sounds/${name}.mp3`, import.meta.url));
    if (!response.ok) throw new Error(`the sound is missing on this server (${response.status})`);
    const { samples, rate } = await decode(await response.blob());
    const begin = Math.round(start * rate);
    const part = samples.slice(begin, begin + Math.round(this.seconds * rate));
    this.player.set({ samples: part, rate }, "The sound of this spectrogram");
    this.player.root.hidden = false;
  }

  mute(error) {
    console.warn("filter explorer:", error.message);
  }

  /** Move the filter to a part of the width, and to a place. */
  move(across, place) {
    this.time.value = Math.floor(across * this.current.frames);
    this.height.value = place;
    if (!this.player.root.hidden) this.player.time = this.time.value * this.data.seconds;
    this.show();
  }

  /** The filter goes with the sound. */
  follow(seconds) {
    const { paused } = this.player.audio;
    for (const picture of [this.sound, this.map]) picture.follow(paused ? null : seconds / this.seconds);
    if (paused) return;
    const frame = Math.min(this.current.frames - 1, Math.floor(seconds / this.data.seconds));
    if (Number(this.time.value) === frame) return;
    this.time.value = frame;
    this.show();
  }

  choose() {
    const key = this.select.value;
    if (!this.maps.has(key)) this.maps.set(key, answerMap(this.mel, this.data.bands, this.data.frames, this.filter));
    this.current = this.maps.get(key);
    const { answers, places, frames, strongest } = this.current;
    let low = Infinity;
    let high = -Infinity;
    let peak = 0;
    answers.forEach((value, i) => {
      if (value > high) [high, peak] = [value, i];
      if (value < low) low = value;
    });
    this.range = { low, high };
    const { weights, bands, frames: length, title, padding } = this.filter;
    paint(this.map.canvas, places, frames, (place, frame) => answers[place * frames + frame], VIRIDIS, low, high);
    this.map.canvas.setAttribute("aria-label", `Answers of the filter ${title} at ${places} places in frequency and ${frames} frames`);
    this.map.upwards = octaves(Array.from({ length: places }, (_, place) => this.hertz(place - padding[0])));
    for (const picture of [this.sound, this.map]) picture.time(this.seconds);
    const reach = Math.max(...weights.map(Math.abs));
    paint(this.weights, bands, length, (band, frame) => weights[band * length + frame], BALANCE, -reach, reach);
    this.weights.style.aspectRatio = `${Math.max(length, 12)} / ${Math.max(bands, 12)}`;
    this.weights.setAttribute("aria-label", `Weights of the filter: ${title}`);
    this.size.textContent = `${bands} ${bands > 1 ? "bands" : "band"} high, ${(1000 * length * this.data.seconds).toFixed(0)} ms long`;
    this.time.max = frames - 1;
    this.height.max = places - 1;
    this.time.value = peak % frames;
    this.height.value = strongest[this.time.value];
    this.show();
  }

  hertz(band) {
    return this.data.hertz[Math.min(Math.max(band, 0), this.data.bands - 1)];
  }

  /** An answer as a part of the way from the smallest to the largest one of this filter: it has no unit of its own. */
  part(answer) {
    const { low, high } = this.range;
    return `${Math.round((100 * (answer - low)) / (high - low || 1))} %`;
  }

  show() {
    const { answers, places, frames, strongest } = this.current;
    const { bands, frames: length, padding } = this.filter;
    const frame = Number(this.time.value);
    const place = Number(this.height.value);
    Object.assign(this.box.style, {
      left: percent(frame - padding[2], this.data.frames),
      width: percent(length, this.data.frames),
      bottom: percent(place - padding[0], this.data.bands),
      height: percent(bands, this.data.bands),
    });
    const mark = (box, at) => Object.assign(box.style, { left: percent(frame + 0.5, frames), bottom: percent(at + 0.5, places) });
    mark(this.mark, place);
    mark(this.best, strongest[frame]);
    const second = `${(frame * this.data.seconds).toFixed(2)} s`;
    const [low, high] = [place - padding[0], place - padding[0] + bands - 1].map((band) => hertz(this.hertz(band)));
    const span = bands > 1 ? `${low} to ${high}` : low;
    this.timeText.textContent = second;
    this.heightText.textContent = span;
    this.time.setAttribute("aria-valuetext", second);
    this.height.setAttribute("aria-valuetext", span);
    const answer = answers[place * frames + frame];
    const largest = answers[strongest[frame] * frames + frame];
    const resting = (value) => Math.abs(value - this.filter.offset) < 1e-6; // where the ReLU gave zero
    const end = this.filter.kept
      ? "The front-end passes on this one number for the frame."
      : "This front-end passes on the answers at every place.";
    const here = resting(answer) ? "is silent here (its ReLU gives 0)" : `answers with ${this.part(answer)} of its range over this excerpt`;
    this.status.textContent = resting(largest)
      ? `At ${second} the filter is silent at every place (its ReLU gives 0).`
      : `At ${second} and ${span} the filter ${here}. Its strongest answer in this frame is ${this.part(largest)}, ` +
        `from ${hertz(this.hertz(strongest[frame] - padding[0]))} up. ${end}`;
  }
}

document.head.append(make("link", { rel: "stylesheet", href: new URL("filter_explorer.css", import.meta.url) }));
for (const root of document.querySelectorAll(".filter-explorer")) {
  const source = document.getElementById(root.dataset.source);
  whenNear(root, () => (root.explorer = new FilterExplorer(root, JSON.parse(source.textContent))));
}
