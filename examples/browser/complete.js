// Songs that are cut off, of which decoders read what is left without a word.

import { EncodedPacketSink, FLAC, MATROSKA, WAVE, WEBM } from "./libraries/mediabunny.min.mjs";

// Seconds by which the durations of headers differ from those of complete songs: Matroska leaves out the last block.
const TOLERANCE = 0.5;

/** Throw an error if a file shows that its end is missing; see README.md for the files that do not. */
export async function checkComplete(file, input, track, hasXing) {
  const format = await input.getFormat();
  const announced = format === WAVE ? await riffBytes(file) : 0;
  if (file.size < announced) throw new Error(`${file.name} is cut off: it has ${file.size} of ${announced} bytes.`);

  // Ogg and mp4 have no other sign: a page that ends too early, a packet that the index places behind the end.
  const last = await new EncodedPacketSink(track).getPacket(Infinity).catch(() => null);
  if (!last) throw new Error(`${file.name} is cut off: its end cannot be read.`);

  // The duration of other mp3 files is guessed from their size.
  if (!hasXing && ![FLAC, MATROSKA, WEBM].includes(format)) return;
  const [there, whole] = [await input.computeDuration(), await input.getDurationFromMetadata()];
  if (there < whole - TOLERANCE) {
    throw new Error(`${file.name} is cut off or damaged: it has ${there.toFixed(1)} of ${whole.toFixed(1)} s.`);
  }
}

/** Resolve to the bytes that the header of a wav file announces (some count 8 less), or to 0 if its writer left it open. */
async function riffBytes(file) {
  const view = new DataView(await file.slice(0, 28).arrayBuffer());
  const last = String.fromCharCode(view.getUint8(3)); // of RIFF, RIFX (big endian) or RF64
  const size = last === "4" ? Number(view.getBigUint64(20, true)) : view.getUint32(4, last !== "X");
  const isUnknown = [31, 32, 63, 64].some((bits) => Math.abs(size - 2 ** bits) <= 4096);
  return isUnknown ? 0 : size;
}
