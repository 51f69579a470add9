// The requests that this page has sent, the newest first, each with what came of it.
import { byId, clock, el } from "./dom.js";
import { kindOf } from "./reply.js";

const maxKept = 20;
const maxCharacters = 8 << 20; // of requests and replies together

let kept = []; // {texts, route, at, reply or error, button}

/** Adds a request as it is in the form, to the route that was chosen. bringBack(entry) is called when it is pressed. */
export function add(texts, route, bringBack) {
  const button = el("button", { type: "button" });
  const entry = { texts, route, at: Date.now(), button };
  button.addEventListener("click", () => bringBack(entry));
  kept.unshift(entry);
  byId("sent-list").prepend(el("li", {}, button));
  byId("sent").hidden = false;
  update(entry);
  return entry;
}

/** Shows what has come of a request. */
export function update(entry) {
  const { texts, reply, error } = entry;
  const status = reply ? String(reply.status) : error ? "failed" : "…";
  entry.button.replaceChildren(
    el("b", { "data-kind": error ? "bad" : reply && kindOf(reply.status) }, status),
    el("span", { class: "uri" }, `${texts.method} ${texts.path}`),
    el("time", {}, clock(entry.at)));
  bound();
}

function bound() {
  let size = 0;
  const end = kept.findIndex((e, n) => (size += sizeOf(e)) > maxCharacters && n > 0 || n >= maxKept);
  for (const e of end < 0 ? [] : kept.splice(end)) e.button.parentElement.remove();
}

const sizeOf = ({ texts, reply }) => Object.values(texts).reduce((n, t) => n + t.length, reply?.text.length ?? 0);

/** Marks the one whose reply is shown; null: none. */
export function mark(entry) {
  for (const e of kept) {
    if (e === entry) e.button.setAttribute("aria-current", "true");
    else e.button.removeAttribute("aria-current");
  }
}
