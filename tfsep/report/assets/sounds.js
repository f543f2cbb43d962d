// Sound in arrays: another speed at the same pitch, and wav files.

const FRAME = 0.08; // seconds, of which half overlaps
const SEARCH = 0.012; // seconds to either side in which the frame is sought that continues the last one best
const COARSE = 8; // samples that the search takes together

// Another speed at the same pitch, by overlapping frames (WSOLA; Verhelst and Roelands 1993). All buffers are cut at
// the same places, so that stems stay in step to the sample, as players of one element a stem do not.
export function stretch(buffers, speed) {
  const { length, sampleRate } = buffers[0];
  const hop = COARSE * Math.round((FRAME * sampleRate) / 2 / COARSE);
  const starts = frameStarts(coarse(buffers), hop / COARSE, speed, Math.round((SEARCH * sampleRate) / COARSE));
  const window = Float32Array.from({ length: 2 * hop }, (_, index) => 0.5 - 0.5 * Math.cos((Math.PI * (index + 0.5)) / hop));
  return buffers.map((buffer) => {
    const { numberOfChannels } = buffer;
    const result = new AudioBuffer({ length: Math.ceil(length / speed), sampleRate, numberOfChannels });
    for (let channel = 0; channel < numberOfChannels; channel++) {
      overlapAdd(buffer.getChannelData(channel), result.getChannelData(channel), starts, hop, window);
    }
    return result;
  });
}

// The sum of all stems at an eighth of the rate.
function coarse(buffers) {
  const sum = new Float32Array(Math.floor(buffers[0].length / COARSE));
  for (const buffer of buffers) {
    const sound = buffer.getChannelData(0);
    for (let place = 0; place < sum.length; place++) {
      for (let index = COARSE * place; index < COARSE * (place + 1); index++) sum[place] += sound[index] ?? 0;
    }
  }
  return sum;
}

// Where each frame begins in the original, in samples. The first lies half a frame before the start.
function frameStarts(sound, hop, speed, reach) {
  const frames = Math.ceil(sound.length / speed / hop) + 1;
  const starts = [-hop];
  for (let frame = 1; frame < frames; frame++) {
    const wanted = Math.round((frame - 1) * hop * speed);
    starts.push(mostAlike(sound, starts[frame - 1] + hop, wanted, hop, frame === 1 ? 0 : reach));
  }
  return starts.map((start) => COARSE * start);
}

function mostAlike(sound, continued, wanted, hop, reach) {
  let [best, most] = [wanted, -Infinity];
  const last = sound.length - hop;
  for (let start = Math.max(0, wanted - reach); start <= Math.min(last, wanted + reach); start++) {
    let [product, energy] = [0, 1e-9];
    for (let index = 0; index < hop && continued + index < sound.length; index++) {
      product += sound[start + index] * sound[continued + index];
      energy += sound[start + index] ** 2;
    }
    const likeness = product / Math.sqrt(energy);
    if (likeness > most) [best, most] = [start, likeness];
  }
  return best;
}

function overlapAdd(sound, result, starts, hop, window) {
  starts.forEach((start, frame) => {
    const place = (frame - 1) * hop;
    const first = Math.max(0, -start, -place);
    const end = Math.min(2 * hop, sound.length - start, result.length - place);
    for (let index = first; index < end; index++) result[place + index] += window[index] * sound[start + index];
  });
}

// Blocks of [left, right] as a wav file of 16 bits; what is beyond full scale lowers the whole.
export function wavFile(blocks, sampleRate) {
  const peak = blocks.flat().reduce((most, sound) => sound.reduce((top, sample) => Math.max(top, Math.abs(sample)), most), 1);
  const samples = blocks.reduce((sum, [left]) => sum + left.length, 0);
  const header = new DataView(new ArrayBuffer(44));
  const words = [0x46464952, 36 + 4 * samples, 0x45564157, 0x20746d66, 16, 0x20001, sampleRate, 4 * sampleRate, 0x100004];
  [...words, 0x61746164, 4 * samples].forEach((word, index) => header.setUint32(4 * index, word, true));
  const parts = blocks.map(([left, right]) => {
    const pairs = new Int16Array(2 * left.length);
    left.forEach((sample, index) => {
      pairs[2 * index] = Math.round((32767 * sample) / peak);
      pairs[2 * index + 1] = Math.round((32767 * right[index]) / peak);
    });
    return pairs;
  });
  return new Blob([header, ...parts], { type: "audio/wav" });
}

export function saveFile(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
