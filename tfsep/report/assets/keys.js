// The keyboard, which acts on the active player, and the colours of waveforms, which follow the page's.

import { activePlayer, players, waveColors } from "./player.js";

const KEYS = {
  " ": (player) => player.act(() => player.playOrPause()),
  ArrowLeft: (player, shift) => player.seek(player.engine.position - (shift ? 5 : 1)),
  ArrowRight: (player, shift) => player.seek(player.engine.position + (shift ? 5 : 1)),
  ArrowUp: (player) => player.select(player.selected - 1),
  ArrowDown: (player) => player.select(player.selected + 1),
  "+": (player) => player.changeDecibels(1),
  "-": (player) => player.changeDecibels(-1),
  Home: (player) => player.seek(0),
  End: (player) => player.seek(player.song.duration),
  ",": (player) => player.act(() => player.changeSpeed(-1)),
  ".": (player) => player.act(() => player.changeSpeed(1)),
  c: (player) => player.nextVersion(),
  d: (player) => player.selectedLane.save.click(),
  i: (player) => player.act(() => player.loopFromHere()),
  l: (player) => player.act(() => player.toggleLoop()),
  m: (player) => player.soloOrMute(player.selected, true),
  o: (player) => player.act(() => player.loopToHere()),
  s: (player) => player.act(() => player.toggleSpectrograms()),
  t: (player) => player.act(() => player.toggleOriginal()),
  w: (player) => player.saveMix(),
  x: (player) => player.act(() => player.toggleRange(player.selectedLane.name)),
  Escape: (player) => player.act(() => player.engine.setLoop(null)),
};

// A control that has the focus keeps the keys that it understands itself.
function isControls(key, target) {
  if (target.matches("input[type=range]")) return /^(Arrow|Home|End|Page)/.test(key);
  if (target.matches("input, select, textarea")) return key !== "Escape";
  return [" ", "Enter"].includes(key) && target.matches("button, summary, a");
}

function handleKey(event) {
  if (!activePlayer?.element.open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isControls(event.key, event.target)) return;
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code);
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!digit && !action) return;
  event.preventDefault();
  if (digit) activePlayer.soloOrMute(Number(digit[1]) - 1, event.shiftKey);
  else action(activePlayer, event.shiftKey);
}

function recolorWaves() {
  players.forEach((player) => player.waves?.forEach(({ wave, lane }) => wave.setOptions(waveColors(lane))));
}

document.addEventListener("keydown", handleKey);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolorWaves);
globalThis.tfsepPlayers = players; // for tests and a browser's console: a module keeps its names to itself
