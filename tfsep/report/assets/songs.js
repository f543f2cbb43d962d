// The songs that the page itself contains, with their sound in it or in scripts beside it.

import { Player, players } from "./player.js";

// The stems of a span, each as a file.
async function embeddedSound(id, folder) {
  const stems = (await soundText(id, folder)).split(",");
  return stems.map((stem) => Uint8Array.from(atob(stem), (character) => character.charCodeAt(0)).buffer);
}

// The text of a span: in the page, or in a script beside it.
async function soundText(id, folder) {
  if (!folder) return document.getElementById(`sound-${id}`).textContent;
  const script = document.createElement("script");
  script.src = `${folder}/${id}.js`;
  await new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${folder}/${id}.js is missing. Keep the folder ${folder} beside this page.`));
    document.head.append(script);
  });
  script.remove();
  const text = tfsepSounds[id];
  delete tfsepSounds[id];
  return text;
}

function openLinkedSong() {
  const player = players.find(({ element }) => `#${element.id}` === location.hash);
  if (player) player.element.open = true;
}

document.querySelectorAll("script.song-data").forEach((script, number) => {
  const song = JSON.parse(script.textContent);
  song.sound = (span) => embeddedSound(`${number}-${span}`, song.beside);
  players.push(new Player(song, number));
});
const songs = document.getElementById("songs");
songs.hidden = players.length === 0;
songs.classList.toggle("single", players.length === 1);
document.getElementById("players").append(...players.map((player) => player.element));
if (players.length) players[0].element.open = true;
openLinkedSong();
addEventListener("hashchange", openLinkedSong);
