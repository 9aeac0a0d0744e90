// SPDX-License-Identifier: Apache-2.0
// One page without a build step. `shot` is the picture at hand; everything that changes it goes through `change`, which remembers what
// was there for undo and saves.
"use strict";

const $ = (id) => document.getElementById(id);
const canvas = $("canvas"), pen = canvas.getContext("2d");
const HANDLE = 7;
const NONE = 255;

let set = null;          // of the server: name, classes, mask_classes, pictures, done
let shot = null;         // {name, image, width, height, objects, proposals, done, mask, maskSaved}
let selected = null;     // an object or a proposal of `shot`
let chosen = 0;          // class of the next box
let painted = 0;         // class of the brush
let inRegions = false, isErasing = false, isHidden = false, brush = 12;
let drag = null;
let past = [], future = [];
let seen = [];           // pictures in the order in which they were looked at
let saving = Promise.resolve();

// ---------------------------------------------------------------------------------------------------------------- server

const path = (what, name = "") => what + "/" + encodeURIComponent(name);

async function ask(what, options) {
  const answer = await fetch(what, options);
  if (!answer.ok) {
    let text = answer.statusText;
    try { text = (await answer.json()).error; } catch { /* no JSON */ }
    throw new Error(text);
  }
  return answer;
}

const asJson = async (what, options) => (await ask(what, options)).json();

function say(text, isError = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", isError);
}

// Saves go out one after the other, each with what is there when its turn comes.
function save(what) {
  const it = shot;
  say("saving …");
  saving = saving.then(() => what(it)).then(() => say("saved"), (error) => say("not saved: " + error.message, true));
  return saving;
}

async function saveBoxes(it) {
  const sent = [...it.objects];
  const objects = sent.map(({ id, label, bbox }) => (id === undefined ? { label, bbox } : { id, label, bbox }));
  const body = JSON.stringify({ objects, done: it.done });
  const { ids } = await asJson(path("labels", it.name), { method: "PUT", body });
  ids.forEach((id, i) => { sent[i].id = id; });
  it.done ? set.done.add(it.name) : set.done.delete(it.name);
  showCount();
}

async function saveMask(it) {
  let body = "";
  if (it.mask) {
    const sheet = new OffscreenCanvas(it.width, it.height), pixels = new ImageData(it.width, it.height);
    for (let i = 0; i < it.mask.length; i++) {
      pixels.data[4 * i] = pixels.data[4 * i + 1] = pixels.data[4 * i + 2] = it.mask[i];
      pixels.data[4 * i + 3] = 255;
    }
    sheet.getContext("2d").putImageData(pixels, 0, 0);
    body = await sheet.convertToBlob({ type: "image/png" });
  }
  await ask(path("mask", it.name), { method: "PUT", body });
}

async function readMask(name, width, height) {
  const answer = await ask(path("mask", name));
  if (answer.status === 204) return { mask: null, maskSaved: false };
  const sheet = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  sheet.drawImage(await createImageBitmap(await answer.blob(), { colorSpaceConversion: "none" }), 0, 0);
  const pixels = sheet.getImageData(0, 0, width, height).data;
  return { mask: Uint8Array.from({ length: width * height }, (_, i) => pixels[4 * i]), maskSaved: answer.headers.get("X-Saved") === "1" };
}

async function open(name) {
  const [labels, image] = await Promise.all([
    asJson(path("labels", name)),
    ask(path("image", name)).then((answer) => answer.blob()).then((blob) => createImageBitmap(blob, { imageOrientation: "none" })),
  ]);
  const mask = set.mask_classes.length ? await readMask(name, labels.width, labels.height) : { mask: null, maskSaved: false };
  shot = { name, image, ...labels, ...mask };
  selected = shot.proposals[0] || null;
  drag = null;
  paintSheet();
  fit();
  show();
  say(shot.done ? "done" : "");
}

async function goTo(name) {
  await saving;
  if (!name) { say("every picture is done"); return; }
  if (seen.at(-1) !== name) seen.push(name);
  try { await open(name); } catch (error) { say(error.message, true); }
}

async function next(isDone) {
  if (isDone && shot) {
    if (!shot.done || shot.proposals.length) change(() => { shot.done = true; shot.proposals = []; });
    await saving;
    if ($("status").classList.contains("error")) return;
  }
  const skipped = isDone || !shot ? [] : seen.slice(-50);
  const { picture } = await asJson(path("next", skipped.join("|")));
  await goTo(picture);
}

async function previous() {
  if (seen.length < 2) return;
  seen.pop();
  await goTo(seen.pop());
}

// ---------------------------------------------------------------------------------------------------------------- changes

const copy = (objects) => objects.map((object) => ({ ...object, bbox: [...object.bbox] }));
const boxesOf = (it) => ({ name: it.name, objects: copy(it.objects), proposals: copy(it.proposals), done: it.done });
const regionsOf = (it) => ({ name: it.name, mask: it.mask && it.mask.slice(), maskSaved: it.maskSaved });

function change(how) {
  past.push(boxesOf(shot));
  if (past.length > 200) past.shift();
  future = [];
  how();
  show();
  return save(saveBoxes);
}

function changeRegions(before) {
  past.push(before);
  if (past.length > 200) past.shift();
  future = [];
  shot.maskSaved = Boolean(shot.mask);
  paintSheet();
  show();
  return save(saveMask);
}

async function travel(from, to) {
  const state = from.pop();
  if (!state) { say("nothing to undo"); return; }
  if (state.name !== shot.name) await goTo(state.name);
  if ("objects" in state) {
    to.push(boxesOf(shot));
    // A box that was deleted has lost its id for good; the server gives another.
    const known = new Set(shot.objects.map((object) => object.id));
    shot.objects = state.objects.map((object) => (known.has(object.id) ? object : { label: object.label, bbox: object.bbox }));
    shot.proposals = state.proposals;
    shot.done = state.done;
    selected = null;
    show();
    await save(saveBoxes);
  } else {
    to.push(regionsOf(shot));
    const isKept = state.maskSaved;
    shot.mask = state.mask;
    shot.maskSaved = isKept;
    paintSheet();
    show();
    await save(isKept ? saveMask : (it) => ask(path("mask", it.name), { method: "PUT", body: "" }));
  }
}

function accept(proposal) {
  const at = shot.proposals.indexOf(proposal);
  if (at < 0) return;
  const object = { label: proposal.label, bbox: proposal.bbox };
  change(() => {
    shot.proposals.splice(at, 1);
    shot.objects.push(object);
    selected = shot.proposals[at] || shot.proposals[0] || object;
  });
}

function acceptAll() {
  if (inRegions) { if (shot.mask && !shot.maskSaved) changeRegions(regionsOf(shot)); return; }
  if (!shot.proposals.length) return;
  change(() => {
    shot.objects.push(...shot.proposals.map(({ label, bbox }) => ({ label, bbox })));
    shot.proposals = [];
    selected = null;
  });
}

function remove() {
  if (inRegions) {
    if (!shot.mask) return;
    const before = regionsOf(shot);
    shot.mask = null;
    changeRegions(before);
    return;
  }
  if (!selected) return;
  const all = [...shot.objects, ...shot.proposals], at = all.indexOf(selected);
  change(() => {
    shot.objects = shot.objects.filter((object) => object !== selected);
    shot.proposals = shot.proposals.filter((object) => object !== selected);
    selected = [...shot.objects, ...shot.proposals][at] || shot.proposals[0] || null;
  });
}

function setClass(i) {
  if (inRegions) { if (i < set.mask_classes.length) { painted = i; isErasing = false; show(); } return; }
  if (i >= set.classes.length) return;
  chosen = i;
  if (selected && selected.label !== set.classes[i].name) replaceSelected({ label: set.classes[i].name });
  else show();
}

// What a person corrects is theirs: a proposal becomes a box.
function replaceSelected(changes) {
  const isProposal = shot.proposals.includes(selected), old = selected;
  const object = { ...(isProposal ? {} : { id: old.id }), label: old.label, bbox: [...old.bbox], ...changes };
  if (object.id === undefined) delete object.id;
  change(() => {
    if (isProposal) { shot.proposals = shot.proposals.filter((other) => other !== old); shot.objects.push(object); }
    else shot.objects[shot.objects.indexOf(old)] = object;
    selected = object;
  });
}

function clipped([x1, y1, x2, y2]) {
  const inside = (value, most) => Math.min(Math.max(value, 0), most);
  const left = inside(Math.min(x1, x2), shot.width), right = inside(Math.max(x1, x2), shot.width);
  const top = inside(Math.min(y1, y2), shot.height), bottom = inside(Math.max(y1, y2), shot.height);
  const round = (value) => Math.round(value * 100) / 100;
  return [left, top, right - left, bottom - top].map(round);
}

function nudge(dx, dy, isSize) {
  const [x, y, w, h] = selected.bbox;
  const bbox = isSize ? clipped([x, y, x + Math.max(1, w + dx), y + Math.max(1, h + dy)])
    : [Math.min(Math.max(0, x + dx), shot.width - w), Math.min(Math.max(0, y + dy), shot.height - h), w, h];
  replaceSelected({ bbox });
}

async function addClass() {
  $("name").value = "";
  $("naming").returnValue = "";
  $("naming").showModal();
}

$("naming").addEventListener("close", async () => {
  const name = $("name").value.trim();
  canvas.focus();
  if ($("naming").returnValue !== "ok" || !name) return;
  try {
    set.classes = (await asJson("classes/", { method: "POST", body: JSON.stringify({ name }) })).classes;
    setClass(set.classes.findIndex((entry) => entry.name === name));
  } catch (error) { say(error.message, true); }
});

// ---------------------------------------------------------------------------------------------------------------- drawing

let scale = 1, sheet = null;

function fit() {
  const room = $("stage").getBoundingClientRect();
  scale = Math.max(0.05, Math.min((room.width - 20) / shot.width, (room.height - 20) / shot.height));
  const sharp = window.devicePixelRatio || 1;
  canvas.width = Math.round(shot.width * scale * sharp);
  canvas.height = Math.round(shot.height * scale * sharp);
  canvas.style.width = shot.width * scale + "px";
  canvas.style.height = shot.height * scale + "px";
}

const colorOf = (label) => (set.classes.find((entry) => entry.name === label) || { color: "#ffffff" }).color;

function paintSheet() {
  sheet = null;
  if (!shot.mask) return;
  const pixels = new ImageData(shot.width, shot.height), colors = new Uint32Array(256), all = new Uint32Array(pixels.data.buffer);
  set.mask_classes.forEach(({ color }, id) => {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
    colors[id] = (255 << 24) | (b << 16) | (g << 8) | r;
  });
  for (let i = 0; i < all.length; i++) all[i] = colors[shot.mask[i]];
  sheet = new OffscreenCanvas(shot.width, shot.height);
  sheet.getContext("2d").putImageData(pixels, 0, 0);
}

function draw() {
  if (!shot) return;
  const sharp = canvas.width / shot.width;
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  pen.imageSmooobjectEnabled = scale < 2;
  pen.drawImage(shot.image, 0, 0, shot.width, shot.height);
  if (isHidden) return;
  if (inRegions) {
    if (sheet) { pen.globalAlpha = shot.maskSaved ? 0.6 : 0.35; pen.drawImage(sheet, 0, 0); pen.globalAlpha = 1; }
    if (drag && drag.at) {
      pen.lineWidth = 1 / scale; pen.strokeStyle = "#fff";
      pen.beginPath(); pen.arc(drag.at[0], drag.at[1], brush / scale, 0, 7); pen.stroke();
    }
    return;
  }
  for (const object of [...shot.proposals, ...shot.objects]) drawBox(object, shot.proposals.includes(object));
  if (drag && drag.box) drawBox({ label: (set.classes[chosen] || { name: "" }).name, bbox: clipped(drag.box) }, false, true);
}

function drawBox(object, isProposal, isActive = object === selected) {
  const box = drag && drag.box && object === selected ? clipped(drag.box) : object.bbox, [x, y, w, h] = box, one = 1 / scale;
  const color = colorOf(object.label);
  pen.lineWidth = (isActive ? 3 : 2) * one;
  pen.strokeStyle = color;
  pen.setLineDash(isProposal ? [6 * one, 4 * one] : []);
  if (isActive) { pen.globalAlpha = 0.14; pen.fillStyle = color; pen.fillRect(x, y, w, h); pen.globalAlpha = 1; }
  pen.strokeRect(x, y, w, h);
  pen.setLineDash([]);
  const text = object.label + (isProposal ? ` ${object.score.toFixed(2)}` : "");
  pen.font = `${12 * one}px system-ui, sans-serif`;
  const wide = pen.measureText(text).width + 8 * one, top = y > 17 * one ? y - 17 * one : y;
  pen.globalAlpha = isProposal && !isActive ? 0.7 : 1;
  pen.fillStyle = color; pen.fillRect(x - one, top, wide, 17 * one);
  pen.fillStyle = "#111"; pen.fillText(text, x + 3 * one, top + 13 * one);
  pen.globalAlpha = 1;
  if (isActive) {
    pen.fillStyle = "#fff";
    for (const [cx, cy] of [[x, y], [x + w, y], [x, y + h], [x + w, y + h]]) pen.fillRect(cx - 3 * one, cy - 3 * one, 6 * one, 6 * one);
  }
}

function line(list, entry, isChosen, key, isProposal, onClick) {
  const item = document.createElement("li"), chip = document.createElement("i"), text = document.createElement("span");
  chip.style.background = entry.color;
  text.textContent = entry.name;
  item.append(chip, text);
  if (key) { const hint = document.createElement("kbd"); hint.textContent = key; item.append(hint); }
  item.classList.toggle("chosen", isChosen);
  item.classList.toggle("proposed", isProposal);
  item.addEventListener("click", () => { onClick(); canvas.focus(); });
  list.append(item);
}

function showCount() {
  $("progress").max = set.pictures.length;
  $("progress").value = set.done.size;
  $("count").textContent = `${set.done.size} of ${set.pictures.length} done`;
}

function show() {
  const classes = inRegions ? set.mask_classes : set.classes, current = inRegions ? (isErasing ? -1 : painted) : chosen;
  $("classes").replaceChildren();
  classes.forEach((entry, i) => line($("classes"), entry, i === current, i < 10 ? String((i + 1) % 10) : "", false, () => setClass(i)));
  $("objects").replaceChildren();
  if (shot && !inRegions) {
    for (const object of [...shot.objects, ...shot.proposals]) {
      const isProposal = shot.proposals.includes(object);
      line($("objects"), { name: object.label, color: colorOf(object.label) }, object === selected, isProposal ? object.score.toFixed(2) : "", isProposal,
        () => { selected = object; show(); });
    }
  }
  $("picture").textContent = shot ? shot.name : "";
  $("mode").classList.toggle("on", inRegions);
  $("mode").hidden = !set.mask_classes.length;
  $("add").hidden = inRegions;
  showCount();
  draw();
}

// ---------------------------------------------------------------------------------------------------------------- pointer

function at(event) {
  const place = canvas.getBoundingClientRect();
  return [(event.clientX - place.left) / scale, (event.clientY - place.top) / scale];
}

// Which edges of the selected box are under the pointer: [left or right, top or bottom], "" for neither.
function grip([px, py]) {
  if (!selected) return null;
  const [x, y, w, h] = selected.bbox, near = HANDLE / scale;
  if (px < x - near || px > x + w + near || py < y - near || py > y + h + near) return null;
  const across = Math.abs(px - x) < near ? "l" : Math.abs(px - x - w) < near ? "r" : "";
  const down = Math.abs(py - y) < near ? "t" : Math.abs(py - y - h) < near ? "b" : "";
  return across + down;
}

function objectAt([px, py]) {
  const hit = [...shot.objects, ...shot.proposals].filter(({ bbox: [x, y, w, h] }) => px >= x && px <= x + w && py >= y && py <= y + h);
  return hit.sort((a, b) => a.bbox[2] * a.bbox[3] - b.bbox[2] * b.bbox[3])[0] || null;
}

function stroke(from, to) {
  if (!shot.mask) shot.mask = new Uint8Array(shot.width * shot.height).fill(NONE);
  const id = drag.erases ? NONE : painted, radius = brush / scale, steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / radius * 2));
  for (let step = 0; step <= steps; step++) {
    const cx = from[0] + (to[0] - from[0]) * step / steps, cy = from[1] + (to[1] - from[1]) * step / steps;
    for (let y = Math.max(0, Math.ceil(cy - radius)); y <= Math.min(shot.height - 1, cy + radius); y++) {
      const half = Math.sqrt(radius * radius - (y - cy) * (y - cy));
      const first = Math.max(0, Math.ceil(cx - half)), last = Math.min(shot.width - 1, Math.floor(cx + half));
      if (last >= first) shot.mask.fill(id, y * shot.width + first, y * shot.width + last + 1);
    }
  }
}

canvas.addEventListener("pointerdown", (event) => {
  if (!shot || event.button) return;
  canvas.focus();
  canvas.setPointerCapture(event.pointerId);
  const place = at(event);
  if (inRegions) {
    drag = { before: regionsOf(shot), at: place, erases: isErasing || event.shiftKey };
    stroke(place, place);
    paintSheet();
    draw();
    return;
  }
  drag = { from: place, grip: grip(place), moved: false };
});

canvas.addEventListener("pointermove", (event) => {
  if (!shot) return;
  const place = at(event);
  if (!drag) {
    const edges = inRegions ? null : grip(place);
    const cursors = { l: "ew-resize", r: "ew-resize", t: "ns-resize", b: "ns-resize", lt: "nwse-resize", rb: "nwse-resize", rt: "nesw-resize", lb: "nesw-resize", "": "move" };
    canvas.style.cursor = edges === null ? "crosshair" : cursors[edges];
    return;
  }
  if (inRegions) { stroke(drag.at, place); drag.at = place; paintSheet(); draw(); return; }
  const [dx, dy] = [place[0] - drag.from[0], place[1] - drag.from[1]];
  if (!drag.moved && Math.hypot(dx, dy) * scale < 4) return;
  drag.moved = true;
  if (drag.grip === null) {
    selected = null;
    drag.box = [...drag.from, ...place];
  } else {
    const [x, y, w, h] = selected.bbox, box = [x, y, x + w, y + h], edges = drag.grip;
    if (edges === "") {
      const mx = Math.min(Math.max(-x, dx), shot.width - x - w), my = Math.min(Math.max(-y, dy), shot.height - y - h);
      drag.box = [x + mx, y + my, x + w + mx, y + h + my];
    } else {
      if (edges.includes("l")) box[0] += dx;
      if (edges.includes("r")) box[2] += dx;
      if (edges.includes("t")) box[1] += dy;
      if (edges.includes("b")) box[3] += dy;
      drag.box = box;
    }
  }
  draw();
});

canvas.addEventListener("pointerup", (event) => {
  if (!shot || !drag) return;
  const was = drag;
  drag = null;
  if (inRegions) { changeRegions(was.before); return; }
  if (!was.moved) { selected = objectAt(at(event)); show(); return; }
  const bbox = clipped(was.box);
  if (bbox[2] < 2 || bbox[3] < 2) { show(); return; }
  if (was.grip !== null) { replaceSelected({ bbox }); return; }
  if (!set.classes.length) { say("add a class first (c)", true); show(); return; }
  const object = { label: set.classes[chosen].name, bbox };
  change(() => { shot.objects.push(object); selected = object; });
});

canvas.addEventListener("pointercancel", () => { drag = null; draw(); });

// ---------------------------------------------------------------------------------------------------------------- keys

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function select(step) {
  const all = [...shot.proposals, ...shot.objects];
  if (!all.length) return;
  const now = all.indexOf(selected);
  selected = all[now < 0 ? (step > 0 ? 0 : all.length - 1) : (now + step + all.length) % all.length];
  show();
}

const KEYS = {
  Enter: () => next(true),
  PageDown: () => next(false),
  PageUp: () => previous(),
  " ": () => { if (selected && shot.proposals.includes(selected)) accept(selected); },
  a: acceptAll,
  x: remove, Delete: remove, Backspace: remove,
  u: () => travel(past, future),
  m: () => { if (set.mask_classes.length) { inRegions = !inRegions; drag = null; show(); } },
  e: () => { if (inRegions) { isErasing = !isErasing; show(); } },
  "[": () => { brush = Math.max(1, brush / 1.3); }, "]": () => { brush = Math.min(200, brush * 1.3); },
  c: () => { if (!inRegions) addClass(); },
  "?": () => $("keys").showModal(),
  Escape: () => { selected = null; drag = null; show(); },
};

let busy = Promise.resolve();
document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]") || event.altKey || event.target.tagName === "INPUT") return;
  const isZ = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey);
  if ((event.ctrlKey || event.metaKey) && !isZ) return;
  if (event.target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ")) return;
  let act = null;
  if (isZ) act = () => (event.shiftKey ? travel(future, past) : travel(past, future));
  else if (event.key === "Tab" && document.activeElement === canvas) act = () => { if (!inRegions) select(event.shiftKey ? -1 : 1); };
  else if (event.key in ARROWS) act = () => { if (selected && !inRegions) nudge(...ARROWS[event.key], event.shiftKey); };
  else if (/^[0-9]$/.test(event.key)) act = () => setClass((Number(event.key) + 9) % 10);
  else if (event.key === "h") act = () => { isHidden = true; draw(); };
  else act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  if (!shot && event.key !== "?") return;
  // One after the other: who types fast means the picture that is to come.
  busy = busy.then(act).catch((error) => say(error.message, true));
});
document.addEventListener("keyup", (event) => { if (event.key === "h") { isHidden = false; draw(); } });

for (const [id, key] of [["previous", "PageUp"], ["accept", "a"], ["undo", "u"], ["done", "Enter"], ["mode", "m"], ["help", "?"], ["add", "c"]]) {
  $(id).addEventListener("click", () => { if (shot || key === "?") busy = busy.then(KEYS[key]).catch((error) => say(error.message, true)); canvas.focus(); });
}
window.addEventListener("resize", () => { if (shot) { fit(); draw(); } });

// ---------------------------------------------------------------------------------------------------------------- start

(async () => {
  try {
    set = await asJson("state/");
    set.done = new Set(set.done);
    document.title = set.name + " · label";
    $("set").textContent = set.name;
    show();
    say("the network looks at the first picture …");
    await next(false);
    canvas.focus();
  } catch (error) { say(error.message, true); }
})();
