// The page: puts the parts together.
import { showBroker, toggleBroker } from "./broker.js";
import { curl } from "./curl.js";
import { byId, copy, say, settings } from "./dom.js";
import { startEditor } from "./editor.js";
import { loadTopics, pickFor, showPicked, startPicker } from "./picker.js";
import * as records from "./records.js";
import { read, send } from "./request.js";
import { showOutcome, showRefused } from "./reply.js";
import { chooseRoute, showRoutes, wantRoute } from "./routes.js";
import * as sent from "./sent.js";

const fields = ["method", "path", "headers", "body"];
const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

// The request.

const texts = () => Object.fromEntries(fields.map((id) => [id, byId(id).value]));
const form = () => read(texts());

function fillTexts(wanted) {
  for (const id of fields) byId(id).value = wanted[id];
  fit();
  check();
}

function fill(preset) {
  fillTexts({ ...preset, headers: preset.headers.map(([name, value]) => `${name}: ${value}`).join("\n") });
  byId("note").textContent = preset.note;
  byId("note").hidden = false;
}

/** Lets the fields be as high as what is in them. */
function fit() {
  for (const [id, least, most] of [["headers", 2, 8], ["body", 5, 20]]) {
    const lines = byId(id).value.split("\n").length;
    byId(id).rows = Math.min(Math.max(lines, least), most);
  }
}

function check() {
  const { request, error, only } = form();
  byId("problem").textContent = error || only || "";
  if (!error) byId("none-curl").textContent = curl(request);
  byId("curl").disabled = Boolean(error);
  showPicked();
  return !error && !only;
}

let shown = null; // the request whose reply is shown, or waited for
let number = 0;

function show(entry) {
  shown = entry;
  sent.mark(entry);
  if (entry) showOutcome(entry);
}

async function sendForm() {
  byId("reply").dataset.number = ++number;
  if (!check()) {
    show(null);
    showRefused(byId("problem").textContent);
    return;
  }
  const entry = sent.add(texts(), route?.id, bringBack);
  show(entry);
  try {
    entry.reply = await send(form().request);
  } catch (error) {
    entry.error = error;
  }
  sent.update(entry);
  if (entry === shown) show(entry);
}

/** Puts a request that was sent back into the form, with its reply. */
function bringBack(entry) {
  chooseRoute(entry.route);
  fillTexts(entry.texts);
  byId("note").hidden = true;
  show(entry);
}

const copyCurl = () => {
  const { request, error } = form();
  if (!error) copy(curl(request), byId("curl"));
};

// The gateway.

let embedded = true;
let asking = 0;

async function loadRoutes() {
  const number = ++asking;
  let about;
  try {
    const response = await fetch("routes");
    if (!response.ok) return;
    about = await response.json();
  } catch {
    return; // the stream says that dev is away, and comes back to this
  }
  if (number !== asking) return;
  embedded = about.embedded;
  byId("gateway").textContent = location.origin;
  showBroker(about);
  for (const id of ["edit", "add"]) byId(id).hidden = !about.editable;
  showRoutes(about.routes, { use, fill, chose });
  loadTopics();
}

let route = null; // that is chosen

function chose(r) {
  route = r;
  byId("edit").disabled = !r;
  pickFor(r);
}

/** A preset is sent at once where the broker is dev's own; into a cluster of others nothing goes without being looked at. */
function use(preset) {
  fill(preset);
  if (embedded) sendForm();
  else say("Filled in");
}

let boot = ""; // of the dev that the records are of
let last = 0; // the number of the last event

/** Tells whether an event is new. A stream that was opened anew begins with those that are remembered. */
function isNew(e) {
  const number = Number(e.lastEventId.split(".")[1]);
  if (number <= last) return false;
  last = number;
  return true;
}

function listen() {
  const state = (name, text) => {
    byId("live").dataset.state = name;
    byId("live").textContent = text;
  };
  const source = new EventSource("records");
  source.addEventListener("hello", (e) => {
    const now = JSON.parse(e.data).boot;
    if (now !== boot) {
      if (boot) records.clear(); // dev was started anew: these records are gone
      boot = now;
      last = 0;
    }
    state("live", "live");
    loadRoutes();
  });
  source.addEventListener("record", (e) => isNew(e) && records.add(JSON.parse(e.data)));
  source.addEventListener("lost", (e) => records.addGap(JSON.parse(e.data).count));
  source.addEventListener("routes", (e) => isNew(e) && loadRoutes());
  source.addEventListener("replaced", () => {
    source.close();
    state("away", "another page is live; reload to come back");
  });
  source.addEventListener("error", () => {
    state("away", "dev does not answer; trying again");
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries by itself
    setTimeout(listen, 2000);
  });
}

// Theme.

const themes = ["system", "light", "dark"];

function theme(next) {
  const root = document.documentElement;
  const now = root.dataset.theme ?? "system";
  const name = next ? themes[(themes.indexOf(now) + 1) % themes.length] : now;
  if (name === "system") delete root.dataset.theme;
  else root.dataset.theme = name;
  if (next) settings.set("theme", name);
  byId("theme").textContent = "Theme: " + name;
}

// Keys.

const singleKeys = () => byId("single-keys").checked;

const keys = {
  "/": () => byId("filter").focus(),
  "?": () => byId("shortcuts").showModal(),
  p: () => records.pause(),
  x: () => records.clear(),
  c: copyCurl,
  t: () => theme(true),
  r: () => byId("body").focus(),
  j: () => records.step(1),
  k: () => records.step(-1),
};

const isField = (e) => e instanceof HTMLElement && (e.matches("input:not([type=radio], [type=checkbox]), textarea, select"));

function onKey(e) {
  if (e.isComposing || document.querySelector("dialog[open]")) return;
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
    e.preventDefault();
    sendForm();
    return;
  }
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === "Escape" && isField(e.target)) {
    if (e.target.id === "filter" && e.target.value) {
      e.target.value = "";
      records.filter("");
    } else e.target.blur();
    return;
  }
  if (isField(e.target) || !singleKeys() || !Object.hasOwn(keys, e.key)) return;
  e.preventDefault();
  keys[e.key]();
}

function start() {
  byId("request").addEventListener("submit", (e) => {
    e.preventDefault();
    sendForm();
  });
  for (const id of fields) byId(id).addEventListener("input", () => (fit(), check()));
  startEditor(() => route, (id) => (wantRoute(id), loadRoutes()));
  startPicker(() => (fit(), check()));
  byId("curl").addEventListener("click", copyCurl);
  byId("filter").addEventListener("input", (e) => records.filter(e.target.value));
  byId("pause").addEventListener("click", () => records.pause());
  byId("clear").addEventListener("click", () => records.clear());
  byId("away").addEventListener("click", toggleBroker);
  byId("theme").addEventListener("click", () => theme(true));
  byId("help").addEventListener("click", () => byId("shortcuts").showModal());
  byId("single-keys").checked = settings.get("single-keys") !== "off";
  byId("single-keys").addEventListener("change", (e) => settings.set("single-keys", e.target.checked ? "on" : "off"));
  for (const id of ["send-key", "send-key-long"]) byId(id).textContent = isMac ? "⌘ ↵" : "Ctrl ↵";
  document.addEventListener("keydown", onKey);
  theme(false);
  fit();
  check();
  listen();
}

start();
