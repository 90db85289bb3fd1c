// The page: files go to the server one after another; all else happens here.
// Names of files and classes are only ever set as text.

import { draw, grays, loaded } from "./drawing.js";
import { droppedFiles, isVideo, listedFiles, mayBeImage, videoFrames } from "./files.js";
import { classesJson, cocoJson, saveJson, saveLabels } from "./saving.js";

const MOST_FILES = 200;
const FRAME_TIME = 250; // milliseconds, while a video's pictures are played
const TITLES = {
  detection: "Objects", segmentation: "Classes by area", classification: "Most likely classes",
};
const VERBS = { detection: "Finds objects", segmentation: "Tells pixels apart",
  classification: "Tells images apart" };

const at = (id) => document.getElementById(id);
const items = []; // what was answered: {name, width, height, image, boxes | classes | labels}
let model = null;
let current = -1;
let marked = null; // what the pointer or the keyboard is on in the list
let player = null;
let queue = Promise.resolve();
let waiting = 0;
let done = 0;

start();

async function start() {
  const answer = await fetch("model");
  model = await answer.json();
  if (!answer.ok) return say(model.error);
  document.title = `Try ${model.name}`;
  at("name").textContent = `Try ${model.name}`;
  const names = model.classes.slice(0, 8).map((one) => one.name).join(", ");
  const more = model.classes.length > 8 ? `, … (${model.classes.length} in all)` : "";
  at("about").textContent = `${VERBS[model.task]}: ${names}${more}.`;
  at("list-title").textContent = TITLES[model.task];
  const isMap = model.task === "segmentation";
  at("range-name").textContent = isMap ? "Opacity" : "Score at least";
  at("range").value = isMap ? 0.55 : model.score;
  at("save").textContent = isMap ? "Save labels (PNG)"
    : model.task === "detection" ? "Save COCO JSON" : "Save JSON";
  at("save-all").textContent = "Save all";
  listen();
}

function listen() {
  for (const id of ["files", "folder"]) {
    at(id).addEventListener("change", () => {
      take(listedFiles(at(id).files), id === "folder");
      at(id).value = "";
    });
  }
  addEventListener("dragover", (event) => { event.preventDefault(); drag(true); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drag(false); });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    drag(false);
    const files = await droppedFiles(event.dataTransfer);
    take(files, files.some((file) => file.name.includes("/")));
  });
  addEventListener("paste", (event) => take(listedFiles(event.clipboardData.files), false));
  addEventListener("resize", show);
  addEventListener("keydown", walk);
  at("range").addEventListener("input", show);
  at("clear").addEventListener("click", clear);
  at("back").addEventListener("click", () => go(current - 1));
  at("next").addEventListener("click", () => go(current + 1));
  at("play").addEventListener("click", () => (player ? pause() : play()));
  at("save").addEventListener("click", save);
  at("save-all").addEventListener("click", () => items.forEach(saveLabels));
  at("canvas").addEventListener("pointermove", nameUnder);
  at("canvas").addEventListener("pointerleave", () => { at("under").textContent = ""; });
}

function drag(isOver) {
  at("drop").classList.toggle("over", isOver);
}

// Queue files; of a folder those that look like images or videos.
function take(files, isFolder) {
  let wanted = isFolder ? files.filter((file) => isVideo(file) || mayBeImage(file)) : files;
  if (isFolder) wanted.sort((one, other) => one.name.localeCompare(other.name));
  if (isFolder && wanted.length === 0) say("The folder holds no image and no video.");
  if (wanted.length > MOST_FILES) {
    say(`The first ${MOST_FILES} of ${wanted.length} files are taken.`);
    wanted = wanted.slice(0, MOST_FILES);
  }
  waiting += wanted.length;
  count();
  for (const file of wanted) queue = queue.then(() => handle(file));
}

async function handle(file) {
  try {
    if (isVideo(file)) for await (const frame of videoFrames(file)) await send(frame);
    else await send(file);
  } catch {
    say(`${file.name}: ${isVideo(file) ? "this browser cannot play it; `backbones predict` takes"
      + " video files" : "it could not be read, or the server is gone"}.`);
  }
  done += 1;
  count();
}

async function send(file) {
  if (file.blob.size > model.most_bytes) {
    say(`${file.name}: larger than ${model.most_bytes / 1e6} MB.`);
    return;
  }
  const headers = { "Content-Type": "application/octet-stream" };
  const response = await fetch("predict", { method: "POST", headers, body: file.blob });
  const answer = await response.json();
  if (!response.ok) {
    say(`${file.name}: ${answer.error}`);
    return;
  }
  const item = { ...answer, name: file.name, clip: file.clip };
  item.image = await loaded(answer.preview);
  if (answer.labels) item.labels = await grays(answer.labels);
  items.push(item);
  addThumbnail(item, items.length - 1);
  if (current < 0) go(0);
  else show();
}

function addThumbnail(item, number) {
  const button = document.createElement("button");
  const picture = document.createElement("img");
  const name = document.createElement("span");
  button.type = "button";
  picture.src = item.preview;
  picture.alt = "";
  name.textContent = item.name.split("/").at(-1);
  button.title = item.name;
  button.append(picture, name);
  button.addEventListener("click", () => { pause(); go(number); });
  at("strip").append(button);
}

function count() {
  const isBusy = done < waiting;
  at("progress").hidden = !isBusy;
  at("bar").value = waiting ? done / waiting : 0;
  at("count").textContent = `${done} of ${waiting}`;
  if (!isBusy && waiting) at("status").textContent = `${items.length} images are done`;
  at("clear").hidden = items.length === 0 && at("problems").children.length === 0;
  at("drop").classList.toggle("small", items.length > 0);
}

function say(text) {
  const line = document.createElement("li");
  line.textContent = text;
  at("problems").append(line);
}

function clear() {
  pause();
  items.length = 0;
  current = -1;
  marked = null;
  at("strip").replaceChildren();
  at("problems").replaceChildren();
  at("result").hidden = true;
  count();
}

function go(number) {
  if (number < 0 || number >= items.length) return;
  current = number;
  marked = null;
  show();
  at("strip").children[current].scrollIntoView({ block: "nearest", inline: "nearest" });
}

function walk(event) {
  if (event.target.tagName === "INPUT" || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowLeft") go(current - 1);
  if (event.key === "ArrowRight") go(current + 1);
}

function play() {
  at("play").textContent = "Pause";
  player = setInterval(() => {
    const clip = items[current]?.clip;
    const next = items[current + 1];
    go(next && next.clip === clip ? current + 1 : items.findIndex((one) => one.clip === clip));
  }, FRAME_TIME);
}

function pause() {
  clearInterval(player);
  player = null;
  at("play").textContent = "Play";
}

// Show the current image again, after anything changed.
function show() {
  const item = items[current];
  if (!item) return;
  const setting = Number(at("range").value);
  at("result").hidden = false;
  at("range-value").textContent = setting.toFixed(2);
  at("place").textContent = `${current + 1} of ${items.length}`;
  at("back").disabled = current === 0;
  at("next").disabled = current === items.length - 1;
  at("play").hidden = !item.clip;
  at("save-all").hidden = model.task !== "segmentation" || items.length < 2;
  const found = list(item, setting);
  at("caption").textContent = `${item.name}, ${item.width} × ${item.height}: ${summary(found)}`;
  at("canvas").setAttribute("aria-label", at("caption").textContent);
  [...at("strip").children].forEach((button, number) => {
    button.setAttribute("aria-current", String(number === current));
  });
  redraw();
}

function redraw() {
  draw(at("canvas"), at("stage").clientWidth, items[current], model,
    Number(at("range").value), marked);
}

// Fill the list beside the image; what is in it.
function list(item, setting) {
  const all = item.boxes ?? item.classes ?? item.shares;
  const found = item.shares ? all : all.filter((one) => one.score >= setting);
  const rows = found.map((one) => row(one, item));
  if (found.length === 0) rows.push(nothing(all));
  at("list").replaceChildren(...rows);
  return found;
}

function row(found, item) {
  const line = document.createElement("li");
  const patch = document.createElement("i");
  const name = document.createElement("span");
  const value = document.createElement("b");
  patch.style.background = model.classes[found.label].color;
  name.textContent = model.classes[found.label].name;
  value.textContent = item.boxes ? found.score.toFixed(2) : percent(found.score ?? found.share);
  line.append(patch, name, value);
  if (!item.boxes) line.append(bar(found.score ?? found.share, patch.style.background));
  if (!item.classes) {
    line.tabIndex = 0;
    for (const event of ["pointerenter", "focus"]) line.addEventListener(event, () => mark(found));
    for (const event of ["pointerleave", "blur"]) line.addEventListener(event, () => mark(null));
  }
  return line;
}

function bar(share, color) {
  const track = document.createElement("div");
  const filled = document.createElement("div");
  filled.style.width = `${100 * share}%`;
  filled.style.background = color;
  track.append(filled);
  return track;
}

function nothing(all) {
  const line = document.createElement("li");
  line.className = "none soft";
  line.textContent = all.length
    ? `Nothing of that score; the highest is ${all[0].score.toFixed(2)}.` : "Nothing was found.";
  return line;
}

function mark(found) {
  marked = found;
  redraw();
}

function percent(share) {
  return share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`;
}

// What is in an image, the most frequent or most likely first.
function summary(found) {
  if (found.length === 0) return "nothing";
  const name = (one) => model.classes[one.label].name;
  if (model.task !== "detection") {
    return `${name(found[0])} ${percent(found[0].score ?? found[0].share)}`;
  }
  const counts = new Map();
  for (const one of found) counts.set(name(one), (counts.get(name(one)) ?? 0) + 1);
  const sorted = [...counts].sort((one, other) => other[1] - one[1]);
  return sorted.map(([text, number]) => `${number} ${text}`).join(", ");
}

// The class of the pixel under the pointer.
function nameUnder(event) {
  const labels = items[current]?.labels;
  if (!labels) return;
  const x = Math.floor((event.offsetX / at("canvas").clientWidth) * labels.width);
  const y = Math.floor((event.offsetY / at("canvas").clientHeight) * labels.height);
  const label = labels.values[y * labels.width + x];
  at("under").textContent = model.classes[label]?.name ?? "";
}

function save() {
  const score = Number(at("range").value);
  if (model.task === "segmentation") saveLabels(items[current]);
  else if (model.task === "detection") saveJson(cocoJson(items, model, score), "predictions.json");
  else saveJson(classesJson(items, model, score), "predictions.json");
}
