// mp3 decoded beside the page, piece by piece, by the decoder that the package uses (mpg123): browsers' own give 16 bits, and not
// the same ones. In: {runtime, bytes}. Out: {samples, rate, notes}, or {error} where it is no mp3 after all.

import { Mixer } from "./sound.js";

const PIECE = 2 ** 18; // bytes

self.addEventListener("message", async ({ data: { runtime, bytes } }) => {
  let decoder;
  try {
    await import(runtime);
    const { MPEGDecoder } = globalThis["mpg123-decoder"];
    decoder = new MPEGDecoder();
    await decoder.ready;
    const mixer = new Mixer();
    let rate = 0;
    for (let at = 0; at < bytes.length; at += PIECE) {
      const { channelData, samplesDecoded, sampleRate } = decoder.decode(bytes.subarray(at, at + PIECE));
      if (!samplesDecoded) continue;
      if (rate && sampleRate !== rate) throw new Error("its sample rate changes");
      rate = sampleRate;
      mixer.add(channelData);
    }
    const { samples, notes } = mixer.finish();
    postMessage({ samples, rate, notes }, [samples.buffer]);
  } catch (error) {
    postMessage({ error: error.message ?? String(error) });
  } finally {
    decoder?.free();
  }
});
