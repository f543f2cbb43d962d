// How songs are cut into chunks and estimates cross-faded: the rules of tfsep/separation/chunking.py and engine.py.
// A block is a Float32Array `[n, channels]`, interleaved; estimates are an array of blocks, one for each source.

import { joined, rounded } from "./resampling.js";

// Smallest weight, so that samples in a single segment are not divided by zero.
const LEAST_WEIGHT = 1e-9;

// Cross-fades by name: samples of the ramp, and the position on it of a segment's first sample.
const FADES = {
  overlap: (segment, hop) => [segment - hop, 0.5],
  triangle: (segment) => [Math.floor((segment + 1) / 2), 1],
  tenth: (segment) => [Math.floor(segment / 10) - 1, 0],
};

/** Separate a stream at the model's rate into estimates of the same length, in memory of a few segments. */
export async function* separateBlocks(blocks, channels, facts, run) {
  const { segment, context, fade, lead } = facts;
  const hop = Math.max(1, rounded(segment * (1 - facts.overlap)));
  let edges = facts.edges;
  let before = lead;
  let samples = 0;
  blocks = counted(blocks);
  if (edges === "reflect") {
    [blocks, before] = await reflectEnds(blocks, channels, segment - hop);
  } else if (lead) {
    blocks = chained([new Float32Array(lead * channels)], blocks);
  }
  const faded = fade === "frames";
  const weights = Float32Array.from(faded ? frameWeights(segment, lead) : fadeWeights(fade, segment, hop));
  const chunks = cut(blocks, channels, segment, context, hop, faded ? "frames" : edges);
  let position = -before;
  for await (const stems of overlapAdd(estimates(chunks), channels, weights, hop, faded)) {
    const length = stems[0].length / channels;
    const first = Math.max(0, -position);
    const end = Math.min(length, samples - position);
    position += length;
    if (end > first) yield stems.map((stem) => stem.subarray(first * channels, end * channels));
  }

  async function* counted(blocks) {
    for await (const block of blocks) {
      samples += block.length / channels;
      yield block;
    }
  }

  async function* estimates(chunks) {
    for await (const { window, offset, length } of chunks) {
      const stems = await run(window);
      yield stems.map((stem) => stem.subarray(offset * channels, (offset + length) * channels));
    }
  }
}

/** Cut a stream into windows at intervals of `hop`, with the samples of their estimates that are used. */
async function* cut(blocks, channels, segment, context, hop, edges) {
  const reader = blocks[Symbol.asyncIterator]();
  const size = segment + 2 * context;
  const before = context + (edges === "centred" ? Math.floor(segment / 2) : 0);
  let waiting = new Float32Array(before * channels);
  let position = -before;

  /** Read the stream up to `end`, and return how far that was possible. */
  async function read(end) {
    const parts = [waiting];
    let reached = position + waiting.length / channels;
    while (reached < end) {
      const { value, done } = await reader.next();
      if (done) break;
      parts.push(value);
      reached += value.length / channels;
    }
    waiting = joined(parts);
    return reached;
  }

  for (let start = 0; ; start += hop) {
    // Other edges begin a chunk at every hop within the song, even if earlier chunks cover its end.
    const covered = start && edges === "zeros" ? start - hop + segment : start;
    if ((await read(covered + 1)) <= covered) return;
    const length = Math.min(segment, (await read(start + segment + context)) - start);
    const offset = edges === "centred" ? Math.floor((segment - length) / 2) : 0;
    waiting = waiting.slice((start - before - position) * channels);
    position = start - before;
    const first = before - context - offset;
    yield { window: filled(waiting.subarray(first * channels), channels, size, edges), offset, length };
  }
}

/** Return the first samples of a block as a window, which zeros or the mirrored block fill up. */
function filled(block, channels, size, edges) {
  const window = new Float32Array(size * channels);
  window.set(block.subarray(0, window.length));
  const length = block.length / channels;
  // Mirroring cannot fill more than half a window.
  if (edges === "reflect" && length > Math.floor(size / 2)) {
    for (let sample = length; sample < size; sample++) {
      const mirrored = (2 * (length - 1) - sample) * channels;
      window.copyWithin(sample * channels, mirrored, mirrored + channels);
    }
  }
  return window;
}

/** Cross-fade estimates at intervals of `hop`, and yield each sample once it is complete. */
async function* overlapAdd(estimates, channels, weights, hop, faded) {
  const segment = weights.length;
  const norms = new Float32Array(segment);
  let sums = null;
  let length = 0;

  const complete = (count) =>
    sums.map((sum) => sum.slice(0, count * channels).map((value, index) => value / norms[Math.floor(index / channels)]));

  for await (const stems of estimates) {
    sums ??= stems.map(() => new Float32Array(segment * channels));
    length = stems[0].length / channels;
    for (let sample = 0; sample < length; sample++) norms[sample] += weights[sample];
    stems.forEach((stem, source) => {
      const sum = sums[source];
      for (let index = 0; index < stem.length; index++) {
        sum[index] += faded ? stem[index] : weights[Math.floor(index / channels)] * stem[index];
      }
    });
    yield complete(Math.min(hop, length));
    for (const sum of sums) sum.copyWithin(0, hop * channels).fill(0, (segment - hop) * channels);
    norms.copyWithin(0, hop).fill(0, segment - hop);
  }
  if (length > hop) yield complete(length - hop); // the last one goes on
}

function fadeWeights(fade, segment, hop) {
  const [length, first] = FADES[fade](segment, hop);
  return Array.from({ length: segment }, (_, index) => {
    const ramp = (Math.min(index, segment - 1 - index) + first) / Math.max(1, length);
    return Math.min(1, Math.max(LEAST_WEIGHT, ramp));
  });
}

/** Return the sum of the squared Hann windows of a segment's frames, at hops of a quarter of a frame. */
function frameWeights(segment, frame) {
  const total = new Float64Array(segment);
  for (let start = 0; start <= segment - frame; start += Math.floor(frame / 4)) {
    for (let index = 0; index < frame; index++) {
      total[start + index] += Math.sin((Math.PI * index) / frame) ** 4 / 1.5;
    }
  }
  return total.map((weight) => Math.max(weight, LEAST_WEIGHT));
}

/** Mirror `border` samples before and after a stream, unless it is too short; and return how many these are. */
async function reflectEnds(blocks, channels, border) {
  const reader = blocks[Symbol.asyncIterator]();
  const parts = [];
  let read = 0;
  while (read <= 2 * border) {
    const { value, done } = await reader.next();
    if (done) return [chained(parts, []), 0];
    parts.push(value);
    read += value.length / channels;
  }
  return [reflected(joined(parts), reader, channels, border), border];
}

async function* reflected(head, rest, channels, border) {
  const size = head.length / channels;
  yield reversed(head.subarray(channels, (border + 1) * channels), channels);
  yield head;
  let tail = head.slice((size - border - 1) * channels);
  for await (const block of { [Symbol.asyncIterator]: () => rest }) {
    yield block;
    tail = joined([tail, block]).slice(-(border + 1) * channels);
  }
  yield reversed(tail.subarray(0, border * channels), channels);
}

function reversed(block, channels) {
  const size = block.length / channels;
  return block.map((_, index) => block[(size - 1 - Math.floor(index / channels)) * channels + (index % channels)]);
}

async function* chained(first, second) {
  yield* first;
  yield* second;
}
