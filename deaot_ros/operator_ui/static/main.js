// The page: live view and drawing, and what buttons and keys do in each.

import { annotate } from "./annotate.js";
import { setPalette } from "./colours.js";
import { Connection } from "./connection.js";
import { Desk } from "./desk.js";
import { Inset } from "./inset.js";
import { listenToKeys } from "./keys.js";
import { Live } from "./live.js";
import { ObjectList } from "./objects.js";
import { Picture } from "./picture.js";
import { Pointers } from "./pointers.js";
import { alertOperator, closeAlert, log, showStatus } from "./report.js";
import { Box } from "./tools/box.js";
import { Brush } from "./tools/brush.js";
import { Fill } from "./tools/fill.js";
import { Lasso } from "./tools/lasso.js";
import { Polygon } from "./tools/polygon.js";

const SURE = 3000; // ms in which a second press means it

const element = (id) => document.getElementById(id);
const link = { open: false, health: { alive: false, trouble: "" }, status: null, operators: 1 };
let chosen = 0;
let hinted = "";

// The address may hold the token; it is in a cookie by now and need not stay in sight.
history.replaceState(null, "", location.pathname);

const connection = new Connection({ message: receive, change: connected });
const picture = new Picture(element("picture"), decorate);
const inset = new Inset(element("inset"), element("stage"));
const live = new Live(connection, showLive);
const desk = new Desk(connection, picture, say, refresh);
const tools = [
  new Brush(desk, false), new Brush(desk, true), new Polygon(desk),
  new Lasso(desk), new Box(desk), new Fill(desk),
];
let tool = tools[0];
const picker = { up: (point) => choose(live.idAt(point)) };
const list = new ObjectList(element("objects"), { choose, correct, remove, rename });
new Pointers(picture, () => (desk.open ? tool : picker));
window.operatorPage = { desk, live, picture }; // for a look from the browser's console

// Messages

function receive(message) {
  if (message.type === "live") live.take(message);
  else if (message.type === "hello") setPalette(message.palette);
  else if (message.type === "note") log(message.text);
  else if (message.type === "fault") alertOperator(message.message);
  else if (message.type === "operators") link.operators = message.count;
  else if (message.type === "health") link.health = message;
  else if (message.type === "status") link.status = message;
  else if (message.type === "answer" && !message.ok) log(message.message, "bad");
  if (message.type !== "live") refresh();
}

function connected(open) {
  if (link.open && !open) {
    log(`connection lost${desk.open ? "; your drawing is kept" : ""}`, "bad");
  } else if (open && !link.open && live.frame) {
    log("connected again", "good");
  }
  link.open = open;
  refresh();
}

function say(text, kind = "") {
  hinted = text;
  log(text, kind);
  refresh();
}

function failed(error) {
  alertOperator(error.message);
}

// Looks

function showLive(frame) {
  if (desk.open) {
    inset.show(frame);
  } else {
    picture.show([frame.bitmap, frame.overlay], frame.width, frame.height);
  }
  if (!document.body.dataset.pictured) document.body.dataset.pictured = performance.now();
  showObjects();
}

function decorate(context, view) {
  if (!desk.open) {
    annotate(context, view, live.frame?.objects ?? [], chosen);
    return;
  }
  context.lineWidth = 2 * (window.devicePixelRatio || 1);
  context.strokeStyle = "#fff";
  context.fillStyle = "#fff";
  tool.decorate?.(context, view);
}

function refresh() {
  document.body.dataset.mode = desk.open ? "frozen" : "live";
  if (desk.open) picture.show(desk.layers, desk.frame.width, desk.frame.height);
  element("hint").textContent = hint();
  element("undo").disabled = !desk.drawing?.done.length && !tool.busy;
  element("redo").disabled = !desk.drawing?.undone.length;
  element("send").disabled = !link.open || desk.sending;
  element("freeze").disabled = !link.open || !live.frame;
  element("pause").firstChild.data = link.status?.state === "paused" ? "Resume " : "Pause ";
  element("size-value").textContent = desk.size;
  element("tolerance-value").textContent = desk.tolerance;
  element("size-row").hidden = !(tool instanceof Brush);
  element("tolerance-row").hidden = !(tool instanceof Fill);
  tools.forEach((each, i) => {
    element("tools").children[i]?.setAttribute("aria-checked", String(each === tool));
  });
  showStatus({ ...link, rate: live.rate });
  showObjects();
}

function hint() {
  if (!link.open && desk.open) return "Connection lost. Your drawing is kept; go on drawing";
  if (desk.sending) return "Sent. The tracker catches up with the camera";
  if (desk.searching) return "Looking for it";
  if (desk.open) return hinted || `${tool.hint}. Then Send`;
  if (!live.frame) return link.health.trouble || "Waiting for the camera";
  return hinted;
}

/** Tracked objects as last seen, then drawn ones. */
function objects() {
  const seen = new Map((live.frame?.objects ?? []).map((o) => [o.id, o]));
  const known = new Set([...seen.keys(), ...(link.status?.ids ?? [])]);
  const tracked = link.status ? link.status.ids : [...seen.keys()];
  const rows = [...known].filter((id) => tracked.includes(id)).map((id) => {
    const { name = "", state = "unknown" } = seen.get(id) ?? {};
    const drawn = desk.objects.get(id);
    return { id, name, state: drawn ? `${state}, correcting` : state, tracked: true };
  });
  for (const { id, name, fresh } of desk.objects.values()) {
    if (fresh && !tracked.includes(id)) rows.push({ id, name, state: "drawing", tracked: false });
  }
  return rows.sort((a, b) => a.id - b.id);
}

function showObjects() {
  list.show(objects(), desk.open ? desk.current : chosen);
}

// Actions

async function freeze() {
  if (!live.frame) return false;
  closeAlert();
  hinted = "";
  try {
    await desk.freeze(live.frame.stamp);
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}

async function draw() {
  if (!desk.open && (await freeze())) await addObject();
}

async function addObject() {
  if (!desk.open) return;
  hinted = "";
  await desk.add().catch(failed);
}

async function correct(id) {
  if (!id) return;
  const name = objects().find((o) => o.id === id)?.name ?? "";
  chosen = id;
  if (desk.open || (await freeze())) desk.correct(id, name);
}

function choose(id) {
  if (desk.open && desk.objects.has(id)) desk.current = id;
  else if (!desk.open) chosen = id;
  picture.redraw();
  refresh();
}

function remove(id) {
  if (!id) return;
  if (desk.objects.get(id)?.fresh) {
    desk.drop(id);
    return;
  }
  act({ type: "remove", id }, `removed object ${id}`);
}

function rename(id, name) {
  const drawn = desk.objects.get(id);
  if (drawn) drawn.name = name;
  if (!drawn?.fresh) act({ type: "rename", names: { [id]: name } }, `object ${id} is ${name}`);
}

function act(message, done) {
  connection.act(message).then(() => log(done, "good"), failed);
}

function pause() {
  const paused = link.status?.state === "paused";
  act({ type: "enable", on: paused }, paused ? "resumed" : "paused; memory is kept");
}

async function send() {
  if (!desk.open || desk.sending) return;
  tool.finish?.();
  hinted = "";
  closeAlert();
  try {
    const answer = await desk.send();
    log(`accepted: ${answer.message}`, "good");
    finish();
  } catch (error) {
    await refused(error);
  }
}

/** Say why, and offer what puts it right; the drawing stays. */
async function refused(error) {
  const reason = `${error.verdict ? `Refused, ${error.verdict}: ` : "Not sent: "}${error.message}`;
  if (error.verdict === "FRAME_NOT_FOUND") {
    alertOperator(reason, { label: "Move my drawing to a new picture", act: move });
    return;
  }
  alertOperator(reason);
  if (error.verdict === "BAD_ID" || error.message.startsWith("BAD_ID")) {
    await desk.renumber().catch(failed);
    say("New objects have other ids now; send again");
  }
}

async function move() {
  if (!live.frame) return;
  await desk.freeze(live.frame.stamp).catch(failed);
  say("Put the drawing right where things moved, then send");
}

function discard() {
  if (tool.busy) {
    tool.leave();
    refresh();
  } else if (!desk.open || desk.sending || desk.drawing.empty) {
    finish();
  } else {
    sure(element("discard"), finish, "Press Discard again to lose the drawing");
  }
}

function finish() {
  if (!desk.open) return;
  tool.leave?.();
  desk.close();
  hinted = "";
  if (live.frame) showLive(live.frame);
  refresh();
}

function use(index) {
  if (!desk.open) return;
  tool.leave?.();
  tool = tools[index];
  hinted = "";
  picture.redraw();
  refresh();
}

function undo() {
  if (!(tool.busy && tool.back())) desk.drawing?.undo();
  refresh();
}

function redo() {
  desk.drawing?.redo();
  refresh();
}

function resize(factor) {
  desk.size = Math.min(120, Math.max(1, Math.round(desk.size * factor + Math.sign(factor - 1))));
  element("size").value = desk.size;
  refresh();
}

/** What cannot be undone wants a second press. */
function sure(button, doing, warning) {
  if (button.classList.contains("sure")) {
    button.classList.remove("sure");
    doing();
    return;
  }
  button.classList.add("sure");
  say(warning);
  setTimeout(() => {
    button.classList.remove("sure");
    hinted = "";
    refresh();
  }, SURE);
}

function reset() {
  const forget = () => act({ type: "reset" }, "all objects forgotten");
  sure(element("reset"), forget, "Press Reset again to forget all objects");
}

const press = () => (desk.open ? send() : draw());

// Buttons and keys

tools.forEach((each, i) => {
  const button = document.createElement("button");
  button.setAttribute("role", "radio");
  button.innerHTML = `${each.name} <kbd>${i + 1}</kbd>`;
  button.addEventListener("click", () => use(i));
  element("tools").append(button);
});
for (const [id, doing] of Object.entries({
  freeze: draw, add: addObject, undo, redo, send, discard, pause, reset,
})) {
  element(id).addEventListener("click", (event) => {
    event.currentTarget.blur(); // Space and Enter are keys of the page, not of this button
    doing();
  });
}
element("size").addEventListener("input", (event) => {
  desk.size = Number(event.target.value);
  refresh();
});
element("tolerance").addEventListener("input", (event) => {
  desk.tolerance = Number(event.target.value);
  refresh();
});
listenToKeys({
  " ": draw,
  Enter: press,
  Escape: discard,
  n: addObject,
  c: () => correct(desk.open ? desk.current : chosen),
  x: () => remove(desk.open ? desk.current : chosen),
  Delete: () => remove(desk.open ? desk.current : chosen),
  p: pause,
  r: reset,
  z: undo,
  y: redo,
  "[": () => resize(1 / 1.2),
  "]": () => resize(1.2),
  ...Object.fromEntries(tools.map((_, i) => [String(i + 1), () => use(i)])),
});
window.addEventListener("beforeunload", (event) => {
  if (desk.open && !desk.drawing.empty) event.preventDefault();
});
setInterval(refresh, 500);
refresh();
