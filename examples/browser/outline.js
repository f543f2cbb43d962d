// The outline of a sound's waveform, as the player draws it.

const PARTS = 2000;
const QUIETEST = 1e-3; // peak that fills the height at most

/** The greatest and the least sample of each of some 2000 parts of a sound, whose length need not be exact. */
export class Outline {
  #high = [];
  #low = [];
  #samples = 0;

  constructor(samples, channels) {
    this.channels = channels;
    this.span = Math.max(1, Math.ceil(samples / PARTS));
  }

  /** Add the next samples, whose mean over channels is drawn. */
  add(block) {
    for (let place = 0; place < block.length; place += this.channels, this.#samples++) {
      let sum = 0;
      for (let channel = 0; channel < this.channels; channel++) sum += block[place + channel];
      const mean = sum / this.channels;
      const part = Math.floor(this.#samples / this.span);
      this.#high[part] = Math.max(this.#high[part] ?? -Infinity, mean);
      this.#low[part] = Math.min(this.#low[part] ?? Infinity, mean);
    }
  }

  /** Return the greatest and the least samples, in hundredths of the peak. */
  hundredths() {
    const peak = [...this.#high, ...this.#low].reduce((most, value) => Math.max(most, Math.abs(value)), QUIETEST);
    return [this.#high, this.#low].map((values) => values.map((value) => Math.round((100 * value) / peak)));
  }
}
