// Songs as streams of blocks: no more of a file is decoded than the model takes next.

import { checkComplete } from "./complete.js";
import { ALL_FORMATS, AudioSampleSink, BlobSource, Input } from "./libraries/mediabunny.min.mjs";
import { xingHeader } from "./xing.js";

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
  if (!track) throw new Error(`${file.name} has no audio that can be read, or is damaged. Choose a wav, flac, mp3, ogg or m4a file.`);
  if (!(await track.canDecode())) {
    const codec = (await track.getCodec()) ?? "this format";
    throw new Error(`${file.name}: this browser cannot decode ${codec}. Convert the song to wav.`);
  }
  const sink = new AudioSampleSink(track);
  const { sampleRate, channels } = await layout(sink, file.name);

  const xing = await xingHeader(file);
  await checkComplete(file, input, track, xing !== null);
  const [delay, padding] = xing?.added ? [xing.added[0] + DECODER, xing.added[1] - DECODER] : [0, 0];
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
