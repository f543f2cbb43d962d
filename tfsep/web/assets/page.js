// The page: songs come in, wait for each other, are separated and can be played.

import "./keys.js";
import { takeSongs } from "./drop.js";
import { earlier, keepsSongs, models } from "./engine.js";
import { chosen, showOptions } from "./options.js";
import { Item } from "./item.js";
import { players } from "./player.js";
import { words } from "./words.js";

const list = document.getElementById("queue");
const section = document.getElementById("songs");
const announcement = document.getElementById("announcement");
const notice = document.getElementById("notice");

let running = null;

function add(item) {
  list.append(item.element);
  item.onend = (sentence) => {
    announcement.textContent = sentence;
    document.title = "tfsep";
    if (item.player && players.filter(({ element }) => element.open).length === 0) item.open();
    refresh();
  };
  item.onprogress = (fraction) => (document.title = `${words.percent(fraction)} tfsep`.trim());
  item.onready = run; // again after it failed
  item.onremove = refresh;
  refresh();
}

function refresh() {
  section.hidden = list.children.length === 0;
  section.querySelector(".keys").hidden = players.length === 0;
  document.body.classList.toggle("busy", list.children.length > 0);
}

// One song after the other, in the order of the list.
async function run() {
  if (running) return;
  while ((running = [...list.children].map((element) => element.item).find((item) => item.isWaiting))) {
    await running.run();
  }
}

function addFiles(files) {
  for (const file of files) add(Item.of(file, chosen()));
  notice.textContent = files.length ? "" : "No songs were found there. Drop or choose files or a folder, not a link.";
  run();
}

addEventListener("beforeunload", (event) => {
  if (running || (players.length > 0 && !keepsSongs)) event.preventDefault();
});

try {
  const [found, songs] = [await models(), await earlier()];
  songs.forEach((song) => add(Item.again(song)));
  takeSongs(addFiles);
  showOptions(found);
  run();
} catch (error) {
  document.querySelector(".invitation").textContent = error.message;
}
