// The routes and their presets.
import { byId, el } from "./dom.js";
import { kindOf } from "./reply.js";

let chosen = "";
let wanted = ""; // is chosen as soon as it is there, and anew if it is chosen already

export const wantRoute = (id) => (wanted = id);

/** Chooses a route, if it is still there, as pressing it does. */
export function chooseRoute(id) {
  [...byId("routes").querySelectorAll("input")].find((radio) => radio.value === id)?.click();
}

/**
 * Shows the routes. Of the calls, use(preset) is made when one of the presets is pressed, fill(preset) when a route is chosen, and
 * chose(route) when another one is, or none (null), or the same has changed.
 */
export function showRoutes(routes, calls) {
  const come = routes.find((r) => r.id === wanted);
  if (come) chosen = wanted;
  wanted = come ? "" : wanted;
  const known = !come && routes.some((r) => r.id === chosen);
  const box = byId("routes");
  const focused = box.contains(document.activeElement);
  box.replaceChildren(...routes.map((r) => row(r, calls)));
  if (routes.length === 0) box.append(el("p", { class: "empty" }, "There is no route. Every request is answered 404."));
  const route = routes.find((r) => r.id === chosen) ?? routes[0];
  if (route) choose(route, calls, !known);
  else {
    byId("presets").replaceChildren();
    calls.chose(null);
  }
  if (focused) box.querySelector("input:checked")?.focus();
}

function row(route, calls) {
  const radio = el("input", { type: "radio", name: "route", class: "unseen", value: route.id });
  radio.addEventListener("change", () => choose(route, calls, true));
  const methods = route.methods.length ? route.methods.join(" ") : "any method";
  return el("label", { class: "route" },
    radio,
    el("b", {}, route.id),
    el("span", { class: "uri" }, el("i", {}, methods), " ", route.uris.join(" "), ...(route.hosts.length ? [" on " + route.hosts.join(" ")] : [])),
    route.problem
      ? el("span", { class: "problem" }, route.problem)
      : el("span", { class: "to" }, el("span", { "aria-label": "to topic" }, "→"), " ", route.topic || "topic of the request",
          ...(route.key ? [el("span", { class: "key" }, " key ", route.key)] : [])),
    el("span", { class: "tags" }, ...[route.delivery, ...route.features].filter(Boolean).map((name) => el("span", { class: "tag" }, name))),
  );
}

function choose(route, calls, anew) {
  chosen = route.id;
  for (const radio of byId("routes").querySelectorAll("input")) radio.checked = radio.value === route.id;
  byId("presets").replaceChildren(...route.presets.map((p) => {
    const button = el("button", { type: "button", title: p.note }, p.name,
      ...(p.status ? [" ", el("span", { class: "code", "data-kind": kindOf(p.status) }, String(p.status))] : []));
    button.addEventListener("click", () => calls.use(p));
    return button;
  }));
  calls.chose(route);
  if (anew && route.presets.length) calls.fill(route.presets[0]);
}
