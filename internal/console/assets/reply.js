// The reply.
import { byId, bytes, el, say } from "./dom.js";
import { block } from "./text.js";

const maxShown = 64 << 10;

const duration = (ms) => (ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString("en")) + " ms";

/** What a status is to somebody who looks for trouble. */
export const kindOf = (status) => (status < 300 ? "ok" : status < 500 ? "warn" : "bad");

function showWaiting() {
  byId("reply").replaceChildren(el("p", { class: "empty" }, "Waiting for the reply …"));
}

/** The reply before is not one to what is in the form now. */
export function showRefused(why) {
  byId("reply").replaceChildren(el("p", { class: "problem" }, `Not sent: ${why}`));
}

function showFailure(error) {
  const text = "No reply: the gateway does not answer.";
  byId("reply").replaceChildren(el("p", { class: "problem" }, `${text} (${error.message})`));
  say(text);
}

/** Shows what came of a request; nothing yet: that it is waited for. */
export function showOutcome({ reply, error }) {
  if (reply) showReply(reply);
  else if (error) showFailure(error);
  else showWaiting();
}

function showReply({ status, reason, headers, text, took }) {
  const said = `${status} ${reason}`.trim();
  const size = new TextEncoder().encode(text).length;
  byId("reply").replaceChildren(
    el("p", { class: "status" },
      el("strong", { "data-kind": kindOf(status), id: "status" }, said), " ",
      el("span", { id: "took" }, duration(took)), " ",
      el("span", {}, bytes(size))),
    text === "" ? el("p", { class: "empty" }, "No body.") : block(text.slice(0, maxShown)),
    ...(text.length > maxShown ? [el("p", { class: "cut" }, `The first ${bytes(maxShown)} are shown.`)] : []),
    el("details", {}, el("summary", {}, `${headers.length} headers`), fields(headers)),
  );
  say(`Reply: ${said}, ${duration(took)}`);
}

function fields(headers) {
  return el("dl", { class: "fields" }, ...headers.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}
