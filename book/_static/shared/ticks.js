// Round values for axes.

/** Times for the ticks of an axis, in seconds: at most `most` of them, at round values. */
export function ticks(seconds, most) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((size) => seconds / size <= most) ?? 1200;
  return Array.from({ length: Math.floor(seconds / step + 1e-9) + 1 }, (_, i) => Number((i * step).toFixed(1)));
}

/** Seconds as minutes and seconds: 83 -> "1:23". */
export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/** Hertz as text. */
export const hertz = (value) => (value >= 1000 ? `${Number((value / 1000).toPrecision(2))} kHz` : `${Math.round(value)} Hz`);

/**
 * Octaves beside a picture whose rows are bands of rising frequency.
 * @param {ArrayLike<number>} centres frequency of each band, Hz
 * @returns {{place: number, text: string}[]} from the lowest up; place 0 is the lower edge of the first band
 */
export function octaves(centres) {
  const marks = [];
  for (const value of [125, 250, 500, 1000, 2000, 4000, 8000, 16000]) {
    let band = 0;
    while (band < centres.length && centres[band] < value) band++;
    if (band === 0 || band === centres.length) continue;
    const part = (centres[band] - value) / (centres[band] - centres[band - 1] || 1);
    marks.push({ place: (band - part + 0.5) / centres.length, text: hertz(value) });
  }
  return marks;
}
