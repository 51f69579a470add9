// Elements. Data becomes text nodes here and nowhere markup; the page's policy (Trusted Types) refuses anything else.

/** Makes an element. Properties are set as attributes; children are nodes or texts. */
export function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) e.setAttribute(name, "");
    else if (value !== false && value != null) e.setAttribute(name, value);
  }
  e.append(...children);
  return e;
}

export const byId = (id) => document.getElementById(id);

/** Keeps a setting over visits, where the browser has storage. */
export const settings = {
  get(name) {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(name, value);
    } catch {
      // it lasts as long as the page
    }
  },
};

/** Tells those who listen to the page rather than see it. */
export function say(text) {
  byId("said").textContent = text;
}

/** Copies text and says so on the button, whose first child is its label. */
export async function copy(text, button) {
  const done = await write(text);
  button.dataset.label ??= button.firstChild.data;
  button.firstChild.data = done ? "Copied " : "Not copied ";
  say(done ? "Copied" : "The browser did not let the page copy");
  clearTimeout(button.timer);
  button.timer = setTimeout(() => (button.firstChild.data = button.dataset.label), 1500);
}

// Browsers have the clipboard only for pages of this machine or over TLS; dev may listen elsewhere.
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "unseen", readonly: true });
    area.value = text;
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return done;
  }
}

/** 1234 → "1,234 bytes". */
export const bytes = (n) => (n === 1 ? "1 byte" : n.toLocaleString("en") + " bytes");

const pad = (n, width) => String(n).padStart(width, "0");

/** Milliseconds since 1970 → the time of day here. */
export function clock(ms) {
  const d = new Date(ms);
  if (Number.isNaN(d.getTime())) return String(ms);
  return `${pad(d.getHours(), 2)}:${pad(d.getMinutes(), 2)}:${pad(d.getSeconds(), 2)}.${pad(d.getMilliseconds(), 3)}`;
}
