// What separates: here the server that this page comes from. A page with another engine replaces this file alone.
//
//   models() -> Promise of {models, formats, mostBytes}
//     models: [{name, stems, score, licence, commercialUse, sampleRate, bytes, here, speed, default}], where score is
//       {value (dB), measure, data} or null, commercialUse "allowed", "not allowed" or "not stated", here false for a
//       model that is downloaded once, and speed a multiple of real time or null
//     formats: ["wav", ...], of which the first is the default
//
//   separate(file, {model, stems, format, residual}, {signal, progress}) -> Promise of a song
//     stems: names, or null for all; residual: name of one more stem, the mixture minus the others, or null
//     progress: function of {state (words), fraction (0 to 1, or null), secondsLeft (or null)}
//     signal: an AbortSignal that cancels; an Error's message is shown to the user. An AbortError without it says that
//       the song was cancelled or removed elsewhere
//
//   A song is {
//     name, caption, duration (seconds), warnings: sentences for the user,
//     stems: [{name, filename, url, peaks}], peaks: the greatest and the least of at most some 2000 parts of the sound,
//       in hundredths of full height, [[100, ...], [-100, ...]]
//     mixture: {peaks}, or null if the original is not played
//     span, lead: seconds of a span of sound, and by which each but the first begins earlier
//     sound(span): Promise of an ArrayBuffer a stem, the mixture first, each a file that the browser decodes
//     zip: address of all stems in one file, {url, filename} if the address has no name, or null
//     mix: null, or function of {from, to, gains: {stem: factor}, muted: {stem: [[from, to], ...]}} (in seconds) to the
//       address of a wav file; without it the page mixes
//     check: null, or function to a Promise that fails, with an Error for the user, if the addresses lead nowhere now
//     release(): forgets the song, whose addresses are no longer used
//   }
//
//   earlier() -> Promise of [{name, start}], songs from before the page was loaded again, where `start` is a function of
//     (signal, progress) to a Promise of a song
//
//   keepsSongs: whether `earlier` gives the songs again that are done; if not, the page asks before it is left

const INTERVAL = 300; // milliseconds between two looks at a song

export const keepsSongs = true;

let mostBytes = Infinity;

export async function models() {
  const found = await ask("models");
  ({ mostBytes } = found);
  return found;
}

export async function separate(file, { model, stems, format, residual }, { signal, progress }) {
  await checkReadable(file);
  progress({ state: "Uploading", fraction: null, secondsLeft: null });
  const id = crypto.randomUUID(); // chosen here, to know what to remove after half an upload
  const query = new URLSearchParams({ id, name: file.name, model, format });
  if (stems) query.set("stems", stems.join(","));
  if (residual) query.set("residual", residual);
  return follow(`songs/${id}`, signal, progress, () => request(`songs?${query}`, { method: "POST", body: file, signal }));
}

export async function earlier() {
  const songs = await ask("songs");
  return songs.map(({ name, address }) => ({ name, start: (signal, progress) => follow(address, signal, progress) }));
}

// Looks at a song until it is done; one that fails or is cancelled is removed.
async function follow(address, signal, progress, upload = () => {}) {
  const release = () => fetch(address, { method: "DELETE", keepalive: true }).catch(() => {});
  try {
    await upload();
    for (;;) {
      const song = await ask(address, { signal });
      if (song.error) throw new Error(song.error);
      if (song.stems) return { ...addressed(song, address), release };
      progress(song);
      await pause(INTERVAL, signal);
    }
  } catch (error) {
    release();
    throw error.status === 404 ? new DOMException("Cancelled or removed in another tab", "AbortError") : error;
  }
}

function addressed(song, address) {
  const stems = song.stems.map((stem) => ({ ...stem, url: `${address}/stems/${encodeURIComponent(stem.name)}` }));
  const lanes = ["mixture", ...stems.map(({ name }) => name)].map(encodeURIComponent);
  return {
    ...song,
    stems,
    zip: `${address}/zip`,
    check: () => request(address),
    sound: (span) => Promise.all(lanes.map((lane) => bytes(`${address}/sound/${lane}/${span}`))),
    mix: (recipe) => `${address}/mix?${new URLSearchParams({ recipe: JSON.stringify(recipe) })}`,
  };
}

async function checkReadable(file) {
  if (file.size > mostBytes) {
    throw new Error(`This file has ${(file.size / 1e9).toFixed(1)} GB. At most ${(mostBytes / 1e9).toFixed(1)} GB are taken.`);
  }
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Error("The browser cannot read this file. Was it moved?");
  }
}

async function request(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("tfsep does not answer. Start `tfsep web` again, and open the address that it prints.");
  }
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({}));
  throw Object.assign(new Error(error ?? `tfsep answered ${response.status}.`), { status: response.status });
}

async function ask(address, options) {
  return (await request(address, options)).json();
}

async function bytes(address) {
  return (await request(address)).arrayBuffer();
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
