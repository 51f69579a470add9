// Text that comes from strangers, as nodes: JSON with colours, and characters that would deceive the eye spelt out.
import { el } from "./dom.js";

const lexeme = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

function isJSON(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null;
  } catch {
    return false;
  }
}

/** Breaks a JSON document into lines. Not a digit is changed, as JSON.parse would: the pieces are those of the text. */
export function pretty(text) {
  let out = "";
  let depth = 0;
  let last = "";
  const line = () => "\n" + "  ".repeat(Math.min(depth, 100));
  for (const [piece] of text.matchAll(lexeme)) {
    const closes = piece === "}" || piece === "]";
    if (closes) {
      depth--;
      if (last !== "{" && last !== "[") out += line();
    } else if (last === "{" || last === "[") out += line();
    out += piece;
    if (piece === "{" || piece === "[") depth++;
    else if (piece === ":") out += " ";
    else if (piece === ",") out += line();
    last = piece;
  }
  return out;
}

/** A block of text: laid out and coloured if it is a JSON object or array, as it is otherwise. */
export function block(text) {
  const laid = isJSON(text) ? pretty(text) : "";
  const useful = laid !== "" && laid.length < 4 * text.length + 2000; // the rest is brackets upon brackets
  return el("pre", { tabindex: "0" }, ...(useful ? coloured(laid) : visible(text)));
}

/** The beginning of a text, in one line. */
export function preview(text, limit = 300) {
  const short = text.length > limit ? text.slice(0, limit) + "…" : text;
  return visible(short.replace(/\s*\r?\n\s*/g, " ⏎ "));
}

function coloured(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(lexeme)) {
    const piece = match[0];
    if (match.index > end) nodes.push(text.slice(end, match.index));
    end = match.index + piece.length;
    let kind = "";
    if (piece[0] === '"') kind = text[end] === ":" ? "j-name" : "j-text";
    else if (!/[{}[\],:]/.test(piece)) kind = "j-word";
    nodes.push(kind ? el("span", { class: kind }, ...visible(piece)) : piece);
  }
  nodes.push(text.slice(end));
  return nodes;
}

// C1 controls, invisible characters, and those that turn the direction of writing.
const deceiving = /[\u0080-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff0-\ufffb]|\udb40[\udc00-\udfff]/g;

/** Nodes for a text, in which characters that cannot be seen are spelt out. */
export function visible(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(deceiving)) {
    nodes.push(text.slice(end, match.index));
    const code = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(el("span", { class: "spelt" }, "U+" + code));
    end = match.index + match[0].length;
  }
  nodes.push(text.slice(end));
  return nodes;
}
