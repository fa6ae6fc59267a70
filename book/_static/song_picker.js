// Choose one of some clips. Mounts on every <div class="song-picker">, whose sections are the songs (tagging.side_by_side);
// without scripts they stand one after another.

/** Another place than the current one, each as likely; `lot` is a number in [0, 1). */
export function another(current, count, lot) {
  return (current + 1 + Math.floor(lot * (count - 1))) % count;
}

/** The segment of a taggram that is heard at a time: the last that has started. */
export function segmentAt(times, seconds) {
  return Math.max(0, times.findLastIndex((time) => time <= seconds + 1e-3));
}

/** Mark the column of a song's taggram that is heard. */
function followSound(song) {
  const [taggram, sound] = [song.querySelector(".song-taggram"), song.querySelector("audio")];
  if (!taggram || !sound) return;
  const times = taggram.dataset.times.split(",").map(Number);
  sound.addEventListener("timeupdate", () => {
    const heard = sound.currentTime ? String(segmentAt(times, sound.currentTime)) : "";
    for (const cell of taggram.querySelectorAll("i")) cell.classList.toggle("heard", cell.dataset.segment === heard);
  });
}

export class SongPicker {
  constructor(root, id) {
    this.songs = [...root.querySelectorAll("section")];
    const titles = this.songs.map((song) => song.getAttribute("aria-label"));
    const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
    const label = make("label", { htmlFor: id, textContent: "clip " });
    this.select = make("select", { id });
    titles.forEach((title, place) => this.select.append(make("option", { value: place, textContent: `${place + 1}: ${title}` })));
    this.status = make("span", { className: "song-status" });
    this.status.setAttribute("role", "status");
    const button = (text, next) => {
      const made = make("button", { type: "button", textContent: text });
      made.addEventListener("click", () => this.show(next(this.place, this.songs.length), true));
      return made;
    };
    const row = make("div", { className: "song-controls" });
    row.append(
      label,
      this.select,
      button("previous", (place, count) => (place + count - 1) % count),
      button("next", (place, count) => (place + 1) % count),
      button("at random", (place, count) => another(place, count, Math.random())),
      this.status,
    );
    this.select.addEventListener("change", () => this.show(Number(this.select.value)));
    root.prepend(row);
    this.songs.forEach(followSound);
    this.show(0);
  }

  /** Show one song, and silence the others; a button says which, as the list of songs does by itself. */
  show(place, announced = false) {
    this.place = place;
    this.select.value = String(place);
    this.songs.forEach((song, other) => {
      song.hidden = other !== place;
      if (song.hidden) for (const sound of song.querySelectorAll("audio")) sound.pause();
    });
    this.status.textContent = announced ? `${place + 1} of ${this.songs.length}` : "";
  }
}

if (globalThis.document) {
  document.querySelectorAll(".song-picker").forEach((root, number) => new SongPicker(root, `song-picker-${number}`));
}
