// Files of the page that are large: fetched when asked for, with progress, and kept by the browser.

const KEPT = "music-tagging-models";

/**
 * The contents of a file.
 * @param {string} address
 * @param {number} bytes size of the file: a server that compresses does not tell it
 * @param {(received: number) => void} progress called with the bytes received so far
 * @param {AbortSignal} [signal]
 * @returns {Promise<ArrayBuffer>}
 */
export async function download(address, bytes, progress, signal) {
  const cache = await globalThis.caches?.open(KEPT).catch(() => undefined); // none outside https and localhost
  const kept = await cache?.match(address);
  const response = kept ?? (await fetch(address, { signal }));
  if (!response.ok) throw new Error(`${new URL(address).pathname} is missing on this server (${response.status})`);
  const buffer = new Uint8Array(bytes);
  const reader = response.body.getReader();
  let received = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (received + part.value.length > bytes) throw new Error(`${new URL(address).pathname} is larger than expected`);
    buffer.set(part.value, received);
    progress((received += part.value.length));
  }
  if (received !== bytes) throw new Error(`${new URL(address).pathname} ended early: ${received} of ${bytes} bytes`);
  if (!kept) await cache?.put(address, new Response(buffer)).catch(() => undefined); // a full disk costs time only
  return buffer.buffer;
}
