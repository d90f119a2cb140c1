// Animated WebP: still pictures of a browser put one after another (Google, "WebP Container Specification").

const HEADER = 8;
const ANIMATION = 0x02;
const DO_NOT_BLEND = 0x02;
const LONGEST_MS = 0xffffff;

/** The chunks of a RIFF file: their names, and their bytes with name, length and padding. @param {Uint8Array} file */
function chunksOf(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const chunks = [];
  for (let at = 12; at + HEADER <= file.length; ) {
    const length = view.getUint32(at + 4, true);
    const end = at + HEADER + length + (length % 2);
    chunks.push({ name: String.fromCharCode(...file.subarray(at, at + 4)), bytes: file.subarray(at, end) });
    at = end;
  }
  return chunks;
}

/** A number in so many bytes, the lowest first. @param {number} value @param {number} count */
const bytesOf = (value, count) => Array.from({ length: count }, (_, at) => Math.floor(value / 256 ** at) % 256);

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const result = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** @param {string} name @param {...(Uint8Array | number[])} parts */
function chunk(name, ...parts) {
  const content = joined(parts.map((part) => Uint8Array.from(part)));
  const head = [...new TextEncoder().encode(name), ...bytesOf(content.length, 4)];
  return joined([Uint8Array.from(head), content, new Uint8Array(content.length % 2)]);
}

/**
 * Returns an animation that repeats for ever.
 * @param {Uint8Array[]} pictures Still WebP files of one size, without an alpha channel.
 * @param {{width: number, height: number, delay_ms: number}} options Pixels; how long each picture is shown.
 */
export function animatedWebp(pictures, { width, height, delay_ms }) {
  const size = [...bytesOf(width - 1, 3), ...bytesOf(height - 1, 3)];
  const delay = bytesOf(Math.min(LONGEST_MS, Math.max(1, Math.round(delay_ms))), 3);
  const frames = pictures.map((picture) => {
    const image = chunksOf(picture).filter(({ name }) => name === "VP8 " || name === "VP8L");
    if (image.length !== 1) throw new Error("This browser writes no WebP");
    return chunk("ANMF", [0, 0, 0, 0, 0, 0, ...size, ...delay, DO_NOT_BLEND], image[0].bytes);
  });
  const content = joined([
    new TextEncoder().encode("WEBP"),
    chunk("VP8X", [ANIMATION, 0, 0, 0, ...size]),
    chunk("ANIM", [0, 0, 0, 255, 0, 0]),
    ...frames,
  ]);
  return joined([new TextEncoder().encode("RIFF"), Uint8Array.from(bytesOf(content.length, 4)), content]);
}
