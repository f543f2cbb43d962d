// Songs as streams of blocks: no more of a file is decoded than the model takes next.

import { ALL_FORMATS, AudioSampleSink, BlobSource, Input } from "./libraries/mediabunny.min.mjs";

// Samples by which every mp3 decoder is late.
const DECODER = 529;

/**
 * Open the first audio track of a file.
 *
 * Wav is read directly, other formats by the decoders of the browser (WebCodecs), block by block and at the file's own
 * rate: `decodeAudioData` would decode the whole song, and resample it.
 *
 * Resolves to `{sampleRate, channels, samples, blocks()}`, with `samples` as the file says, which may be too many.
 */
export async function openSong(file) {
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  const track = await input.getPrimaryAudioTrack().catch(() => null);
  if (!track) throw new Error(`${file.name} has no audio that can be read. Choose a wav, flac, mp3, ogg or m4a file.`);
  if (!(await track.canDecode())) {
    const codec = (await track.getCodec()) ?? "this format";
    throw new Error(`${file.name}: this browser cannot decode ${codec}. Convert the song to wav.`);
  }
  const sink = new AudioSampleSink(track);
  const { sampleRate, channels } = await layout(sink, file.name);

  const [delay, padding] = await addedByEncoder(file);
  const samples = Math.round((await track.computeDuration()) * sampleRate) - delay - padding;

  async function* blocks() {
    let position = null;
    for await (const sample of sink.samples()) {
      position ??= Math.round(sample.timestamp * sampleRate) - delay; // below 0 in what encoders add
      const frameOffset = Math.max(0, -position);
      const frameCount = Math.min(sample.numberOfFrames, samples - position) - frameOffset;
      position += sample.numberOfFrames;
      const same = sample.sampleRate === sampleRate && sample.numberOfChannels === channels;
      const block = new Float32Array(Math.max(0, frameCount) * channels);
      if (block.length && same) sample.copyTo(block, { planeIndex: 0, format: "f32", frameOffset, frameCount });
      sample.close();
      if (!same) throw new Error(`${file.name}: its rate or channels change within the song.`);
      if (block.length) yield block;
    }
  }

  return { sampleRate, channels, samples, blocks };
}

/** Decode the beginning, whose rate and channels may differ from what the header says. */
async function layout(sink, name) {
  for await (const sample of sink.samples()) {
    const { sampleRate, numberOfChannels: channels } = sample;
    sample.close();
    return { sampleRate, channels };
  }
  throw new Error(`${name} contains no audio.`);
}

/** Return how many samples an mp3 encoder says that it has put before a song, and behind it; else zeros. */
async function addedByEncoder(file) {
  const start = new Uint8Array(await file.slice(0, 10).arrayBuffer());
  const text = (bytes, place, length) => String.fromCharCode(...bytes.subarray(place, place + length));
  const tags = text(start, 0, 3) === "ID3" ? 10 + start.subarray(6).reduce((size, byte) => 128 * size + byte, 0) : 0;
  const frame = new Uint8Array(await file.slice(tags, tags + 256).arrayBuffer());
  if (frame[0] !== 0xff || frame[1] < 0xe0) return [0, 0];
  const info = [13, 21, 36].find((place) => ["Xing", "Info"].includes(text(frame, place, 4)));
  if (!info) return [0, 0];
  const flags = frame[info + 7];
  const encoder = info + 8 + [4, 4, 100, 4].reduce((sum, size, bit) => sum + (flags & (1 << bit) ? size : 0), 0);
  const [first, middle, last] = frame.subarray(encoder + 21);
  if (!/LAME|Lav[cf]/.test(text(frame, encoder, 4))) return [0, 0];
  const delay = (first << 4) | (middle >> 4);
  const padding = ((middle & 15) << 8) | last;
  return [delay + DECODER, padding - DECODER];
}
