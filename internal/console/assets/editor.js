// Edits a route, or adds one. The text of the configuration says all that it does; the fields beside it show and change the text.
import { change } from "./change.js";
import { byId, say } from "./dom.js";

const keys = { "edit-topic": "topic", "edit-delivery": "delivery", "edit-jsonkey": "jsonkey" };
const start = { config: {}, topic: "orders", delivery: "sync" };

let isNew = true;

const layOut = (conf) => JSON.stringify(conf, null, 2);

/** Opens the form with a route, or with a new one (null). */
export function openEditor(route) {
  isNew = !route;
  byId("edit-title").textContent = isNew ? "New route" : `Route ${route.id}`;
  byId("edit-id").value = route?.id ?? "";
  byId("edit-id").readOnly = !isNew;
  byId("edit-path").value = route?.uris.join(" ") ?? "/orders";
  byId("edit-conf").value = route?.conf || layOut(start);
  byId("edit-hidden").hidden = !route?.hidden.length;
  byId("edit-hidden").textContent = `Not shown, and kept unless the text has it: ${route?.hidden.join(", ")}.`;
  byId("edit-problem").textContent = "";
  showFields();
  byId("editor").showModal();
  byId(isNew ? "edit-id" : "edit-path").focus();
}

/** The configuration; null where the text is no JSON object. */
function read() {
  try {
    const conf = JSON.parse(byId("edit-conf").value);
    return typeof conf === "object" && !Array.isArray(conf) ? conf : null;
  } catch {
    return null;
  }
}

function showFields() {
  const conf = read();
  for (const [id, key] of Object.entries(keys)) {
    byId(id).disabled = !conf;
    byId(id).value = typeof conf?.[key] === "string" ? conf[key] : "";
  }
}

function setKey(key, value) {
  const conf = read();
  if (!conf) return;
  if (value === "") delete conf[key];
  else conf[key] = value;
  byId("edit-conf").value = layOut(conf);
}

async function save(used) {
  const id = byId("edit-id").value.trim();
  const uris = byId("edit-path").value.split(/\s+/).filter(Boolean);
  const problem = await change("route", { id, uris, conf: byId("edit-conf").value, new: isNew });
  byId("edit-problem").textContent = problem;
  if (problem) return;
  byId("editor").close();
  used(id);
  say(`The route ${id} is in use`);
}

/** chosen() is the route that is chosen, or null; used(id) is called when a route is in use as the form has it. */
export function startEditor(chosen, used) {
  byId("edit").addEventListener("click", () => openEditor(chosen()));
  byId("add").addEventListener("click", () => openEditor(null));
  byId("edit-conf").addEventListener("input", showFields);
  for (const [id, key] of Object.entries(keys)) byId(id).addEventListener("input", (e) => setKey(key, e.target.value));
  byId("edit-cancel").addEventListener("click", () => byId("editor").close());
  byId("edit-form").addEventListener("submit", (e) => {
    e.preventDefault();
    save(used);
  });
}
