// The sound of one song. Every stem of every version plays all the time, from buffers that start at one moment of one
// clock; solo, mute and comparing change gains alone, so that nothing can fall out of step.

const AHEAD = 0.03; // seconds between asking the sources to start and their start
const FADE = 0.004; // seconds, time constant of every change of a gain

let sharedContext = null;

function audioContext() {
  sharedContext ??= new AudioContext();
  return sharedContext;
}

function soundBytes(id) {
  const text = document.getElementById(id).textContent;
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
}

class Engine {
  // stems: [{lane, version, sound}], where a version of null sounds under every version.
  constructor(stems, duration) {
    this.stems = stems;
    this.duration = duration;
    this.lanes = [...new Set(stems.map((stem) => stem.lane))];
    this.version = 0;
    this.soloed = new Set();
    this.muted = new Set();
    this.loop = null; // [from, to] in seconds
    this.wanted = false; // whether it is to play, be it that the sound is still being decoded
    this.playing = false;
    this.volume = 1;
    this.offset = 0; // position at `startedAt`, and while nothing plays
    this.startedAt = 0;
    this.channels = null; // made when the song is first played
    this.loading = null;
  }

  load() {
    this.loading ??= this.decode().catch((error) => {
      this.loading = null;
      throw error;
    });
    return this.loading;
  }

  async decode() {
    const context = audioContext();
    const buffers = await Promise.all(this.stems.map((stem) => context.decodeAudioData(soundBytes(stem.sound))));
    this.master = new GainNode(context, { gain: this.volume });
    this.master.connect(context.destination);
    this.meters = new Map(this.lanes.map((lane) => [lane, this.meter(context)]));
    this.channels = this.stems.map((stem, index) => this.channel(context, stem, buffers[index]));
  }

  meter(context) {
    const analyser = new AnalyserNode(context, { fftSize: 2048 });
    analyser.connect(this.master);
    return { analyser, samples: new Float32Array(analyser.fftSize) };
  }

  channel(context, stem, buffer) {
    const gain = new GainNode(context, { gain: this.isAudible(stem) ? 1 : 0 });
    gain.connect(this.meters.get(stem.lane).analyser);
    return { stem, buffer, gain, source: null };
  }

  // Frees the decoded sound; the position stays.
  release() {
    this.pause();
    this.master?.disconnect();
    this.channels = null;
    this.loading = null;
  }

  get position() {
    if (!this.playing) return this.offset;
    const position = this.offset + Math.max(0, audioContext().currentTime - this.startedAt);
    if (!this.loop) return Math.min(position, this.duration);
    const [from, to] = this.loop;
    return position < to ? position : from + ((position - from) % (to - from));
  }

  get ended() {
    return this.playing && !this.loop && this.position >= this.duration;
  }

  async play() {
    this.wanted = true;
    await this.load();
    await audioContext().resume();
    if (this.wanted && !this.playing) this.start();
  }

  start() {
    if (this.ended || this.offset >= this.duration) this.offset = 0;
    if (this.loop && (this.offset < this.loop[0] || this.offset >= this.loop[1])) this.offset = this.loop[0];
    this.startedAt = audioContext().currentTime + AHEAD;
    this.channels.forEach((channel) => this.startSource(channel));
    this.playing = true;
  }

  startSource(channel) {
    const [loopStart, loopEnd] = this.loop ?? [0, 0];
    channel.source = new AudioBufferSourceNode(audioContext(), {
      buffer: channel.buffer,
      loop: this.loop !== null,
      loopStart,
      loopEnd,
    });
    channel.source.connect(channel.gain);
    channel.source.start(this.startedAt, this.offset);
  }

  pause() {
    this.wanted = false;
    this.halt();
  }

  halt() {
    if (!this.playing) return;
    this.offset = this.position;
    this.playing = false;
    this.channels.forEach((channel) => channel.source.stop());
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

  restart(change) {
    const playing = this.playing;
    this.halt();
    change();
    if (playing && this.offset < this.duration) this.start();
    else if (playing) this.pause();
  }

  setVersion(version) {
    this.version = version;
    this.applyGains();
  }

  toggleSolo(lane) {
    toggle(this.soloed, lane);
    this.applyGains();
  }

  toggleMute(lane) {
    toggle(this.muted, lane);
    this.applyGains();
  }

  setVolume(volume) {
    this.volume = volume;
    this.master?.gain.setTargetAtTime(volume, audioContext().currentTime, FADE);
  }

  isHeard(lane) {
    return this.soloed.size ? this.soloed.has(lane) : !this.muted.has(lane);
  }

  isAudible(stem) {
    return this.isHeard(stem.lane) && (stem.version === null || stem.version === this.version);
  }

  applyGains() {
    for (const { stem, gain } of this.channels ?? []) {
      gain.gain.setTargetAtTime(this.isAudible(stem) ? 1 : 0, audioContext().currentTime, FADE);
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
}

function toggle(set, item) {
  if (!set.delete(item)) set.add(item);
}
