// The sound of one song. Every stem of every version plays all the time; solo, mute and comparing change gains alone.
// All stems of a span start at one moment of one clock, so that nothing can fall out of step. Spans are decoded shortly
// before they are due and cross-faded, so that a long song starts at once and takes little memory.

import { stretch } from "./sounds.js";

export const MIXTURE = "mixture";
const AHEAD = 0.03; // seconds between asking the sources to start and their start
const HORIZON = 3; // seconds that are scheduled in advance
const FADE = 0.004; // seconds, time constant of every change of a gain
const JOIN = 0.005; // seconds of cross-fade between two spans, and at the ends of muted ranges
const KEPT = 4; // decoded spans

let sharedContext = null;

export function audioContext() {
  sharedContext ??= new AudioContext();
  return sharedContext;
}

export class Engine {
  // song: its data, in which a stem's version of null sounds under every version, and `sound`, which gives the encoded
  // stems of a span in a promise of as many ArrayBuffers.
  constructor(song) {
    this.song = song;
    this.duration = song.duration;
    this.lanes = [...new Set(song.stems.map((stem) => stem.lane))].filter((lane) => lane !== MIXTURE);
    this.hasMixture = song.stems.some((stem) => stem.lane === MIXTURE);
    this.original = false; // whether the mixture is heard instead of the stems
    this.version = 0;
    this.soloed = new Set();
    this.muted = new Set();
    this.gains = new Map(this.allLanes.map((lane) => [lane, 1]));
    this.ranges = new Map(this.allLanes.map((lane) => [lane, []])); // muted ranges, [from, to] in seconds
    this.loop = null; // [from, to] in seconds
    this.speed = 1;
    this.wanted = false; // whether it should play; also true while the sound is still being decoded
    this.playing = false;
    this.volume = 1;
    this.offset = 0; // position at `startedAt`, and while nothing plays
    this.startedAt = 0;
    this.next = null; // {time, position} of the sound to schedule next
    this.sources = new Set();
    this.spans = new Map(); // promises of decoded stems
    this.channels = null; // gains of stems, made when the song is first played
  }

  get allLanes() {
    return this.hasMixture ? [MIXTURE, ...this.lanes] : this.lanes;
  }

  // Decoding

  // The stems of a span as buffers at the present speed.
  buffers(span) {
    const key = `${span} ${this.speed}`;
    const found = this.spans.get(key) ?? this.decode(span, this.speed);
    this.spans.delete(key);
    this.spans.set(key, found); // the last used is the last
    if (this.spans.size > KEPT) this.spans.delete(this.spans.keys().next().value);
    found.catch(() => this.spans.delete(key));
    return found;
  }

  async decode(span, speed) {
    const stems = await this.song.sound(span);
    const buffers = await Promise.all(stems.map((stem) => audioContext().decodeAudioData(stem)));
    return speed === 1 ? buffers : stretch(buffers, speed);
  }

  connect() {
    if (this.channels) return;
    const context = audioContext();
    this.master = new GainNode(context, { gain: this.volume });
    this.master.connect(context.destination);
    this.meters = new Map(this.allLanes.map((lane) => [lane, this.meter(context)]));
    this.channels = this.song.stems.map((stem) => {
      const gain = new GainNode(context, { gain: this.gainOf(stem) });
      gain.connect(this.meters.get(stem.lane).analyser);
      return { stem, gain };
    });
  }

  meter(context) {
    const analyser = new AnalyserNode(context, { fftSize: 2048 });
    analyser.connect(this.master);
    return { analyser, samples: new Float32Array(analyser.fftSize) };
  }

  // Frees the decoded sound; the position stays.
  release() {
    this.pause();
    this.master?.disconnect();
    this.channels = null;
    this.spans.clear();
  }

  // Time

  get position() {
    if (!this.playing) return this.offset;
    const position = this.offset + this.speed * Math.max(0, audioContext().currentTime - this.startedAt);
    if (!this.loop) return Math.min(position, this.duration);
    const [from, to] = this.loop;
    return position < to ? position : from + ((position - from) % (to - from));
  }

  get ended() {
    return this.playing && !this.loop && this.position >= this.duration;
  }

  spanAt(position) {
    return Math.floor(position / this.song.span + 1e-9);
  }

  async play() {
    this.wanted = true;
    if (this.offset >= this.duration) this.offset = 0;
    if (this.loop && (this.offset < this.loop[0] || this.offset >= this.loop[1])) this.offset = this.loop[0];
    await this.buffers(this.spanAt(this.offset));
    await audioContext().resume();
    if (this.wanted && !this.playing) this.start();
  }

  start() {
    if (this.loop && (this.offset < this.loop[0] || this.offset >= this.loop[1])) this.offset = this.loop[0];
    this.connect();
    this.startedAt = audioContext().currentTime + AHEAD;
    this.next = { time: this.startedAt, position: this.offset };
    this.playing = true;
    this.timer = setInterval(() => this.fill(), 250);
    this.fill();
  }

  // Schedules what is due within the horizon, one span, or what a loop leaves of it, at a time.
  async fill() {
    const { next } = this;
    if (next.filling) return;
    next.filling = true;
    while (next === this.next && next.time < audioContext().currentTime + HORIZON && next.position < this.duration) {
      const { position } = next;
      const span = this.spanAt(position);
      const end = Math.min((span + 1) * this.song.span, this.loop?.[1] ?? this.duration, this.duration);
      let buffers;
      try {
        buffers = await this.buffers(span);
      } catch (error) {
        if (next === this.next) this.fail(error);
        return;
      }
      if (next !== this.next) return;
      // A late span shifts all that follows.
      const late = Math.max(0, audioContext().currentTime + 0.005 - next.time);
      next.time += late;
      this.startedAt += late;
      this.schedule(audioContext(), buffers, span, position, end, next.time, this.channels);
      next.time += (end - position) / this.speed;
      next.position = this.loop && end >= this.loop[1] ? this.loop[0] : end;
    }
    next.filling = false;
  }

  fail(error) {
    this.pause();
    this.onerror?.(error);
  }

  // Lets all channels sound from one position to another, except in muted ranges.
  schedule(context, buffers, span, from, to, time, channels) {
    const { speed } = this;
    const origin = Math.max(0, span * this.song.span - this.song.lead);
    channels.forEach(({ stem, gain }, index) => {
      for (const [start, end] of without(this.ranges.get(stem.lane), from, to)) {
        const [on, off] = [start, end].map((position) => time + (position - from) / speed);
        const fades = new GainNode(context, { gain: 0 });
        fades.gain.setValueAtTime(0, on);
        fades.gain.linearRampToValueAtTime(1, on + JOIN);
        fades.gain.setValueAtTime(1, Math.max(off, on + JOIN));
        fades.gain.linearRampToValueAtTime(0, Math.max(off, on + JOIN) + JOIN);
        fades.connect(gain);
        const source = new AudioBufferSourceNode(context, { buffer: buffers[index] });
        source.connect(fades);
        source.start(on, (start - origin) / speed, (end - start) / speed + JOIN);
        this.sources.add(source);
        source.onended = () => {
          fades.disconnect();
          this.sources.delete(source);
        };
      }
    });
  }

  pause() {
    this.wanted = false;
    this.halt();
  }

  halt() {
    if (!this.playing) return;
    this.offset = this.position;
    this.playing = false;
    this.next = null;
    clearInterval(this.timer);
    this.sources.forEach((source) => source.stop());
  }

  seek(position) {
    this.restart(() => {
      this.offset = Math.min(Math.max(0, position), this.duration);
    });
  }

  setLoop(loop) {
    this.restart(() => {
      this.loop = loop;
    });
  }

  setSpeed(speed) {
    this.restart(() => {
      this.speed = speed;
    });
  }

  toggleRange(lane, range) {
    const ranges = this.ranges.get(lane);
    const same = ranges.findIndex(([from, to]) => from === range[0] && to === range[1]);
    this.restart(() => (same < 0 ? ranges.push([...range]) : ranges.splice(same, 1)));
  }

  restart(change) {
    const playing = this.playing;
    this.halt();
    change();
    if (playing && this.offset < this.duration) this.start();
    else if (playing) this.pause();
  }

  // Gains

  setVersion(version) {
    this.version = version;
    this.applyGains();
  }

  setOriginal(original) {
    this.original = original && this.hasMixture;
    this.applyGains();
  }

  toggleSolo(lane) {
    toggle(this.soloed, lane);
    this.setOriginal(false);
  }

  toggleMute(lane) {
    toggle(this.muted, lane);
    this.setOriginal(false);
  }

  setGain(lane, gain) {
    this.gains.set(lane, gain);
    this.applyGains();
  }

  setVolume(volume) {
    this.volume = volume;
    this.master?.gain.setTargetAtTime(volume, audioContext().currentTime, FADE);
  }

  isHeard(lane) {
    if (lane === MIXTURE || this.original) return this.original === (lane === MIXTURE);
    return this.soloed.size ? this.soloed.has(lane) : !this.muted.has(lane);
  }

  gainOf(stem) {
    const audible = this.isHeard(stem.lane) && (stem.version === null || stem.version === this.version);
    return audible ? this.gains.get(stem.lane) : 0;
  }

  applyGains() {
    for (const { stem, gain } of this.channels ?? []) {
      gain.gain.setTargetAtTime(this.gainOf(stem), audioContext().currentTime, FADE);
    }
  }

  // Root mean square and peak of what a lane sounds like now.
  level(lane) {
    if (!this.channels) return { rms: 0, peak: 0 };
    const { analyser, samples } = this.meters.get(lane);
    analyser.getFloatTimeDomainData(samples);
    const energy = samples.reduce((sum, sample) => sum + sample * sample, 0);
    const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    return { rms: Math.sqrt(energy / samples.length), peak };
  }

  // Mixing down

  // What is heard now in numbers, for those who mix elsewhere: `gainOf` gives each stem's gain.
  recipe(gainOf) {
    const [from, to] = this.loop ?? [0, this.duration];
    const heard = this.song.stems.filter((stem) => gainOf(stem) > 0);
    return {
      from,
      to,
      gains: Object.fromEntries(heard.map((stem) => [stem.lane, gainOf(stem)])),
      muted: Object.fromEntries(heard.map(({ lane }) => [lane, this.ranges.get(lane)])),
    };
  }

  // What is heard now, within the loop or to the end of the song, as blocks of [left, right]; the volume is left out.
  // `gainOf` gives each stem's gain.
  async render(gainOf, onProgress) {
    const [first, last] = this.loop ?? [0, this.duration];
    const { sampleRate } = audioContext();
    const blocks = [];
    let tail = [new Float32Array(0), new Float32Array(0)];
    for (let from = first; from < last; ) {
      const span = this.spanAt(from);
      const to = Math.min((span + 1) * this.song.span, last);
      const samples = Math.round(((to - first) / this.speed) * sampleRate) - Math.round(((from - first) / this.speed) * sampleRate);
      const joined = Math.round(JOIN * sampleRate);
      const context = new OfflineAudioContext(2, Math.max(1, samples + joined), sampleRate);
      const channels = this.song.stems.map((stem) => {
        const gain = new GainNode(context, { gain: gainOf(stem) });
        gain.connect(context.destination);
        return { stem, gain };
      });
      this.schedule(context, await this.buffers(span), span, from, to, 0, channels);
      const rendered = await context.startRendering();
      const sound = [rendered.getChannelData(0), rendered.getChannelData(1)];
      sound.forEach((channel, side) => tail[side].forEach((sample, index) => (channel[index] += sample)));
      tail = sound.map((channel) => channel.slice(samples));
      blocks.push(sound.map((channel) => channel.subarray(0, samples)));
      from = to;
      onProgress((to - first) / (last - first));
    }
    return blocks;
  }
}

// The parts of a stretch of time outside of ranges.
function without(ranges, from, to) {
  let parts = [[from, to]];
  for (const [start, end] of ranges) {
    parts = parts.flatMap(([one, other]) => [
      [one, Math.min(other, start)],
      [Math.max(one, end), other],
    ]);
    parts = parts.filter(([one, other]) => other > one);
  }
  return parts;
}

function toggle(set, item) {
  if (!set.delete(item)) set.add(item);
}
