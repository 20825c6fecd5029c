// An empty list that teaches: what belongs here, why, and the first step.

import { h } from "../base/dom.js";

/** A title, paragraphs, and what to do. */
export function empty(title, texts, ...actions) {
  return h(
    "section",
    { class: "empty" },
    h("h2", {}, title),
    [texts].flat().map((text) => (typeof text === "string" ? h("p", {}, text) : text)),
    actions.length ? h("div", { class: "actions" }, actions) : null,
  );
}
