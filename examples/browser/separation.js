// A song as a stream through a model, as in tfsep/separation/song.py: any rate and length in, the same out.

import { separateBlocks } from "./chunking.js";
import { joined, resample } from "./resampling.js";

/**
 * Separate a song into blocks of itself and its stems.
 *
 * song: `{sampleRate, channels, blocks()}` of interleaved Float32Arrays.
 * model: `{facts, run(window, sources)}`, where `run` resolves to an estimate for each source.
 * stems: names of sources; residual: name of one more stem, the mixture minus the others, or null.
 * Yields arrays of Float32Arrays: the mixture, then each stem.
 */
export async function* separateSong(song, model, stems, residual) {
  const { facts } = model;
  const { sampleRate, channels } = song;
  const run = withChannels((window) => model.run(window, stems), channels, facts.channels);
  const mixture = [];
  let samples = 0;

  async function* counted() {
    for await (const block of song.blocks()) {
      samples += block.length / channels;
      mixture.push(block);
      yield block;
    }
  }

  let blocks = resample(counted(), sampleRate, facts.sample_rate, channels);
  let undo = (estimates) => estimates;
  if (facts.normalize_song) {
    const level = await measure(resample(song.blocks(), sampleRate, facts.sample_rate, channels), channels);
    blocks = mapped(blocks, (block) => block.map((value) => (value - level.mean) / level.deviation));
    undo = (estimates) => estimates.map((stem) => stem.map((value) => value * level.deviation + level.mean));
  }
  const estimates = mapped(separateBlocks(blocks, channels, facts, run), undo);
  let done = 0;
  for await (const parts of resampled(estimates, facts.sample_rate, sampleRate, channels)) {
    const length = Math.min(parts[0].length, (samples - done) * channels);
    done += length / channels;
    if (length) yield completed(parts.map((part) => part.subarray(0, length)));
  }
  // Lengths that are rounded there and back may miss a few samples.
  const missing = (samples - done) * channels;
  if (missing) yield completed(stems.map(() => new Float32Array(missing)));

  function completed(parts) {
    const song = taken(mixture, parts[0].length);
    if (!residual) return [song, ...parts];
    const rest = song.slice();
    for (const part of parts) part.forEach((value, index) => (rest[index] -= value));
    return [song, ...parts, rest];
  }
}

/** Return `run` for songs of other channels: a mono model receives each alone, a stereo model mono twice. */
function withChannels(run, channels, expected) {
  if (channels === expected) return run;
  if (expected === 1) {
    return async (window) => {
      const estimates = [];
      for (let channel = 0; channel < channels; channel++) {
        estimates.push(await run(window.filter((_, index) => index % channels === channel)));
      }
      return estimates[0].map((stem, source) => {
        const together = new Float32Array(stem.length * channels);
        return together.map((_, index) => estimates[index % channels][source][Math.floor(index / channels)]);
      });
    };
  }
  if (channels === 1) {
    return async (window) => {
      const repeated = new Float32Array(window.length * expected);
      const stems = await run(repeated.map((_, index) => window[Math.floor(index / expected)]));
      return stems.map((stem) => {
        const mean = new Float32Array(stem.length / expected);
        stem.forEach((value, index) => (mean[Math.floor(index / expected)] += value / expected));
        return mean;
      });
    };
  }
  throw new Error(`The model separates mono or stereo. This song has ${channels} channels.`);
}

/** Resample estimates, source by source. */
async function* resampled(estimates, fromRate, toRate, channels) {
  if (fromRate === toRate) {
    yield* estimates;
    return;
  }
  const reader = estimates[Symbol.asyncIterator]();
  const first = await reader.next();
  if (first.done) return;
  // Each resampler receives the same blocks, so that all of them return as much in turn.
  const waiting = first.value.map((part) => [part]);
  const resamplers = waiting.map((parts) => resample(source(parts), fromRate, toRate, channels));

  async function* source(parts) {
    for (;;) {
      if (!parts.length) {
        const { value, done } = await reader.next();
        if (done) return;
        value.forEach((part, index) => waiting[index].push(part));
      }
      yield parts.shift();
    }
  }

  for (;;) {
    const results = [];
    for (const resampler of resamplers) results.push(await resampler.next());
    if (results[0].done) return;
    yield results.map((result) => result.value);
  }
}

/** Return the mean of a song's mono sum, and its deviation. */
async function measure(blocks, channels) {
  let [count, total, squares] = [0, 0, 0];
  for await (const block of blocks) {
    for (let place = 0; place < block.length; place += channels) {
      let mono = 0;
      for (let channel = 0; channel < channels; channel++) mono += block[place + channel] / channels;
      count += 1;
      total += mono;
      squares += mono ** 2;
    }
  }
  const mean = total / Math.max(1, count);
  const variance = Math.max(0, squares - count * mean ** 2) / Math.max(1, count - 1);
  return { mean, deviation: Math.sqrt(variance) + 1e-8 };
}

async function* mapped(blocks, change) {
  for await (const block of blocks) yield change(block);
}

/** Take the first values of a queue of blocks. */
function taken(queue, length) {
  const parts = [];
  for (let missing = length; missing > 0; missing = length - parts.reduce((sum, part) => sum + part.length, 0)) {
    const block = queue.shift();
    parts.push(block.subarray(0, missing));
    if (block.length > missing) queue.unshift(block.subarray(missing));
  }
  return joined(parts);
}
