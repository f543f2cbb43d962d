// The thread that separates one song: it receives the task in one message, and answers with messages of `kind`
// "progress", and in the end "done" or "failed".

import * as ort from "./libraries/ort.wasm.bundle.min.mjs";
import { Outline } from "./outline.js";
import { separateSong } from "./separation.js";
import { openSong } from "./song.js";
import { WavFile } from "./wav.js";
import { zipped } from "./zip.js";

// Browsers allow threads on pages that are isolated from others by headers; see serve.py.
ort.env.wasm.numThreads = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ kind: "done", ...(await separate(data)) });
  } catch (error) {
    self.postMessage({ kind: "failed", message: error?.message ?? String(error) });
  }
};

async function separate({ file, title, facts, url, stems, residual }) {
  tell("Opening");
  const song = await openSong(file);
  const { sampleRate, channels } = song;
  tell("Loading the model");
  const model = await load(url, facts);
  const names = ["mixture", ...stems, ...(residual ? [residual] : [])];
  const lanes = names.map((name) => ({
    name,
    wav: new WavFile(sampleRate, channels),
    outline: new Outline(song.samples, channels),
  }));
  const start = performance.now();
  let samples = 0;
  tell("Separating", 0);
  for await (const parts of separateSong(song, model, stems, residual)) {
    parts.forEach((part, index) => {
      lanes[index].wav.write(part);
      lanes[index].outline.add(part);
    });
    samples += parts[0].length / channels;
    const fraction = Math.min(1, samples / song.samples);
    tell("Separating", fraction, ((performance.now() - start) / 1000) * (1 / fraction - 1));
  }
  tell("Packing");
  const [mixture, ...made] = lanes.map(({ name, wav, outline }) => {
    return { name, blob: wav.finish(), peaks: outline.hundredths() };
  });
  const zip = await zipped(made.map(({ name, blob }) => ({ name: `${title}/${name}.wav`, blob })));
  return { sampleRate, channels, samples, mixture, stems: made, zip };
}

async function load(url, facts) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The model could not be loaded (${response.status} ${response.statusText}).`);
  const session = await ort.InferenceSession.create(await response.arrayBuffer(), { executionProviders: ["wasm"] });
  const shape = [1, facts.segment + 2 * facts.context, facts.channels];

  async function run(window, sources) {
    const results = await session.run({ mixture: new ort.Tensor("float32", window, shape) }, sources);
    return sources.map((source) => results[source].data);
  }

  return { facts, run };
}

function tell(state, fraction = null, secondsLeft = null) {
  self.postMessage({ kind: "progress", state, fraction, secondsLeft });
}
