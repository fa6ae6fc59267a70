// The result of one model on the page: its tags by rank, each a button beside its row of the taggram.

import { look, make } from "../shared/elements.js";
import { clock } from "../shared/ticks.js";
import { ROW, draw } from "./taggram.js";

export const SHOWN = 12; // tags

export class Panel {
  /**
   * @param {Taggram} taggram
   * @param {HTMLAudioElement} audio the song
   * @param {(text: string) => void} say tells a screen reader
   */
  constructor(taggram, audio, say) {
    this.taggram = taggram;
    this.audio = audio;
    this.say = say;
    this.threshold = null; // the model's own, tag by tag, where it has them
    this.list = make("ol", { className: "listen-tags" });
    this.canvas = make("canvas");
    this.canvas.setAttribute("role", "img");
    this.cursor = make("div", { className: "listen-cursor", hidden: true });
    this.frame = make("div", { className: "listen-frame" }, this.canvas, this.cursor);
    this.scores = make("div", { className: "listen-scores" });
    this.scores.setAttribute("aria-hidden", "true"); // the buttons' names contain them
    this.which = make("span", { className: "listen-which", textContent: "mean" });
    this.buttons = Array.from({ length: Math.min(SHOWN, this.classes) }, () => this.button());
    this.list.append(...this.buttons.map((button) => make("li", {}, button)));
    this.frame.addEventListener("click", (event) => {
      const { left, width } = this.frame.getBoundingClientRect();
      audio.currentTime = ((event.clientX - left) / width) * taggram.seconds;
    });
    const { title, about } = taggram.model;
    this.root = make(
      "section",
      { className: "listen-panel", label: title },
      make("h3", { textContent: title }),
      make("p", { className: "listen-about", textContent: about }),
      make("div", { className: "listen-grid" }, this.list, this.frame, this.scores),
    );
    this.root.style.setProperty("--rows", this.buttons.length);
    this.root.style.setProperty("--row", `${ROW}px`);
  }

  get classes() {
    return this.taggram.model.tags.filter((tag) => tag.kind === "classification").length;
  }

  button() {
    const button = make("button", { type: "button" });
    button.addEventListener("click", () => this.play(button.tag));
    return button;
  }

  /** Play from where a tag is strongest. */
  play(tag) {
    if (tag === undefined) return;
    const segment = this.taggram.strongest(tag);
    const time = this.taggram.time(segment);
    const score = this.taggram.rows[segment][tag].toFixed(2);
    this.audio.currentTime = time;
    this.audio.play().catch(() => undefined); // a browser may refuse until its own control is used
    this.say(`${this.taggram.model.tags[tag].name} is strongest at ${clock(time)}, with ${score}.`);
  }

  /** Show what is known by now. */
  show() {
    const { taggram } = this;
    if (!taggram.scored) return;
    const means = taggram.means;
    this.tags = taggram.top(this.buttons.length);
    const numbers = this.tags.map((tag, row) => {
      const { name } = taggram.model.tags[tag];
      const limit = this.threshold ?? taggram.model.thresholds[name];
      const present = limit !== undefined && means[tag] >= limit;
      const button = this.buttons[row];
      button.tag = tag;
      button.textContent = name;
      button.title = "Play from where it is strongest";
      button.classList.toggle("present", present);
      button.setAttribute("aria-label", `${name}, ${means[tag].toFixed(2)}${present ? ", present" : ""}: play where it is strongest`);
      return make("span", { textContent: means[tag].toFixed(2), className: present ? "present" : "" });
    });
    this.scores.replaceChildren(...numbers, this.which);
    const best = this.tags.slice(0, 3).map((tag) => `${taggram.model.tags[tag].name} ${means[tag].toFixed(2)}`);
    this.canvas.setAttribute("aria-label", `Taggram of ${taggram.scored} segments. Highest on average: ${best.join(", ")}.`);
    draw(this.canvas, taggram, this.tags, look());
  }

  /** Move the cursor to a time of the song, and show the scores there; null is the song as a whole. */
  follow(seconds) {
    const { taggram } = this;
    this.cursor.hidden = seconds === null;
    this.which.textContent = seconds === null ? "mean" : "now";
    if (!this.tags) return;
    if (seconds !== null) this.cursor.style.left = `${100 * Math.min(1, seconds / (taggram.seconds || 1))}%`;
    const scores = (seconds !== null && taggram.rows[taggram.segmentAt(seconds)]) || taggram.means;
    this.tags.forEach((tag, row) => (this.scores.children[row].textContent = scores[tag].toFixed(2)));
  }
}
