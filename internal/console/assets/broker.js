// The broker: where it is, and the switch that takes dev's own away and brings it back.
import { change } from "./change.js";
import { byId, say } from "./dom.js";

let away = false;

/** Shows what dev says of it. Of others' brokers there is no switch. */
export function showBroker(about) {
  const changed = about.away !== away;
  away = about.away;
  byId("broker").textContent = about.brokers + (about.embedded ? (away ? " (embedded, away)" : " (embedded)") : "");
  byId("broker").classList.toggle("problem", away);
  byId("away").hidden = !about.embedded;
  byId("away").setAttribute("aria-pressed", String(away));
  if (changed) say(away ? "The broker is away" : "The broker is back");
}

export async function toggleBroker() {
  const problem = await change("broker", { away: !away });
  if (problem) say(problem);
}
