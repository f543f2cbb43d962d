// The player of one song: what is seen and touched. Sound and position are the engine's.

import { audioContext, Engine, MIXTURE } from "./playback.js";
import { saveFile, wavFile } from "./sounds.js";

const SHORTEST_LOOP = 0.05; // seconds
const SPEEDS = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2];
const QUIETEST = -40; // dB, the end of a stem's slider, which is silence
// The page's colours of the usual stems; the others take what is free.
const COLORS = { vocals: 4, drums: 1, bass: 2, other: 0, accompaniment: 0, instrumental: 0, piano: 3, guitar: 5 };

export const players = []; // all of the page
export let activePlayer = null; // the one that the keyboard acts on

export function clock(seconds) {
  const tenths = Math.floor(seconds * 10 + 1e-6);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return `${Math.floor(tenths / 600)}:${rest}`;
}

export function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

// Of a file: its address, or that and a name where the address has none.
function linkTo(file) {
  return typeof file === "string" ? { href: file, download: "" } : { href: file.url, download: file.filename };
}

function label(control, name, title) {
  control.setAttribute("aria-label", name);
  control.title = title;
}

export class Player {
  constructor(song, number) {
    this.song = song;
    this.engine = new Engine(song);
    this.engine.onerror = (error) => this.showFailure(error);
    this.element = fromTemplate("player");
    this.element.id = `song-${number}`;
    this.box = this.find(".player");
    this.ruler = this.find(".ruler");
    this.waves = null; // wavesurfer instances, made when the song is first opened
    this.selected = 0; // number of the lane that keys act on
    this.labelSong();
    const colors = laneColors(this.engine.lanes);
    this.lanes = this.engine.allLanes.map((lane) => this.addLane(lane, colors));
    this.addSource(number);
    this.addVersions(number);
    this.connectControls();
    this.connectRuler();
    this.refresh();
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  labelSong() {
    const { name, caption, start, duration, total, scale } = this.song;
    const part = duration < total - 0.05 ? `${clock(start)} to ${clock(start + duration)} of ${clock(total)}` : clock(total);
    this.find("h3").textContent = name;
    this.find(".length").textContent = caption ? `${part} · ${caption}` : part;
    this.find(".scale").textContent = scale ?? "";
    this.find(".spectrograms").hidden = !scale;
    this.box.setAttribute("aria-label", `Player of ${name}`);
    this.ruler.setAttribute("aria-valuemin", start.toFixed(1));
    this.ruler.setAttribute("aria-valuemax", (start + duration).toFixed(1));
    this.ruler.append(...rulerMarks(start, duration));
  }

  // Lanes, and what can be compared

  addLane(name, colors) {
    const element = fromTemplate("lane");
    const find = (selector) => element.querySelector(selector);
    const number = this.engine.lanes.indexOf(name) + 1;
    const lane = { name, element, note: find(".note"), level: find(".level"), solo: find(".solo"), mute: find(".mute") };
    element.dataset.lane = name;
    find(".lane-name").textContent = name === MIXTURE ? "original" : name;
    if (name === MIXTURE) {
      element.classList.add("mixture");
      find(".lane-controls").remove();
      find(".lane-buttons").remove();
    } else {
      element.style.setProperty("--stem", `var(--series-${colors.get(name)})`);
      this.connectLane(lane, number, find);
    }
    this.find(".lanes").append(element);
    return lane;
  }

  connectLane(lane, number, find) {
    const { name } = lane;
    const keyed = number <= 9;
    label(lane.solo, `Solo ${name}`, keyed ? `Solo (${number})` : "Solo");
    label(lane.mute, `Mute ${name}`, keyed ? `Mute (Shift ${number})` : "Mute");
    this.on(lane.solo, () => this.engine.toggleSolo(name));
    this.on(lane.mute, () => this.engine.toggleMute(name));
    lane.range = find(".mute-range");
    label(lane.range, `Mute ${name} A–B`, "Mute from A to B (X)");
    this.on(lane.range, () => this.toggleRange(name));
    lane.gain = find(".gain input");
    lane.gainText = find(".gain output");
    lane.gain.setAttribute("aria-label", `Gain of ${name} in dB`);
    lane.gain.addEventListener("input", () => this.setDecibels(lane, Number(lane.gain.value)));
    lane.gain.addEventListener("dblclick", () => this.setDecibels(lane, 0));
    this.givesKeysBack(lane.gain);
    this.addSave(lane, find(".save"));
    lane.element.addEventListener("pointerdown", () => this.select(number - 1));
  }

  // The file of the stem itself where there is one, else what the page plays of it.
  addSave(lane, button) {
    const file = this.song.files[lane.name];
    lane.save = button;
    label(button, `Save ${lane.name}`, "Save this stem (D)");
    if (file) {
      lane.save = Object.assign(document.createElement("a"), { className: "button save", ...linkTo(file) });
      label(lane.save, `Save ${lane.name}`, "Save this stem (D)");
      lane.save.append(...button.childNodes);
      this.checksFirst(lane.save);
      button.replaceWith(lane.save);
    } else {
      this.on(button, () => this.save(`${this.song.name} ${lane.name}`, (stem) => Number(stem === this.stemOf(lane.name))));
    }
  }

  addSource(number) {
    const { engine } = this;
    const choose = (original) => this.act(() => engine.setOriginal(original));
    const choices = [["Original", () => choose(true)], ["Stems", () => choose(false)]];
    this.sourceRadios = this.addChoices(this.find(".source"), `source-${number}`, engine.hasMixture ? choices : []);
  }

  addVersions(number) {
    const choices = this.song.versions.map((name, version) => [name, () => this.act(() => this.engine.setVersion(version))]);
    this.radios = this.addChoices(this.find(".versions"), `version-${number}`, choices.length < 2 ? [] : choices);
  }

  addChoices(fieldset, group, choices) {
    fieldset.hidden = choices.length === 0;
    return choices.map(([name, action]) => {
      const choice = document.createElement("label");
      const radio = Object.assign(document.createElement("input"), { type: "radio", name: group });
      const text = document.createElement("span");
      text.textContent = name;
      choice.append(radio, text);
      fieldset.append(choice);
      radio.addEventListener("change", action);
      this.givesKeysBack(choice);
      return radio;
    });
  }

  stemOf(lane) {
    return this.song.stems.find(
      (stem) => stem.lane === lane && (stem.version === null || stem.version === this.engine.version),
    );
  }

  // Controls

  connectControls() {
    this.on(this.find(".play"), () => this.playOrPause());
    this.on(this.find(".loop"), () => this.toggleLoop());
    this.on(this.find(".loop-from"), () => this.loopFromHere());
    this.on(this.find(".loop-to"), () => this.loopToHere());
    this.on(this.find(".spectrograms"), () => this.toggleSpectrograms());
    this.on(this.find(".save-mix"), () => this.saveMix());
    if (this.song.zip) Object.assign(this.find(".save-all"), { hidden: false, ...linkTo(this.song.zip) });
    this.checksFirst(this.find(".save-all"));
    this.speed = this.find(".speed select");
    this.speed.append(...SPEEDS.map((speed) => new Option(`${speed}×`, speed, speed === 1, speed === 1)));
    this.speed.addEventListener("change", () => this.act(() => this.engine.setSpeed(Number(this.speed.value))));
    const volume = this.find(".volume input");
    volume.addEventListener("input", () => this.engine.setVolume(volume.value ** 2));
    this.givesKeysBack(volume);
    this.element.addEventListener("toggle", () => this.openOrClose());
    this.element.addEventListener("focusin", () => this.activate());
    this.element.addEventListener("pointerdown", () => this.activate());
  }

  on(button, action) {
    button.addEventListener("click", (event) => {
      this.act(action);
      if (event.detail > 0) this.box.focus({ preventScroll: true });
    });
  }

  // After a pointer the keys are the player's again; who chose by keyboard stays where they are.
  givesKeysBack(control) {
    control.addEventListener("pointerup", () => setTimeout(() => this.box.focus({ preventScroll: true })));
  }

  act(action) {
    this.activate();
    action();
    this.refresh();
  }

  activate() {
    activePlayer = this;
  }

  openOrClose() {
    if (this.element.open) {
      this.activate();
      this.waves ??= this.drawWaves();
    } else {
      this.engine.release();
    }
    this.refresh();
  }

  async playOrPause() {
    if (this.engine.wanted) {
      this.stop();
      return;
    }
    players.forEach((player) => player !== this && player.stop());
    this.setStatus("Decoding…");
    try {
      await this.engine.play();
      if (this.engine.playing) this.setStatus("");
      this.follow();
    } catch (error) {
      this.showFailure(error);
    }
    this.refresh();
  }

  showFailure(error) {
    this.stop();
    this.setStatus(`The sound could not be played: ${error.message}`);
  }

  // Takes the player out of the page.
  close() {
    this.engine.release();
    this.waves?.forEach(({ wave }) => wave.destroy());
    this.element.remove();
    players.splice(players.indexOf(this), 1);
    if (activePlayer === this) activePlayer = null;
  }

  stop() {
    this.engine.pause();
    this.setStatus("");
    this.refresh();
  }

  setStatus(text) {
    this.find(".status").textContent = text;
  }

  seek(position) {
    this.act(() => this.engine.seek(position));
  }

  select(index) {
    this.selected = Math.min(Math.max(0, index), this.engine.lanes.length - 1);
    this.refresh();
  }

  get selectedLane() {
    return this.lanes.find(({ name }) => name === this.engine.lanes[this.selected]);
  }

  setDecibels(lane, decibels) {
    lane.gain.value = decibels;
    const value = Number(lane.gain.value);
    this.act(() => this.engine.setGain(lane.name, value <= QUIETEST ? 0 : 10 ** (value / 20)));
  }

  changeDecibels(change) {
    this.setDecibels(this.selectedLane, Number(this.selectedLane.gain.value) + change);
  }

  changeSpeed(step) {
    const index = SPEEDS.indexOf(this.engine.speed) + step;
    if (index in SPEEDS) this.engine.setSpeed(SPEEDS[index]);
  }

  toggleOriginal() {
    this.engine.setOriginal(!this.engine.original);
  }

  toggleRange(lane) {
    if (this.engine.loop) this.engine.toggleRange(lane, this.engine.loop);
  }

  saveMix() {
    const { engine } = this;
    const name = engine.original ? `${this.song.name} original` : `${this.song.name} mix`;
    if (this.song.stems.some((stem) => engine.gainOf(stem) > 0)) this.save(name, (stem) => engine.gainOf(stem));
    else this.setStatus("All stems are muted: there is nothing to save.");
  }

  // By what made the song, if it can mix, in memory that does not grow with the length.
  async save(name, gainOf) {
    if (this.song.mix && this.engine.speed === 1) {
      this.saveLinked(linkTo(this.song.mix(this.engine.recipe(gainOf))));
      return;
    }
    try {
      saveFile(await this.mix(gainOf), `${name}.wav`);
      this.setStatus("");
    } catch (error) {
      this.setStatus(`The sound could not be saved: ${error.message}`);
    }
  }

  // Saves a file by its address, which leads nowhere once what made the song has ended or removed it.
  async saveLinked(link) {
    try {
      await this.song.check?.();
      this.setStatus("");
      Object.assign(document.createElement("a"), link).click();
    } catch (error) {
      this.setStatus(`This could not be saved: ${error.message}`);
    }
  }

  checksFirst(link) {
    if (!this.song.check) return;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      this.saveLinked({ href: link.href, download: link.download });
    });
  }

  // What the stems give at their gains, within the loop or all of it, as a wav file.
  async mix(gainOf) {
    const blocks = await this.engine.render(gainOf, (share) => this.setStatus(`Mixing… ${Math.round(100 * share)} %`));
    return wavFile(blocks, audioContext().sampleRate);
  }

  soloOrMute(index, mute) {
    const lane = this.engine.lanes[index];
    if (lane !== undefined) this.act(() => (mute ? this.engine.toggleMute(lane) : this.engine.toggleSolo(lane)));
  }

  nextVersion() {
    this.act(() => this.engine.setVersion((this.engine.version + 1) % this.song.versions.length));
  }

  toggleSpectrograms() {
    if (!this.song.scale) return;
    const shown = this.box.classList.toggle("shows-spectrograms");
    press(this.find(".spectrograms"), shown);
    this.find(".scale").hidden = !shown;
    if (shown) this.element.querySelectorAll("img[data-picture]").forEach(loadPicture);
  }

  // Loop

  toggleLoop() {
    this.engine.setLoop(this.engine.loop ? null : [0, this.song.duration]);
  }

  loopFromHere() {
    const end = this.engine.loop?.[1] ?? this.song.duration;
    this.setLoop(this.engine.position, end);
  }

  loopToHere() {
    const start = this.engine.loop?.[0] ?? 0;
    this.setLoop(start, this.engine.position);
  }

  setLoop(from, to) {
    const end = to - from < SHORTEST_LOOP ? this.song.duration : to;
    this.engine.setLoop(end - from < SHORTEST_LOOP ? null : [from, end]);
  }

  connectRuler() {
    let anchor = null;
    this.ruler.addEventListener("pointerdown", (event) => {
      anchor = this.timeAt(event);
      this.ruler.setPointerCapture(event.pointerId);
    });
    this.ruler.addEventListener("pointermove", (event) => {
      if (anchor !== null) this.showLoop(this.draggedLoop(anchor, event));
    });
    this.ruler.addEventListener("pointerup", (event) => {
      if (anchor === null) return;
      const loop = this.draggedLoop(anchor, event);
      const start = anchor;
      anchor = null;
      this.act(() => (loop ? this.engine.setLoop(loop) : this.engine.seek(start)));
    });
    this.ruler.addEventListener("pointercancel", () => {
      anchor = null;
      this.refresh();
    });
  }

  timeAt(event) {
    const { left, width } = this.ruler.getBoundingClientRect();
    return Math.min(Math.max(0, (event.clientX - left) / width), 1) * this.song.duration;
  }

  // The region that was drawn, or null for what was no more than a click.
  draggedLoop(anchor, event) {
    const here = this.timeAt(event);
    const least = Math.max(SHORTEST_LOOP, (5 / this.ruler.clientWidth) * this.song.duration);
    return Math.abs(here - anchor) < least ? null : [Math.min(anchor, here), Math.max(anchor, here)];
  }

  // What is drawn

  drawWaves() {
    return this.song.stems.map((stem) => {
      const lane = this.lanes.find(({ name }) => name === stem.lane);
      const view = document.createElement("div");
      view.className = "wave";
      lane.element.querySelector(".waves").append(view);
      const wave = this.createWave(stem, view);
      if (stem.spectrogram) {
        const picture = Object.assign(document.createElement("img"), { alt: `Spectrogram of ${stem.lane}` });
        picture.dataset.picture = stem.spectrogram;
        view.append(picture);
      }
      return { stem, view, wave, lane: lane.element };
    });
  }

  createWave(stem, container) {
    const lane = container.closest(".lane");
    const wave = WaveSurfer.create({
      container,
      height: "auto",
      peaks: stem.peaks.map((values) => values.map((value) => value / 100)),
      duration: this.song.duration,
      maxPeak: 1,
      cursorWidth: 0,
      dragToSeek: true,
      hideScrollbar: true,
      ...waveColors(lane),
    });
    wave.on("interaction", (time) => this.seek(time));
    wave.on("ready", () => wave.setTime(this.engine.position));
    return wave;
  }

  follow() {
    if (this.engine.ended) {
      this.engine.pause();
      this.refresh();
    }
    if (!this.engine.playing) return;
    this.refreshPosition();
    requestAnimationFrame(() => this.follow());
  }

  refresh() {
    const { engine } = this;
    this.box.classList.toggle("plays", engine.playing);
    this.find(".play").setAttribute("aria-label", engine.playing ? "Pause" : "Play");
    press(this.find(".loop"), engine.loop !== null);
    this.radios.forEach((radio, version) => (radio.checked = version === engine.version));
    this.sourceRadios.forEach((radio, index) => (radio.checked = (index === 0) === engine.original));
    this.speed.value = engine.speed;
    this.lanes.forEach((lane) => this.refreshLane(lane));
    this.waves?.forEach(({ stem, view }) => {
      view.classList.toggle("hidden", stem.version !== null && stem.version !== engine.version);
    });
    this.showLoop(engine.loop);
    this.refreshPosition();
  }

  refreshLane(lane) {
    const { engine } = this;
    const stem = this.stemOf(lane.name);
    lane.note.textContent = stem ? stem.note : "no estimate";
    lane.element.classList.toggle("silent", !stem || !engine.isHeard(lane.name));
    if (!lane.gain) return;
    lane.element.classList.toggle("selected", lane === this.selectedLane);
    press(lane.solo, engine.soloed.has(lane.name));
    press(lane.mute, engine.muted.has(lane.name));
    lane.range.disabled = !engine.loop;
    lane.gainText.textContent = lane.gain.value <= QUIETEST ? "−∞ dB" : `${Number(lane.gain.value)} dB`.replace("-", "−");
    this.showRanges(lane, engine.ranges.get(lane.name));
  }

  showRanges(lane, ranges) {
    const key = JSON.stringify(ranges);
    if (lane.shownRanges === key) return;
    lane.shownRanges = key;
    lane.element.querySelectorAll(".range").forEach((range) => range.remove());
    for (const range of ranges) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "range" });
      const [from, to] = range.map((time) => clock(this.song.start + time));
      button.style.left = `${(100 * range[0]) / this.song.duration}%`;
      button.style.width = `${(100 * (range[1] - range[0])) / this.song.duration}%`;
      label(button, `Let ${lane.name} sound again from ${from} to ${to}`, "Muted; click to let it sound again");
      this.on(button, () => this.engine.toggleRange(lane.name, range));
      lane.element.querySelector(".waves").append(button);
    }
  }

  refreshPosition() {
    const { position, playing } = this.engine;
    const { start, duration } = this.song;
    this.find(".clock").textContent = `${clock(start + position)} / ${clock(start + duration)}`;
    this.box.style.setProperty("--position", position / duration);
    this.ruler.setAttribute("aria-valuenow", (start + position).toFixed(1));
    this.ruler.setAttribute("aria-valuetext", clock(start + position));
    this.waves?.forEach(({ wave }) => wave.setTime(position));
    for (const { name, level } of this.lanes) {
      level.style.setProperty("--level", playing ? meterValue(this.engine.level(name)) : 0);
    }
  }

  showLoop(loop) {
    const [from, to] = (loop ?? [0, 0]).map((time) => time / this.song.duration);
    this.box.style.setProperty("--loop-from", from);
    this.box.style.setProperty("--loop-width", to - from);
  }
}

// From -60 dB to full scale.
function meterValue({ peak }) {
  return Math.min(1, Math.max(0, 1 + Math.log10(peak + 1e-9) / 3));
}

function rulerMarks(start, duration) {
  const step = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300].find((seconds) => duration / seconds <= 10) ?? 600;
  const first = Math.ceil(start / step - 1e-9) * step;
  // None so close to the end that its text would be cut off.
  const count = Math.max(0, Math.ceil((start + 0.95 * duration - first) / step));
  return Array.from({ length: count }, (_, index) => first + index * step).map((time) => {
    const mark = document.createElement("span");
    mark.textContent = step < 1 ? clock(time) : clock(time).slice(0, -2);
    mark.style.left = `${(100 * (time - start)) / duration}%`;
    return mark;
  });
}

function loadPicture(image) {
  image.src = `data:image/jpeg;base64,${image.dataset.picture}`;
  delete image.dataset.picture;
}

// A colour of the page for each lane, all different while they last.
function laneColors(lanes) {
  const used = new Set(lanes.map((lane) => COLORS[lane]));
  const free = [0, 1, 2, 3, 4, 5].filter((color) => !used.has(color));
  const taken = new Set();
  return new Map(
    lanes.map((lane, index) => {
      let color = COLORS[lane];
      if (color === undefined || taken.has(color)) color = free.shift() ?? index % 6;
      taken.add(color);
      return [lane, color];
    }),
  );
}

export function waveColors(lane) {
  const color = getComputedStyle(lane).getPropertyValue("--stem").trim();
  return { waveColor: `${color}99`, progressColor: color };
}
