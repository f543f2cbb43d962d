// One song of the list: waiting, being separated, done or failed.

import { separate } from "./engine.js";
import { Player, clock, fromTemplate, players } from "./player.js";
import { words } from "./words.js";

let count = 0;

export class Item {
  // A file to be separated with options.
  static of(file, options) {
    return new Item(file.name, (signal, progress) => separate(file, options, { signal, progress }));
  }

  // A song that the engine has from before the page was loaded again, whose file the page has no more.
  static again({ name, start }) {
    return new Item(name, start, ["remove"]);
  }

  constructor(name, start, buttonsAfter = ["again", "remove"]) {
    this.name = name;
    this.start = start;
    this.buttonsAfter = buttonsAfter; // a song that failed or was cancelled
    this.player = null;
    this.element = fromTemplate("item");
    this.element.item = this;
    this.find("h3").textContent = name;
    this.bar = this.find("progress");
    this.bar.setAttribute("aria-label", `Progress of ${name}`);
    for (const [button, verb, action] of [
      ["open", "Listen to", () => this.open(!this.player.element.open)],
      ["again", "Try again with", () => this.retry()],
      ["cancel", "Cancel", () => this.cancel()],
      ["remove", "Remove", () => this.remove()],
    ]) {
      this.find(`.${button}`).setAttribute("aria-label", `${verb} ${name}`);
      this.find(`.${button}`).addEventListener("click", action);
    }
    this.wait();
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  get isWaiting() {
    return this.state === "waiting";
  }

  wait() {
    this.abort = new AbortController();
    this.show("waiting", "Waiting", ["cancel"]);
  }

  async run() {
    const { signal } = this.abort; // of this attempt; another one may begin before this one ends
    this.show("running", "Starting", ["cancel"]);
    try {
      const song = await this.start(signal, (facts) => signal.aborted || this.showProgress(facts));
      if (signal.aborted) return song.release();
      this.song = song;
      this.addPlayer();
      const { caption, duration, warnings = [] } = this.song;
      this.show("done", [caption, clock(duration).slice(0, -2), ...warnings].filter(Boolean).join(" · "), ["open", "remove"]);
      this.onend(`${this.name} is done.`);
    } catch (error) {
      if (signal.aborted) return;
      const state = error.name === "AbortError" ? "cancelled" : "failed";
      this.show(state, error.message, this.buttonsAfter);
      this.onend(`${this.name}: ${state}. ${error.message}`);
    }
  }

  show(state, text, buttons) {
    this.state = state;
    this.element.dataset.state = state;
    this.find(".item-status").textContent = text;
    this.bar.hidden = state !== "running";
    this.bar.removeAttribute("value");
    const focused = document.activeElement?.closest(".item-buttons button");
    for (const button of this.element.querySelectorAll(".item-buttons button")) {
      button.hidden = !buttons.includes(button.classList[0]);
    }
    // Whose button is gone finds the next one in its place.
    if (focused?.hidden && this.element.contains(focused)) this.find(".item-buttons button:not([hidden])").focus();
  }

  showProgress({ state, fraction, secondsLeft }) {
    if (this.state !== "running") return;
    const parts = [state, words.percent(fraction), words.timeLeft(secondsLeft)];
    this.find(".item-status").textContent = parts.filter(Boolean).join(" · ");
    if (fraction === null) this.bar.removeAttribute("value");
    else this.bar.value = fraction;
    this.onprogress(fraction);
  }

  addPlayer() {
    this.player = new Player(playerSong(this.song), count++);
    this.element.classList.add("single");
    this.element.append(this.player.element);
    players.push(this.player);
    this.player.element.addEventListener("toggle", () => this.showOpen());
  }

  open(open = true) {
    this.player.element.open = open;
    this.showOpen();
  }

  showOpen() {
    const { open } = this.player.element;
    this.find(".open").setAttribute("aria-expanded", String(open));
    this.find(".open").textContent = open ? "Close" : "Listen";
    this.find(".open").setAttribute("aria-label", `${open ? "Close" : "Listen to"} ${this.name}`);
  }

  retry() {
    this.wait();
    this.onready();
  }

  cancel() {
    this.abort.abort();
    this.show("cancelled", "Cancelled", this.buttonsAfter);
    this.onend(`${this.name} is cancelled.`);
  }

  remove() {
    this.player?.close();
    this.song?.release();
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
    this.element.remove();
    (next?.querySelector(".item-buttons button:not([hidden])") ?? document.getElementById("choose-files")).focus();
    this.onremove();
  }
}

// A song of the engine as the player takes it.
function playerSong(song) {
  const stems = song.stems.map(({ name, peaks }) => ({ lane: name, version: 0, note: "", peaks }));
  const mixture = song.mixture ? [{ lane: "mixture", version: null, note: "", peaks: song.mixture.peaks }] : [];
  return {
    ...song,
    start: 0,
    total: song.duration,
    versions: ["stems"],
    files: Object.fromEntries(song.stems.map(({ name, url, filename }) => [name, { url, filename }])),
    stems: [...mixture, ...stems],
  };
}
