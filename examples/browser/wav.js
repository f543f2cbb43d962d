// Wav files of 32-bit floats, which are put together as blobs: the browser stores these outside the page's memory.

const BYTES = 44;
const MOST_BYTES = 2 ** 32 - 4096; // its sizes have 32 bits

/** Return the header of a wav file whose sound has so many bytes. */
export function header(bytes, sampleRate, channels) {
  const view = new DataView(new ArrayBuffer(BYTES));
  const text = (place, letters) => [...letters].forEach((letter, at) => view.setUint8(place + at, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, BYTES - 8 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 3, true); // floats
  view.setUint16(22, channels, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 4 * channels * sampleRate, true);
  view.setUint16(32, 4 * channels, true);
  view.setUint16(34, 32, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  return view;
}

/** A wav file that is written block by block. */
export class WavFile {
  #parts = [];
  #bytes = 0;

  constructor(sampleRate, channels) {
    this.sampleRate = sampleRate;
    this.channels = channels;
  }

  /** Add an interleaved Float32Array. */
  write(block) {
    this.#bytes += block.byteLength;
    if (this.#bytes > MOST_BYTES) throw new Error("A wav file has at most 4 GB: this song is too long.");
    this.#parts.push(new Blob([block]));
  }

  /** Return the file, a Blob. */
  finish() {
    return new Blob([header(this.#bytes, this.sampleRate, this.channels), ...this.#parts], { type: "audio/wav" });
  }
}
