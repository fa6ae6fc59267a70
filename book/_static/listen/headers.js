// The sample rate that a sound file declares, so that a browser can be told to decode it without resampling.

const MP3_RATES = { 3: [44100, 48000, 32000], 2: [22050, 24000, 16000], 0: [11025, 12000, 8000] }; // by version: 1, 2, 2.5
const MP3_BITRATES = {
  "3-1": [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  "3-2": [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  "3-3": [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  "2-1": [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  "2-2": [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
};
const AAC_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
const SEARCHED = 2 ** 18; // bytes in which the first frame of an mp3 is looked for

/**
 * Sample rate of a file in Hz, or null where it does not say, or where decoders make another of it.
 * @param {Uint8Array} bytes the whole file
 */
export function declaredRate(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (at, count) => String.fromCharCode(...bytes.subarray(at, at + count));
  try {
    const rate = read(bytes, view, text);
    return rate >= 3000 && rate <= 768000 ? Math.round(rate) : null;
  } catch (error) {
    if (error instanceof RangeError) return null; // the file ends inside its header
    throw error;
  }
}

/** Whether a file is an mp3, by its first frame and one that follows it. */
export function isMp3(bytes) {
  const kind = String.fromCharCode(...bytes.subarray(0, 8));
  if (/^(RIFF|RF64|BW64|FORM|fLaC|OggS|....ftyp|\x1a\x45\xdf\xa3)/s.test(kind)) return false;
  return firstFrame(bytes)?.mpeg === true;
}

function read(bytes, view, text) {
  const kind = text(0, 4);
  if (["RIFF", "RF64", "BW64"].includes(kind)) return chunk(view, text, "fmt ", true, (at) => view.getUint32(at + 4, true));
  if (kind === "FORM") return chunk(view, text, "COMM", false, (at) => extended(view, at + 8));
  if (kind === "fLaC") return flac(view, 0);
  if (kind === "OggS") return ogg(view, text);
  if (text(4, 4) === "ftyp") return mp4(bytes, view, text);
  if (view.getUint32(0) === 0x1a45dfa3) return find(bytes, "A_OPUS") < 0 ? null : 48000; // webm
  return firstFrame(bytes)?.decoded ?? null;
}

function chunk(view, text, name, little, value) {
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at + 4, little);
    if (text(at, 4) === name) return value(at + 8);
    at += 8 + size + (size % 2);
  }
  return null;
}

/** An 80-bit floating point number. */
const extended = (view, at) => view.getUint32(at + 2) * 2 ** ((view.getUint16(at) & 0x7fff) - 16383 - 31);

const flac = (view, at) => view.getUint32(at + 18) >>> 12;

function ogg(view, text) {
  const at = 27 + view.getUint8(26);
  if (text(at + 1, 6) === "vorbis") return view.getUint32(at + 12, true);
  if (text(at, 8) === "OpusHead") return 48000; // always decoded at this rate
  if (text(at + 1, 4) === "FLAC") return flac(view, at + 9);
  return null;
}

function find(bytes, word, from = 0) {
  const codes = [...word].map((letter) => letter.charCodeAt(0));
  for (let at = bytes.indexOf(codes[0], from); at >= 0; at = bytes.indexOf(codes[0], at + 1)) {
    if (codes.every((code, i) => bytes[at + i] === code)) return at;
  }
  return -1;
}

/** A decoder may double the rate of AAC (spectral band replication): low rates are those that it makes of them. */
const decodedAac = (rate) => (rate > 24000 ? rate : 2 * rate);

function mp4(bytes, view, text) {
  for (let at = find(bytes, "stsd"); at >= 0; at = find(bytes, "stsd", at + 4)) {
    const format = text(at + 16, 4);
    if (format === "Opus") return 48000;
    if (["mp4a", "alac", "fLaC"].includes(format)) {
      const rate = view.getUint32(at + 44) / 65536;
      return format === "mp4a" ? decodedAac(rate) : rate;
    }
  }
  return null;
}

/** mp3 or AAC: the first frame that another one follows where it ends; null where there is none. */
function firstFrame(bytes) {
  const tagged = bytes[0] === 0x49 && bytes[1] === 0x44 && bytes[2] === 0x33; // ID3
  const start = tagged ? 10 + ((bytes[6] << 21) | (bytes[7] << 14) | (bytes[8] << 7) | bytes[9]) : 0;
  for (let at = start; at < Math.min(bytes.length - 7, start + SEARCHED); at++) {
    const frame = header(bytes, at);
    if (!frame) continue;
    const next = header(bytes, at + frame.length);
    if (at + frame.length >= bytes.length - 7 || (next && next.rate === frame.rate)) return frame;
  }
  return null;
}

function header(bytes, at) {
  if (bytes[at] !== 0xff || (bytes[at + 1] & 0xe0) !== 0xe0) return null;
  const version = (bytes[at + 1] >> 3) & 3;
  const layer = 4 - ((bytes[at + 1] >> 1) & 3);
  if (layer === 4) {
    if ((bytes[at + 1] & 0xf6) !== 0xf0) return null;
    const rate = AAC_RATES[(bytes[at + 2] >> 2) & 15];
    const length = ((bytes[at + 3] & 3) << 11) | (bytes[at + 4] << 3) | (bytes[at + 5] >> 5);
    return rate && length > 6 ? { rate, decoded: decodedAac(rate), length, mpeg: false } : null;
  }
  const rate = MP3_RATES[version]?.[(bytes[at + 2] >> 2) & 3];
  const table = MP3_BITRATES[`${version === 3 ? 3 : 2}-${version === 3 ? layer : Math.min(layer, 2)}`];
  const bitrate = 1000 * (table[bytes[at + 2] >> 4] ?? 0);
  if (!rate || !bitrate) return null;
  const padding = (bytes[at + 2] >> 1) & 1;
  const samples = layer === 1 ? 384 : layer === 3 && version !== 3 ? 576 : 1152;
  const slots = Math.floor(((samples / 8) * bitrate) / rate);
  const length = layer === 1 ? 4 * (Math.floor((12 * bitrate) / rate) + padding) : slots + padding;
  return { rate, decoded: rate, length, mpeg: true };
}
