// Sample rate conversion by a windowed sinc, with constants fitted to the filters of soxr's "HQ", which tfsep uses: the
// impulse responses differ by less than 1e-6 for doubling and halving, and by 1e-3 at most for the usual rates.

// Cutoff, as a fraction of the lower rate's band.
const CUTOFF = 0.956872;

/** Return half the length of the sinc, in samples of the lower rate, and the shape of its Kaiser window. */
function design(fromRate, toRate) {
  const ratio = Math.max(fromRate / toRate, toRate / fromRate);
  if (Number.isInteger(ratio)) return fromRate >= 4 * toRate ? [102.25, 13.711] : [97.25, 13.04];
  return ratio >= 4 ? [115.65, 16.924] : [110.05, 15.954];
}

/** Resample a stream of interleaved blocks, without delay or change of level. */
export async function* resample(blocks, fromRate, toRate, channels) {
  if (fromRate === toRate) {
    yield* blocks;
    return;
  }
  const divisor = gcd(fromRate, toRate);
  const up = toRate / divisor;
  const down = fromRate / divisor;
  const scale = Math.min(1, toRate / fromRate);
  const [half, shape] = design(fromRate, toRate);
  const reach = Math.ceil(half / scale) + 1;
  const filters = new Map(); // one for each phase that occurs
  let waiting = new Float32Array(reach * channels);
  let position = -reach; // of the first sample that waits
  let received = 0;
  let produced = 0;

  function produce(most) {
    const end = position + waiting.length / channels - reach; // of the samples with all their neighbours
    const count = Math.max(0, Math.min(most, Math.ceil((end * up) / down)) - produced);
    const output = new Float32Array(count * channels);
    for (let index = 0; index < count; index++, produced++) {
      const phase = (produced * down) % up;
      const centre = (produced * down - phase) / up;
      if (!filters.has(phase)) filters.set(phase, filter(phase / up, scale, reach, half, shape));
      const taps = filters.get(phase);
      const first = (centre - reach + 1 - position) * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let tap = 0, place = first + channel; tap < taps.length; tap++, place += channels) {
          sum += taps[tap] * waiting[place];
        }
        output[index * channels + channel] = sum;
      }
    }
    const used = Math.floor((produced * down) / up) - reach - position;
    if (used > 0) {
      waiting = waiting.slice(used * channels);
      position += used;
    }
    return output;
  }

  for await (const block of blocks) {
    received += block.length / channels;
    waiting = joined([waiting, block]);
    const output = produce(Infinity);
    if (output.length) yield output;
  }
  waiting = joined([waiting, new Float32Array((2 * reach + 1) * channels)]);
  yield produce(rounded((received * toRate) / fromRate));
}

/** Concatenate Float32Arrays. */
export function joined(parts) {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** Round as Python does, halves to the even number. */
export function rounded(number) {
  const nearest = Math.round(number);
  return nearest - number === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

/** Return the filter for a sample that lies `fraction` after an input: its taps begin `reach - 1` inputs before that. */
function filter(fraction, scale, reach, half, shape) {
  return Float64Array.from({ length: 2 * reach }, (_, tap) => {
    const time = (tap - reach + 1 - fraction) * scale;
    const window = Math.abs(time) < half ? bessel(shape * Math.sqrt(1 - (time / half) ** 2)) / bessel(shape) : 0;
    return scale * CUTOFF * sinc(CUTOFF * time) * window;
  });
}

function sinc(x) {
  return x ? Math.sin(Math.PI * x) / (Math.PI * x) : 1;
}

/** The modified Bessel function of order 0, of Kaiser's window. */
function bessel(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > 1e-17 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}
