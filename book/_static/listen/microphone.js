// Sound of the microphone as a wav file, at the rate of the device and without the browser's changes for speech.

import { wav } from "./sound.js";

const RECORDER = `registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([channels]) {
    if (channels.length) this.port.postMessage(channels[0].slice());
    return true;
  }
});`;

/**
 * Record until a signal, or for as long as is allowed.
 * @param {AbortSignal} signal ends the recording
 * @param {number} seconds at most
 * @param {(seconds: number) => void} progress
 * @returns {Promise<Blob>}
 */
export async function record(signal, seconds, progress) {
  const processing = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: processing });
  const context = new AudioContext();
  const address = URL.createObjectURL(new Blob([RECORDER], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(address);
    const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    const blocks = [];
    let count = 0;
    await new Promise((end) => {
      recorder.port.onmessage = ({ data }) => {
        blocks.push(data);
        count += data.length;
        progress(count / context.sampleRate);
        if (signal.aborted || count >= seconds * context.sampleRate) end();
      };
      signal.addEventListener("abort", end);
      context.createMediaStreamSource(stream).connect(recorder);
    });
    const samples = new Float32Array(count);
    let at = 0;
    for (const block of blocks) {
      samples.set(block, at);
      at += block.length;
    }
    return wav(samples, context.sampleRate);
  } finally {
    URL.revokeObjectURL(address);
    stream.getTracks().forEach((track) => track.stop());
    await context.close();
  }
}
