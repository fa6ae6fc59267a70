// A sound file as samples at the file's own rate: mp3 by the package's decoder, all others by the browser.

import { declaredRate, isMp3 } from "./headers.js";
import { mixed } from "./sound.js";

export const MAX_MINUTES = 30;
const MAX_BYTES = 2 ** 29;
const USUAL_RATE = 48000;
const MP3 = new URL("../vendor/mpg123/mpg123-decoder.min.js", import.meta.url).href;

/** A file that cannot be analysed; the message is for the reader. */
export class UnreadableFile extends Error {}

/**
 * Decode a file.
 * @param {Blob} file
 * @param {AbortSignal} [signal]
 * @returns {Promise<{samples: Float32Array, rate: number, notes: string[]}>} one channel
 */
export async function decode(file, signal) {
  if (file.size === 0) throw new UnreadableFile("The file is empty (0 bytes).");
  const tooLong = `The browser must hold the whole song, so the limit is ${MAX_MINUTES} minutes. \`tagging tag\` reads any length.`;
  if (file.size > MAX_BYTES || (await declaredSeconds(file)) > 60 * MAX_MINUTES) throw new UnreadableFile(tooLong);
  const bytes = await file.arrayBuffer();
  if (isMp3(new Uint8Array(bytes))) {
    const sound = await decodedMp3(new Uint8Array(bytes), signal);
    if (sound) return sound;
  }
  const declared = declaredRate(new Uint8Array(bytes));
  const rate = declared ?? USUAL_RATE;
  let audio;
  try {
    audio = await context(rate).decodeAudioData(bytes);
  } catch {
    throw new UnreadableFile("The browser found no sound that it can decode. Try mp3, wav, flac, ogg or m4a.");
  }
  if (!audio.length) throw new UnreadableFile("The file contains no samples.");
  if (audio.duration > 60 * MAX_MINUTES) throw new UnreadableFile(tooLong);
  const channels = Array.from({ length: audio.numberOfChannels }, (_, i) => audio.getChannelData(i));
  try {
    const { samples, notes } = await mixed(channels);
    if (audio.sampleRate !== declared) notes.push(`Decoded at ${audio.sampleRate} Hz by the browser's own resampler.`);
    return { samples, rate: audio.sampleRate, notes };
  } catch (error) {
    throw new UnreadableFile(`This sound cannot be analysed: ${error.message}.`);
  }
}

/** An mp3 by the package's decoder; undefined where this browser or this file does not let it, which is then the browser's to read. */
function decodedMp3(bytes, signal) {
  const worker = new Worker(new URL("mp3_worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    worker.onmessage = ({ data }) => resolve(data.samples?.length ? data : undefined);
    worker.onerror = (event) => {
      event.preventDefault();
      resolve(undefined);
    };
    worker.postMessage({ runtime: MP3, bytes });
  }).finally(() => worker.terminate());
}

function context(rate) {
  try {
    return new OfflineAudioContext(1, 1, rate);
  } catch {
    return new OfflineAudioContext(1, 1, USUAL_RATE); // a rate that this browser does not have
  }
}

/** Duration that the file declares, in seconds; 0 if it does not, before anything is decoded. */
function declaredSeconds(file) {
  const address = URL.createObjectURL(file);
  const media = new Audio();
  return new Promise((resolve) => {
    const give = (seconds) => {
      media.removeAttribute("src");
      URL.revokeObjectURL(address);
      resolve(Number.isFinite(seconds) ? seconds : 0);
    };
    media.addEventListener("loadedmetadata", () => give(media.duration), { once: true });
    media.addEventListener("error", () => give(0), { once: true });
    setTimeout(() => give(0), 2000);
    media.preload = "metadata";
    media.src = address;
  });
}
