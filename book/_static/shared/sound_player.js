// The browser's own player, with seeking, for sounds that a page computes.

import { wav } from "../listen/sound.js";
import { make } from "./elements.js";

export class SoundPlayer {
  /** @param {(seconds: number) => void} follow called while the sound plays, and when it is moved */
  constructor(label, follow) {
    this.audio = make("audio", { controls: true, preload: "auto", label });
    this.root = this.audio;
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    const move = () => {
      follow(this.audio.currentTime);
      if (!this.audio.paused && !calm.matches) requestAnimationFrame(move);
    };
    for (const event of ["play", "pause", "seeked", "timeupdate"]) this.audio.addEventListener(event, move);
  }

  /** Change the sound, and go on where the other one was. */
  set({ samples, rate }, label) {
    const { currentTime, paused, src } = this.audio;
    this.audio.src = URL.createObjectURL(wav(samples, rate));
    if (src) URL.revokeObjectURL(src);
    this.audio.setAttribute("aria-label", label);
    if (currentTime < samples.length / rate) this.audio.currentTime = currentTime;
    if (!paused) this.audio.play().catch(() => undefined); // the browser may want a click first
  }

  set time(seconds) {
    this.audio.currentTime = seconds;
  }

  /** Forget the sound. */
  clear() {
    this.audio.pause();
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.audio.removeAttribute("src");
    this.audio.load();
  }
}
