// The player of one song: what is seen and touched. Sound and position are the engine's.

const MIXTURE = "mixture";
const SHORTEST_LOOP = 0.05; // seconds

let activePlayer = null; // the one that the keyboard acts on

function clock(seconds) {
  const tenths = Math.floor(seconds * 10 + 1e-6);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return `${Math.floor(tenths / 600)}:${rest}`;
}

function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

class Player {
  constructor(song, number) {
    this.song = song;
    this.engine = new Engine(song.stems, song.duration);
    if (this.engine.lanes.length > 1 && this.engine.lanes[0] === MIXTURE) this.engine.muted.add(MIXTURE);
    this.element = fromTemplate("player");
    this.element.id = `song-${number}`;
    this.box = this.find(".player");
    this.ruler = this.find(".ruler");
    this.waves = null; // wavesurfer instances, made when the song is first opened
    this.failure = "";
    this.labelSong();
    this.lanes = this.engine.lanes.map((lane, index) => this.addLane(lane, index));
    this.addVersions(number);
    this.connectControls();
    this.connectRuler();
    this.refresh();
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  labelSong() {
    const { name, start, duration, total, scale } = this.song;
    const part = duration < total - 0.05 ? `${clock(start)} to ${clock(start + duration)} of ${clock(total)}` : clock(total);
    this.find("h3").textContent = name;
    this.find(".length").textContent = part;
    this.find(".scale").textContent = scale;
    this.box.setAttribute("aria-label", `Player of ${name}`);
    this.ruler.setAttribute("aria-valuemax", duration.toFixed(1));
    this.ruler.append(...rulerMarks(duration));
  }

  // Lanes and versions

  addLane(name, index) {
    const element = fromTemplate("lane");
    const buttons = { solo: element.querySelector(".solo"), mute: element.querySelector(".mute") };
    element.dataset.lane = name;
    element.querySelector(".lane-name").textContent = name;
    buttons.solo.setAttribute("aria-label", `Solo ${name}`);
    buttons.mute.setAttribute("aria-label", `Mute ${name}`);
    if (index < 9) {
      buttons.solo.title = `Solo (${index + 1})`;
      buttons.mute.title = `Mute (Shift ${index + 1})`;
    }
    this.on(buttons.solo, () => this.engine.toggleSolo(name));
    this.on(buttons.mute, () => this.engine.toggleMute(name));
    this.find(".lanes").append(element);
    return { name, element, ...buttons, note: element.querySelector(".note"), level: element.querySelector(".level") };
  }

  addVersions(number) {
    const choice = this.find(".versions");
    choice.hidden = this.song.versions.length < 2;
    this.radios = this.song.versions.map((name, version) => {
      const label = document.createElement("label");
      const radio = Object.assign(document.createElement("input"), { type: "radio", name: `version-${number}` });
      const text = document.createElement("span");
      text.textContent = name;
      label.append(radio, text);
      choice.append(label);
      radio.addEventListener("change", () => this.act(() => this.engine.setVersion(version)));
      // After a click the keys are the player's again; who chose by keyboard stays where they are.
      label.addEventListener("pointerup", () => setTimeout(() => this.box.focus({ preventScroll: true })));
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
    const volume = this.find(".volume input");
    volume.addEventListener("input", () => this.engine.setVolume(volume.value ** 2));
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
      this.stop();
      this.setStatus(`The sound could not be played: ${error.message}`);
    }
    this.refresh();
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

  soloOrMute(index, mute) {
    const lane = this.engine.lanes[index];
    if (lane !== undefined) this.act(() => (mute ? this.engine.toggleMute(lane) : this.engine.toggleSolo(lane)));
  }

  nextVersion() {
    this.act(() => this.engine.setVersion((this.engine.version + 1) % this.song.versions.length));
  }

  toggleSpectrograms() {
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
      const picture = Object.assign(document.createElement("img"), { alt: `Spectrogram of ${stem.lane}` });
      picture.dataset.picture = stem.spectrogram;
      lane.element.querySelector(".waves").append(view);
      const wave = this.createWave(stem, view);
      view.append(picture);
      return { stem, view, wave };
    });
  }

  createWave(stem, container) {
    const wave = WaveSurfer.create({
      container,
      height: "auto",
      peaks: stem.peaks.map((values) => values.map((value) => value / 100)),
      duration: this.song.duration,
      maxPeak: 1,
      cursorWidth: 0,
      dragToSeek: true,
      hideScrollbar: true,
      ...waveColors(),
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
    this.lanes.forEach((lane) => this.refreshLane(lane));
    this.waves?.forEach(({ stem, view }) => {
      view.classList.toggle("hidden", stem.version !== null && stem.version !== engine.version);
    });
    this.showLoop(engine.loop);
    this.refreshPosition();
  }

  refreshLane(lane) {
    const stem = this.stemOf(lane.name);
    lane.note.textContent = stem ? stem.note : "no estimate";
    lane.element.classList.toggle("silent", !stem || !this.engine.isHeard(lane.name));
    press(lane.solo, this.engine.soloed.has(lane.name));
    press(lane.mute, this.engine.muted.has(lane.name));
  }

  refreshPosition() {
    const { position, playing } = this.engine;
    this.find(".clock").textContent = `${clock(position)} / ${clock(this.song.duration)}`;
    this.box.style.setProperty("--position", position / this.song.duration);
    this.ruler.setAttribute("aria-valuenow", position.toFixed(1));
    this.ruler.setAttribute("aria-valuetext", clock(position));
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

function rulerMarks(duration) {
  const step = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300].find((seconds) => duration / seconds <= 10) ?? 600;
  // None so close to the end that its text would be cut off.
  const times = Array.from({ length: Math.ceil((0.95 * duration) / step) }, (_, index) => index * step);
  return times.map((time) => {
    const mark = document.createElement("span");
    mark.textContent = step < 1 ? clock(time) : clock(time).slice(0, -2);
    mark.style.left = `${(100 * time) / duration}%`;
    return mark;
  });
}

function loadPicture(image) {
  image.src = `data:image/jpeg;base64,${image.dataset.picture}`;
  delete image.dataset.picture;
}

function waveColors() {
  const style = getComputedStyle(document.documentElement);
  return {
    waveColor: style.getPropertyValue("--wave").trim(),
    progressColor: style.getPropertyValue("--wave-played").trim(),
  };
}
