// Move a filter over a spectrogram and watch its feature map. Mounts on <div class="filter-explorer" data-source="ID">, where
// ID names a <script type="application/json"> that the notebook wrote; the content of the div is the fallback without scripts.

import { answerMap, logMel } from "./filter_map.js";

// five points each of matplotlib's magma and viridis, joined by straight lines
const SOUND = [[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]];
const ANSWER = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const BALANCE = [[33, 102, 172], [146, 197, 222], [247, 247, 247], [244, 165, 130], [178, 24, 43]];

function colour(map, x) {
  const at = Math.min(Math.max(x, 0), 1) * (map.length - 1);
  const k = Math.min(Math.floor(at), map.length - 2);
  return map[k].map((low, i) => low + (at - k) * (map[k + 1][i] - low));
}

/** Paint [rows x columns] values, first row at the bottom. */
function paint(canvas, values, rows, columns, map, low, high) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const rgb = colour(map, (values[row * columns + column] - low) / (high - low || 1));
      image.data.set([...rgb, 255], 4 * ((rows - 1 - row) * columns + column));
    }
  }
  context.putImageData(image, 0, 0);
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

class FilterExplorer {
  constructor(root, data, id) {
    this.data = data;
    this.mel = logMel(data);
    this.maps = new Map();
    this.select = element("select", { id: `${id}-filter` });
    data.filters.forEach((filter, index) => this.select.add(new Option(filter.title, index)));
    this.time = element("input", { type: "range", id: `${id}-time`, min: 0, step: 1 });
    this.height = element("input", { type: "range", id: `${id}-height`, min: 0, step: 1 });
    this.jump = element("button", { type: "button", textContent: "Go to the strongest place in this frame" });
    this.sound = element("canvas", { role: "img" });
    this.map = element("canvas", { role: "img" });
    this.weights = element("canvas", { role: "img" });
    this.box = element("div", { className: "filter-box" });
    this.mark = element("div", { className: "filter-mark" });
    this.best = element("div", { className: "filter-best" });
    this.status = element("p", { role: "status" });
    const row = (text, input) => element("div", { className: "filter-control" }, element("label", { htmlFor: input.id, textContent: text }), input);
    const frame = (caption, canvas, ...marks) =>
      element("figure", {}, element("figcaption", { textContent: caption }), element("div", { className: "filter-frame" }, canvas, ...marks));
    this.mapFigure = frame("its answers at every place and moment", this.map, this.mark, this.best);
    root.replaceChildren(
      element("fieldset", {}, element("legend", { textContent: "Move a filter over a spectrogram" }), row("filter", this.select), row("time", this.time), row("height", this.height), this.jump),
      element("div", { className: "filter-pictures" },
        element("div", {}, frame("log-mel spectrogram, and where the filter is", this.sound, this.box), this.mapFigure),
        frame("the filter: red is more of this, blue is less", this.weights)),
      this.status,
    );
    this.select.addEventListener("input", () => this.choose());
    for (const input of [this.time, this.height]) input.addEventListener("input", () => this.show());
    this.jump.addEventListener("click", () => {
      this.height.value = this.current.strongest[this.time.value];
      this.show();
    });
    // a pointer may drag on either picture; the sliders do the same from the keyboard
    for (const [canvas, inMap] of [[this.sound, false], [this.map, true]]) {
      const follow = (event) => {
        if (!(event.buttons & 1)) return;
        const area = canvas.getBoundingClientRect();
        const across = (event.clientX - area.left) / area.width;
        const up = 1 - (event.clientY - area.top) / area.height;
        const { places, frames } = this.current;
        this.time.value = Math.floor(across * frames);
        this.height.value = inMap ? Math.floor(up * places) : Math.round(up * this.data.bands - this.filter.bands / 2 + this.filter.padding[0]);
        this.show();
      };
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        follow(event);
      });
      canvas.addEventListener("pointermove", follow);
    }
    paint(this.sound, this.mel, data.bands, data.frames, SOUND, 0, data.top);
    this.sound.setAttribute("aria-label", `Log-mel spectrogram, ${data.bands} bands, ${(data.frames * data.seconds).toFixed(1)} s`);
    this.time.value = 0;
    this.choose();
  }

  get filter() {
    return this.data.filters[this.select.value];
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
    paint(this.map, answers, places, frames, ANSWER, low, high);
    this.map.setAttribute("aria-label", `Answers of the filter: ${places} places in frequency, from ${low.toFixed(2)} to ${high.toFixed(2)}`);
    const { weights, bands, frames: length, title } = this.filter;
    const reach = Math.max(...weights.map(Math.abs));
    paint(this.weights, weights, bands, length, BALANCE, -reach, reach);
    this.weights.style.aspectRatio = `${Math.max(length, 12)} / ${Math.max(bands, 12)}`;
    this.weights.setAttribute("aria-label", `Weights of the filter: ${title}`);
    this.time.max = frames - 1;
    this.height.max = places - 1;
    this.time.value = peak % frames;
    this.height.value = strongest[this.time.value];
    this.show();
  }

  show() {
    const { answers, places, frames, strongest } = this.current;
    const { bands, frames: length, padding } = this.filter;
    const frame = Number(this.time.value);
    const place = Number(this.height.value);
    const percent = (part, whole) => `${(100 * part) / whole}%`;
    Object.assign(this.box.style, {
      left: percent(frame - padding[2], this.data.frames),
      width: percent(length, this.data.frames),
      bottom: percent(place - padding[0], this.data.bands),
      height: percent(bands, this.data.bands),
    });
    const mark = (box, at) => Object.assign(box.style, { left: percent(frame + 0.5, frames), bottom: percent(at + 0.5, places) });
    mark(this.mark, place);
    mark(this.best, strongest[frame]);
    const second = (frame * this.data.seconds).toFixed(2);
    const hertz = (band) => this.data.hertz[Math.min(Math.max(band, 0), this.data.bands - 1)];
    const low = hertz(place - padding[0]);
    const high = hertz(place - padding[0] + bands - 1);
    this.time.setAttribute("aria-valuetext", `${second} s`);
    this.height.setAttribute("aria-valuetext", `from band ${place - padding[0]}, ${low} Hz`);
    const answer = answers[place * frames + frame];
    const largest = answers[strongest[frame] * frames + frame];
    const span = bands > 1 ? `${low} to ${high} Hz` : `${low} Hz`;
    const resting = (value) => Math.abs(value - this.filter.offset) < 1e-6; // where the ReLU gave zero
    const end = this.filter.kept
      ? "That one number is all the front-end hands on."
      : "This front-end keeps the answers at every place for its next layer.";
    const here = resting(answer) ? "it does not answer" : `it answers ${answer.toFixed(2)}`;
    this.status.textContent = resting(largest)
      ? `At ${second} s and ${span} it does not answer, nor anywhere else in this frame.`
      : `At ${second} s and ${span} ${here}. The largest answer in this frame is ${largest.toFixed(2)}, ` +
        `from ${hertz(strongest[frame] - padding[0])} Hz up. ${end}`;
  }
}

const style = element("link", { rel: "stylesheet", href: new URL("filter_explorer.css", import.meta.url) });
document.head.append(style);
document.querySelectorAll(".filter-explorer").forEach((root, index) => {
  const source = document.getElementById(root.dataset.source);
  new FilterExplorer(root, JSON.parse(source.textContent), `filter-explorer-${index}`);
});
