// A picture of numbers with axes: time to the right, frequency or place upwards. Its point can be chosen by mouse and finger.

import { make } from "./elements.js";
import { ticks } from "./ticks.js";

// points of matplotlib's maps, joined by straight lines
export const MAGMA = [[0, 0, 4], [34, 17, 80], [95, 24, 127], [152, 45, 128], [211, 67, 110], [248, 118, 92], [254, 186, 128], [252, 253, 191]];
export const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
export const BALANCE = [[33, 102, 172], [146, 197, 222], [247, 247, 247], [244, 165, 130], [178, 24, 43]];

function table(map) {
  return Uint8ClampedArray.from({ length: 256 * 3 }, (_, i) => {
    const x = (Math.floor(i / 3) / 255) * (map.length - 1);
    const k = Math.min(Math.floor(x), map.length - 2);
    return map[k][i % 3] + (x - k) * (map[k + 1][i % 3] - map[k][i % 3]);
  });
}

/**
 * Paint a matrix on a canvas, first row at the bottom.
 * @param {(row: number, column: number) => number} value
 */
export function paint(canvas, rows, columns, value, map, low, high) {
  canvas.width = columns;
  canvas.height = rows;
  const colours = table(map);
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const x = (value(row, column) - low) / (high - low || 1);
      const colour = 3 * Math.round(255 * Math.min(1, Math.max(0, x)));
      const pixel = 4 * ((rows - 1 - row) * columns + column);
      for (let part = 0; part < 3; part++) image.data[pixel + part] = colours[colour + part];
      image.data[pixel + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

export class Picture {
  /**
   * @param {string} caption
   * @param {string} upwards what the axis on the left counts
   * @param {Element[]} marks drawn over the picture
   */
  constructor(caption, upwards, ...marks) {
    this.canvas = make("canvas");
    this.canvas.setAttribute("role", "img");
    this.cursor = make("div", { className: "picture-cursor", hidden: true });
    this.frame = make("div", { className: "picture-frame" }, this.canvas, ...marks, this.cursor);
    this.left = make("div", { className: "picture-left" });
    this.below = make("div", { className: "picture-below" });
    this.caption = make("figcaption", { textContent: caption });
    const title = (text, className) => make("span", { textContent: text, className });
    const body = make("div", { className: "picture-body" }, title(upwards, "picture-up"), this.left, this.frame, this.below, title("time (s)", "picture-right"));
    // the accessible name of the canvas says what the axes say
    for (const axis of [...body.children]) if (axis !== this.frame) axis.setAttribute("aria-hidden", "true");
    this.root = make("figure", { className: "picture" }, this.caption, body);
  }

  /** Marks of the axis on the left: {place (0 below, 1 above), text}; those too near to the one before are left out. */
  set upwards(marks) {
    let last = -1;
    const spans = [];
    for (const { place, text } of marks) {
      if (place - last < 0.09 || place < 0 || place > 1) continue;
      last = place;
      const span = make("span", { textContent: text });
      span.style.bottom = `${100 * place}%`;
      spans.push(span);
    }
    this.left.replaceChildren(...spans);
  }

  /** Length of the picture, from `start` on. */
  time(seconds, start = 0) {
    const marks = ticks(seconds, 6).map((second) => {
      const span = make("span", { textContent: `${Number((start + second).toFixed(1))}` });
      span.style.left = `${(100 * second) / (seconds || 1)}%`;
      return span;
    });
    this.below.replaceChildren(...marks);
  }

  /** Put the cursor at a part of the width; null hides it. */
  follow(part) {
    this.cursor.hidden = part === null;
    if (part !== null) this.cursor.style.left = `${100 * Math.min(1, Math.max(0, part))}%`;
  }

  /**
   * Call with the point (across, up), each from 0 to 1, that is clicked, tapped or dragged over. A finger that moves up or down
   * scrolls the page.
   */
  onPoint(choose) {
    const point = (event) => {
      const { left, top, width, height } = this.canvas.getBoundingClientRect();
      const within = (x) => Math.min(1, Math.max(0, x));
      choose(within((event.clientX - left) / width), within(1 - (event.clientY - top) / height));
    };
    this.canvas.classList.add("picture-choose");
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0) this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => event.buttons & 1 && point(event));
    this.canvas.addEventListener("click", point);
  }
}
