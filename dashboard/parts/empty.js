// An empty list that teaches: what belongs here, why, and the first step.

import { h } from "../base/dom.js";

/** A title, paragraphs, and what to do: buttons and links, or { sign } for an icon above the title. */
export function empty(title, texts, ...actions) {
  const sign = actions.find((one) => one?.sign)?.sign;
  const buttons = actions.filter((one) => one && !one.sign);
  return h(
    "section",
    { class: "empty" },
    sign,
    h("h2", {}, title),
    [texts].flat().map((text) => (typeof text === "string" ? h("p", {}, text) : text)),
    buttons.length ? h("div", { class: "actions" }, buttons) : null,
  );
}
