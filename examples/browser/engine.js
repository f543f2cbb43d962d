// The engine of the page that needs no server: songs are separated in a worker of the visitor's browser. It has the
// functions that tfsep/web/assets/engine.js describes.

import { header } from "./wav.js";

// Seconds of a span, and by which it begins earlier and ends later, for the player's resampling and cross-fades.
const SPAN = 10;
const LEAD = 0.1;
const TAIL = 0.05;

let catalogue = null;

export const keepsSongs = false;

export async function models() {
  const found = (await read()).map(({ facts, ...model }) => model);
  return { models: found, formats: ["wav"], mostBytes: Infinity };
}

export async function earlier() {
  return [];
}

export async function separate(file, options, { signal, progress }) {
  const { model, residual } = options;
  const { facts } = (await read()).find(({ name }) => name === model);
  const url = new URL(`models/${model}.onnx`, import.meta.url).href;
  const name = file.name.replace(/(\.stem)?\.[^.]*$/, "");
  const task = { file, title: name, facts, url, stems: options.stems ?? facts.sources, residual };
  const { sampleRate, channels, samples, zip, mixture, stems } = await inWorker(task, signal, progress);
  const urls = [];
  const address = (blob) => urls[urls.push(URL.createObjectURL(blob)) - 1];
  return {
    name,
    caption: model,
    duration: samples / sampleRate,
    stems: stems.map((stem) => ({
      name: stem.name,
      filename: `${name}_(${stem.name}).wav`,
      url: address(stem.blob),
      peaks: stem.peaks,
    })),
    mixture: { peaks: mixture.peaks },
    span: SPAN,
    lead: LEAD,
    sound: (span) => Promise.all([mixture, ...stems].map(({ blob }) => cut(blob, sampleRate, channels, span))),
    zip: zip && { url: address(zip), filename: `${name}.zip` },
    mix: null,
    release: () => urls.forEach((url) => URL.revokeObjectURL(url)),
  };
}

async function read() {
  if (!catalogue) {
    const response = await fetch(new URL("models.json", import.meta.url));
    if (!response.ok) throw new Error("models.json is missing: build this page with build.py.");
    catalogue = await response.json();
  }
  return catalogue;
}

/** Run a task in a worker of its own, whose end cancels it at once and frees its memory. */
async function inWorker(task, signal, progress) {
  signal.throwIfAborted();
  const worker = new Worker(new URL("separator.worker.js", import.meta.url), { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      worker.onerror = ({ message }) => reject(new Error(message || "The page is incomplete: build it with build.py."));
      worker.onmessage = ({ data: { kind, ...data } }) => {
        if (kind === "progress") progress(data);
        else if (kind === "done") resolve(data);
        else reject(new Error(data.message));
      };
      worker.postMessage(task);
    });
  } finally {
    worker.terminate();
  }
}

/** Return a span of a wav file as a wav file, in an ArrayBuffer. */
function cut(wav, sampleRate, channels, span) {
  const sound = header(0, sampleRate, channels).byteLength;
  const place = (seconds) => sound + 4 * channels * Math.max(0, Math.round(seconds * sampleRate));
  const part = wav.slice(place(span * SPAN - LEAD), place((span + 1) * SPAN + TAIL));
  return new Blob([header(part.size, sampleRate, channels), part]).arrayBuffer();
}
