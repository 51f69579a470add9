// What is in the form, as a request; and sending it.

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

// A page may not set these (https://fetch.spec.whatwg.org/#forbidden-request-header).
const forbidden = /^(accept-charset|accept-encoding|access-control-request-(headers|method|private-network)|connection|content-length|cookie2?|date|dnt|expect|host|keep-alive|origin|referer|set-cookie|te|trailer|transfer-encoding|upgrade|via|proxy-.*|sec-.*)$/i;

/** Reads the form's texts. error says what is no request; only says why curl could send it, and a page cannot. */
export function read({ method, path, headers: lines, body }) {
  const request = { method, url: "", headers: [], body };
  const fail = (error) => ({ request, error });
  if (!/^\/(?!\/)/.test(path)) return fail("The path begins with one /.");
  if (path.includes("#")) return fail("A # ends a path; write %23.");
  try {
    request.url = new URL(location.origin + path.replaceAll("\\", "%5C")).href;
  } catch {
    return fail("This is no path that a URL can have.");
  }
  for (const line of lines.split("\n").filter((l) => l.trim() !== "")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim();
    if (colon < 0) return fail(`“${line.trim()}” has no colon: a header is name: value.`);
    if (!token.test(name)) return fail(`“${name}” is no name that a header can have.`);
    request.headers.push([name, line.slice(colon + 1).trim()]);
  }
  return { request, only: onlyCurl(request) };
}

const nameIn = (line) => line.slice(0, Math.max(line.indexOf(":"), 0)).trim().toLowerCase();

/** The value of the first header of that name in the form's lines; "" when there is none. */
export function headerIn(lines, name) {
  const line = lines.split("\n").find((l) => nameIn(l) === name.toLowerCase());
  return line ? line.slice(line.indexOf(":") + 1).trim() : "";
}

/** The lines with that header once, where it was or at the end; without it where the value is "". */
export function withHeader(lines, name, value) {
  const all = lines.split("\n").filter((l) => l.trim() !== "");
  const at = all.findIndex((l) => nameIn(l) === name.toLowerCase());
  const rest = all.filter((l) => nameIn(l) !== name.toLowerCase());
  if (value !== "") rest.splice(at < 0 ? rest.length : at, 0, `${name}: ${value}`);
  return rest.join("\n");
}

function onlyCurl({ method, headers, body }) {
  const kept = headers.find(([name]) => forbidden.test(name));
  if (kept) return `Browsers let no page set “${kept[0]}”. Copy as curl sends it.`;
  if (headers.some(([, value]) => /[^\t -~]/.test(value))) return "Browsers send only ASCII in headers. Copy as curl sends this.";
  if (body !== "" && (method === "GET" || method === "HEAD")) return `Browsers send no body with ${method}. Copy as curl does.`;
  return "";
}

/** Sends the request as any client would. The body goes as bytes, so that the browser adds no content-type. */
export async function send({ method, url, headers, body }) {
  const began = performance.now();
  const response = await fetch(url, {
    method,
    headers,
    body: body === "" ? undefined : new TextEncoder().encode(body),
    credentials: "omit",
    redirect: "manual",
    referrerPolicy: "no-referrer",
  });
  const text = await response.text();
  return { status: response.status, reason: response.statusText, headers: [...response.headers], text, took: performance.now() - began };
}
