// The Xing header, with which most encoders of mp3 begin a file.

/** Resolve to `{added}`, the samples that the encoder has put before a song and behind it, or null; or to null. */
export async function xingHeader(file) {
  const start = new Uint8Array(await file.slice(0, 10).arrayBuffer());
  const text = (bytes, place, length) => String.fromCharCode(...bytes.subarray(place, place + length));
  const tags = text(start, 0, 3) === "ID3" ? 10 + start.subarray(6).reduce((size, byte) => 128 * size + byte, 0) : 0;
  const frame = new Uint8Array(await file.slice(tags, tags + 256).arrayBuffer());
  if (frame[0] !== 0xff || frame[1] < 0xe0) return null;
  const info = [13, 21, 36].find((place) => ["Xing", "Info"].includes(text(frame, place, 4)));
  if (!info) return null;
  const flags = frame[info + 7];
  const encoder = info + 8 + [4, 4, 100, 4].reduce((sum, size, bit) => sum + (flags & (1 << bit) ? size : 0), 0);
  const [first, middle, last] = frame.subarray(encoder + 21);
  if (!/LAME|Lav[cf]/.test(text(frame, encoder, 4))) return { added: null };
  return { added: [(first << 4) | (middle >> 4), ((middle & 15) << 8) | last] };
}
