// Chooses among the broker's topics and partitions, where the route lets headers say them. What is chosen is in the headers,
// and nowhere else: whoever changes them there has chosen too.
import { byId, el } from "./dom.js";
import { headerIn, withHeader } from "./request.js";

let topics = new Map(); // how many partitions each has
let route = null;
let asking = 0;

const header = (what) => (route?.headerPrefix ?? "") + what;
const chosen = (what) => headerIn(byId("headers").value, header(what));

/** Is for that route from now on; null: for none. */
export function pickFor(r) {
  route = r;
  showPicked();
}

/** Shows what the headers say. */
export function showPicked() {
  const may = (what) => Boolean(route?.overrides.includes(what));
  for (const what of ["topic", "partition"]) byId(what).closest("label").hidden = !may(what);
  byId("picker").hidden = !may("topic") && !may("partition");
  if (byId("picker").hidden) return;
  offer("topic", route.topic ? `${route.topic} (the route’s)` : "none", [...topics.keys()]);
  const count = topics.get(chosen("topic") || route.topic) ?? 0;
  offer("partition", "the route’s, or by key", Array.from({ length: Math.min(count, 1000) }, (_, n) => String(n)));
}

function offer(what, none, values) {
  const value = chosen(what);
  const all = values.map((v) => [v, v]);
  if (value && !values.includes(value)) all.push([value, `${value} (new)`]);
  const select = byId(what);
  const is = JSON.stringify([none, all]);
  if (select.dataset.is !== is) { // a list that is open stays as it is
    select.replaceChildren(...[["", none], ...all].map(([v, text]) => el("option", { value: v }, text)));
    select.dataset.is = is;
  }
  select.value = value;
}

/** Asks what topics there are. Brokers that do not answer have those that they had. */
export async function loadTopics() {
  const number = ++asking;
  try {
    const response = await fetch("topics");
    const about = response.ok && (await response.json());
    if (!about || number !== asking) return;
    topics = new Map(about.topics);
    showPicked();
  } catch {
    // the stream says that dev is away
  }
}

/** Calls changed after each choice. */
export function startPicker(changed) {
  for (const what of ["topic", "partition"]) {
    byId(what).addEventListener("focus", loadTopics);
    byId(what).addEventListener("change", (e) => {
      byId("headers").value = withHeader(byId("headers").value, header(what), e.target.value);
      changed();
    });
  }
}
