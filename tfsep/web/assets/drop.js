// Songs from the user: dropped, chosen, or in a folder.

import { isSong } from "./words.js";

const zone = document.getElementById("drop");

// Calls `add` with each list of files.
export function takeSongs(add) {
  for (const [button, input, filter] of [
    ["choose-files", "files", () => true],
    ["choose-folder", "folder", ({ name }) => isSong(name)],
  ]) {
    const field = document.getElementById(input);
    document.getElementById(button).addEventListener("click", () => field.click());
    field.addEventListener("change", () => {
      add([...field.files].filter(filter));
      field.value = ""; // so that the same file can be chosen again
    });
  }
  let inside = 0; // elements that the pointer is in, with those within the page
  document.addEventListener("dragenter", () => zone.classList.toggle("over", ++inside > 0));
  document.addEventListener("dragleave", () => zone.classList.toggle("over", --inside > 0));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    inside = 0;
    zone.classList.remove("over");
    add(await dropped(event.dataTransfer));
  });
}

async function dropped({ items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...files];
  return (await Promise.all(entries.map((entry) => filesOf(entry, false)))).flat();
}

async function filesOf(entry, inFolder) {
  if (entry.isFile) {
    if (inFolder && !isSong(entry.name)) return [];
    return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  }
  const reader = entry.createReader();
  const found = [];
  for (let some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length; ) found.push(...some);
  found.sort((one, other) => one.name.localeCompare(other.name));
  return (await Promise.all(found.map((inner) => filesOf(inner, true)))).flat();
}
