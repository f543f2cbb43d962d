// All players of the page: their start, and the keyboard, which acts on the active one.

function recolorWaves() {
  players.forEach((player) => player.waves?.forEach(({ wave }) => wave.setOptions(waveColors())));
}

const KEYS = {
  " ": (player) => player.act(() => player.playOrPause()),
  ArrowLeft: (player, shift) => player.seek(player.engine.position - (shift ? 5 : 1)),
  ArrowRight: (player, shift) => player.seek(player.engine.position + (shift ? 5 : 1)),
  Home: (player) => player.seek(0),
  End: (player) => player.seek(player.song.duration),
  c: (player) => player.nextVersion(),
  i: (player) => player.act(() => player.loopFromHere()),
  o: (player) => player.act(() => player.loopToHere()),
  l: (player) => player.act(() => player.toggleLoop()),
  s: (player) => player.act(() => player.toggleSpectrograms()),
  Escape: (player) => player.act(() => player.engine.setLoop(null)),
};

// A control that has the focus keeps the keys that it understands itself.
function isControls(key, target) {
  if (target.matches("input, select, textarea")) return key !== "Escape";
  return key === " " && target.matches("button, summary, a");
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

function openLinkedSong() {
  const player = players.find(({ element }) => `#${element.id}` === location.hash);
  if (player) player.element.open = true;
}

const players = [...document.querySelectorAll("script.song-data")].map(
  (script, number) => new Player(JSON.parse(script.textContent), number),
);
const songs = document.getElementById("songs");
songs.hidden = players.length === 0;
songs.append(...players.map((player) => player.element));
if (players.length) players[0].element.open = true;
openLinkedSong();
document.addEventListener("keydown", handleKey);
addEventListener("hashchange", openLinkedSong);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolorWaves);
globalThis.tfsepPlayers = players; // for tests and a browser's console: a module keeps its names to itself
