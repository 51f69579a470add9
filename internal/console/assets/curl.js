// A request as a command for a POSIX shell.

/** A word that the shell takes as it is. */
export function quote(word) {
  if (/^[\w./:=@%+-]+$/.test(word)) return word;
  return "'" + word.replaceAll("'", "'\\''") + "'";
}

/** The command that sends what the page sends: {method, url, headers: [[name, value]], body}. */
export function curl({ method, url, headers, body }) {
  const takesBody = ["POST", "PUT", "PATCH"].includes(method);
  const hasBody = body !== "" || takesBody;
  let first = "curl -i";
  if (/[[\]{}]/.test(url)) first += " -g"; // no patterns in it
  if (method === "HEAD") first = first.replace("-i", "--head");
  else if (method !== (hasBody ? "POST" : "GET")) first += " -X " + quote(method);
  const lines = [first + " " + quote(url)];
  for (const [name, value] of headers) {
    lines.push("-H " + quote(value === "" ? name + ";" : name + ": " + value)); // name: would take it away
  }
  // Without this curl says that the body is a form.
  if (hasBody && !headers.some(([name]) => name.toLowerCase() === "content-type")) lines.push("-H 'content-type:'");
  if (hasBody) lines.push("--data-raw " + (body === "" ? "''" : quote(body)));
  return lines.join(" \\\n  ");
}
