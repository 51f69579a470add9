// The routes and their presets.
import { byId, el } from "./dom.js";
import { kindOf } from "./reply.js";

let chosen = "";

/** Shows the routes; use(preset) is called when one of the presets is pressed, fill(preset) when a route is chosen. */
export function showRoutes(routes, use, fill) {
  const known = routes.some((r) => r.id === chosen);
  const box = byId("routes");
  const focused = box.contains(document.activeElement);
  box.replaceChildren(...routes.map((r) => row(r, use, fill)));
  if (routes.length === 0) box.append(el("p", { class: "empty" }, "There is no route. Every request is answered 404."));
  const route = known ? routes.find((r) => r.id === chosen) : routes[0];
  if (route) choose(route, use, known ? null : fill);
  else byId("presets").replaceChildren();
  if (focused) box.querySelector("input:checked")?.focus();
}

function row(route, use, fill) {
  const radio = el("input", { type: "radio", name: "route", class: "unseen", value: route.id });
  radio.addEventListener("change", () => choose(route, use, fill));
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

function choose(route, use, fill) {
  chosen = route.id;
  for (const radio of byId("routes").querySelectorAll("input")) radio.checked = radio.value === route.id;
  byId("presets").replaceChildren(...route.presets.map((p) => {
    const told = p.status && p.status !== 200;
    const button = el("button", { type: "button", title: p.note }, p.name,
      ...(told ? [" ", el("span", { class: "code", "data-kind": kindOf(p.status) }, String(p.status))] : []));
    button.addEventListener("click", () => use(p));
    return button;
  }));
  if (fill && route.presets.length) fill(route.presets[0]);
}
