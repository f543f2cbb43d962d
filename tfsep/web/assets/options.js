// The choice of model, stems and format.

import { words } from "./words.js";

const form = document.getElementById("options");
const stemBoxes = document.getElementById("stems");

let rows = [];

// Shows what there is to choose; `found` is what the engine's `models` gives.
export function showOptions({ models, formats }) {
  rows = models;
  const notes = [...new Set(models.filter(({ score }) => score).map(({ score }) => noteOf(score)))];
  document.getElementById("models").append(...models.map((model) => row(model, notes)));
  document.getElementById("model-notes").append(...notes.map(note), note(words.comparable), note(words.speeds));
  document.getElementById("format").append(...formats.map((format) => new Option(format)));
  choose(models.find((model) => model.default) ?? models[0]);
}

// What is chosen now, as the engine's `separate` takes it.
export function chosen() {
  const model = new FormData(form).get("model");
  const boxes = [...stemBoxes.querySelectorAll("input")];
  const checked = boxes.filter((box) => box.checked).map((box) => box.value);
  return {
    model,
    stems: checked.length === boxes.length ? null : checked,
    format: document.getElementById("format").value,
    residual: document.getElementById("residual").checked ? "rest" : null,
  };
}

function row(model, notes) {
  const line = document.createElement("tr");
  const name = document.createElement("th");
  const label = document.createElement("label");
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: "model", value: model.name });
  radio.addEventListener("change", () => choose(model));
  label.append(radio, text("b", model.name), text("small", words.place(model)));
  name.scope = "row";
  name.append(label);
  line.append(name, cell("Stems", model.stems.join(", ")), scoreCell(model.score, notes));
  line.append(cell("Licence", model.licence, words.use(model)), cell("Speed", words.speed(model)));
  line.addEventListener("click", (event) => event.target.closest("label") || radio.click());
  return line;
}

function scoreCell(score, notes) {
  if (!score) return cell("Score", "–");
  const made = cell("Score", `${score.value.toFixed(1)} dB`);
  made.append(text("sup", ` ${notes.indexOf(noteOf(score)) + 1}`));
  return made;
}

function noteOf({ measure, data }) {
  return `${measure} on ${data}`;
}

function note(content, index) {
  return text("p", index === undefined ? content : `${index + 1}: ${content}`);
}

// A phone shows the label beside the content instead of a heading above it.
function cell(label, content, small) {
  const made = text("td", content);
  made.dataset.label = label;
  if (small) made.append(text("small", small));
  return made;
}

function text(tag, content) {
  return Object.assign(document.createElement(tag), { textContent: content });
}

function choose(model) {
  form.querySelector(`input[value="${CSS.escape(model.name)}"]`).checked = true;
  document.getElementById("model-name").textContent = model.name;
  document.getElementById("model-facts").textContent = [model.stems.join(", "), words.use(model)].join(" · ");
  stemBoxes.replaceChildren(...model.stems.map(stemBox));
  for (const line of form.querySelectorAll("tbody tr")) line.classList.toggle("chosen", line.querySelector("input").checked);
}

function stemBox(name) {
  const label = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: true });
  label.append(box, text("span", name));
  // At least one stem stays chosen.
  box.addEventListener("change", () => (box.checked ||= !stemBoxes.querySelector("input:checked")));
  return label;
}
