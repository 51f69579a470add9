// The records: a list, the newest first, that can be paused, filtered and cleared.
import { byId, bytes, clock, copy, el, say } from "./dom.js";
import { block, preview, visible } from "./text.js";

const maxKept = 500; // on the page

let kept = []; // {record, search, item}, the newest first
let arrived = []; // not on the page yet, the oldest first
let paused = false;
let terms = [];
let painting = 0;
let unsaid = 0;

export function add(record) {
  arrived.push({ record });
  arrivedMore();
}

/** Says in the list that n records are missing. */
export function addGap(n) {
  arrived.push({ gap: n });
  arrivedMore();
}

function arrivedMore() {
  if (arrived.length > maxKept) arrived = arrived.slice(-maxKept);
  if (paused) return showCount();
  painting ||= requestAnimationFrame(paint);
}

function paint() {
  painting = 0;
  const fresh = arrived.map((a) => (a.gap ? gapEntry(a.gap) : recordEntry(a.record))).reverse();
  arrived = [];
  for (const e of fresh) e.item.hidden = !matches(e);
  byId("list").prepend(...fresh.map((e) => e.item));
  kept = fresh.concat(kept);
  for (const e of kept.splice(maxKept)) e.item.remove();
  showCount();
  sayLater(fresh.length);
}

// Once a second at most: a flood is not to be read out record by record.
function sayLater(n) {
  if (n > 0 && unsaid === 0) {
    setTimeout(() => {
      say(unsaid === 1 ? "One record arrived" : `${unsaid} records arrived`);
      unsaid = 0;
    }, 1000);
  }
  unsaid += n;
}

export function clear() {
  kept = [];
  arrived = [];
  byId("list").replaceChildren();
  showCount();
}

export function pause(on = !paused) {
  paused = on;
  const button = byId("pause");
  button.setAttribute("aria-pressed", String(paused));
  button.firstChild.data = paused ? "Resume " : "Pause ";
  if (paused) showCount();
  else paint();
}

export function filter(text) {
  terms = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const e of kept) e.item.hidden = !matches(e);
  showCount();
}

const matches = (e) => terms.every((t) => e.search.includes(t));

function showCount() {
  const records = kept.filter((e) => e.record);
  const shown = records.filter((e) => !e.item.hidden).length;
  const of = terms.length ? `${shown} of ${records.length}` : String(records.length);
  const held = paused ? `, paused${arrived.length ? ` with ${arrived.length} more` : ""}` : "";
  byId("count").textContent = records.length || held ? of + held : "";
  byId("none").hidden = records.length > 0 && (shown > 0 || terms.length === 0);
  byId("none-text").textContent = records.length ? "No record matches the filter." : "No records yet. Send a request here, or from a terminal:";
  byId("none-curl").hidden = records.length > 0;
}

/** Moves the focus to the next (1) or previous (-1) record. */
export function step(direction) {
  const rows = kept.filter((e) => !e.item.hidden && e.record).map((e) => e.item.querySelector("summary"));
  const at = rows.indexOf(document.activeElement?.closest?.("li")?.querySelector("summary"));
  rows[at < 0 ? 0 : Math.min(Math.max(at + direction, 0), rows.length - 1)]?.focus();
}

function gapEntry(n) {
  const text = `${n.toLocaleString("en")} more came too fast to be shown`;
  return { search: text, item: el("li", { class: "gap" }, text) };
}

function recordEntry(record) {
  const details = el("details", {}, summary(record));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(whole(record));
  });
  return { record, search: searchText(record), item: el("li", {}, details) };
}

const isoTime = (ms) => {
  const d = new Date(ms);
  return Number.isNaN(d.getTime()) ? String(ms) : d.toISOString();
};

/** All of a record that can be searched, in lower case. */
function searchText(r) {
  const parts = [r.topic, `partition=${r.partition}`, `offset=${r.offset}`, clock(r.time), isoTime(r.time), "key=" + plain(r.key)];
  for (const h of r.headers) parts.push(`${plain(h.name)}: ${plain(h.value)}`);
  parts.push(r.value === null && r.key !== null ? "tombstone null" : plain(r.value));
  return parts.join("\n").toLowerCase();
}

function plain(content) {
  if (content === null) return "null";
  if (content.base64) return "binary " + hex(bytesOf(content)).join(" ");
  return content.text ?? "";
}

function summary(r) {
  const headers = r.headers.length + (r.moreHeaders ?? 0);
  return el("summary", {},
    el("span", { class: "meta" },
      el("b", { class: "topic" }, ...visible(r.topic)),
      el("span", { class: "place" }, `partition ${r.partition}`),
      el("span", { class: "place" }, `offset ${r.offset}`),
      el("span", { class: "rowkey" }, el("i", {}, "key "), short(r.key, 80)),
      ...(headers ? [el("span", { class: "place" }, headers === 1 ? "1 header" : `${headers} headers`)] : []),
      el("time", {}, clock(r.time))),
    el("span", { class: "value" }, r.value === null && r.key !== null ? mark("tombstone") : short(r.value, 300)));
}

const mark = (text) => el("span", { class: text === "tombstone" ? "mark tombstone" : "mark" }, text);

/** A content in one line. */
function short(content, limit) {
  if (content === null) return mark("null");
  if (content.size === 0) return mark("empty");
  if (!content.base64) return el("bdi", {}, ...preview(content.text, limit));
  const shown = hex(bytesOf(content).slice(0, 16)).join(" ");
  return el("span", {}, mark(`binary, ${bytes(content.size)}`), ` ${shown}${content.size > 16 ? " …" : ""}`);
}

function whole(r) {
  const button = el("button", { type: "button", class: "copy" }, "Copy as JSON");
  button.addEventListener("click", () => copy(recordJSON(r), button));
  const field = (name, ...value) => el("div", {}, el("dt", {}, name), el("dd", {}, ...value));
  const headers = r.headers.map((h) => el("div", {}, el("dt", {}, short(h.name)), el("dd", {}, long(h.value))));
  if (r.moreHeaders) headers.push(el("div", {}, el("dt", {}, "…"), el("dd", {}, `${r.moreHeaders} more`)));
  return el("div", { class: "whole" },
    el("dl", { class: "fields" },
      field("time", el("span", { class: "num" }, isoTime(r.time)), r.timeType === "append" ? " (the broker’s)" : ""),
      field("key", long(r.key)),
      ...(headers.length ? [field("headers", el("dl", { class: "fields" }, ...headers))] : []),
      field("value", r.value === null && r.key !== null ? el("span", {}, mark("tombstone"), " null: the key is deleted from a compacted topic") : long(r.value))),
    el("p", { class: "foot" }, button, r.value?.size ? `value: ${bytes(r.value.size)}` : ""));
}

/** A content in full, as far as it has come. */
function long(content) {
  if (content === null || content.size === 0) return short(content);
  const box = el("div", {});
  if (content.base64) box.append(el("p", { class: "cut" }, `binary, ${bytes(content.size)}`), el("pre", { class: "dump", tabindex: "0" }, dump(bytesOf(content))));
  else if (content.text.length < 100 && !/[\n{[]/.test(content.text)) box.append(el("bdi", { class: "num" }, ...visible(content.text)));
  else box.append(block(content.text));
  if (content.cut) box.append(el("p", { class: "cut" }, `The beginning of ${bytes(content.size)}.`));
  return box;
}

const bytesOf = (content) => Uint8Array.from(atob(content.base64), (c) => c.charCodeAt(0));
const hex = (data) => Array.from(data, (b) => b.toString(16).padStart(2, "0"));

function dump(data) {
  const lines = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = data.slice(at, at + 16);
    const text = Array.from(row, (b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : "·")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex(row).join(" ").padEnd(data.length > 16 ? 47 : 0)}  ${text}`);
  }
  return lines.join("\n");
}

/** The record as a JSON document. What is no text is {"base64": …}; what was cut says how long it was. */
export function recordJSON(r) {
  const content = (c) => {
    if (c === null) return null;
    const value = c.base64 ? { base64: c.base64 } : c.text ?? "";
    return c.cut ? { cut: value, bytes: c.size } : value;
  };
  return JSON.stringify({
    topic: r.topic, partition: r.partition, offset: r.offset, timestamp: r.time,
    key: content(r.key),
    headers: r.headers.map((h) => ({ name: content(h.name), value: content(h.value) })),
    value: content(r.value),
  }, null, 2);
}
