// What went wrong, where it happened, in words, with what to do.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";

/** A box with a message; actions are buttons or links. kind: "error", "warning", "info". */
export function alertBox(kind, text, ...actions) {
  const label = { error: t("shared.error"), warning: t("shared.attention"), info: t("shared.note") }[kind];
  const role = kind === "error" ? "alert" : null;
  return h(
    "div",
    { class: `alert ${kind}`, role },
    h("p", {}, h("strong", {}, `${label}: `), text),
    actions.length ? h("div", { class: "actions" }, actions) : null,
  );
}

/** An error's box. */
export function errorBox(error, ...actions) {
  if (error.kind === undefined) console.error(error.message);
  const text = error.kind === undefined ? t("shared.fault") : error.message;
  return alertBox("error", text, ...actions, successor(error));
}

function successor(error) {
  const id = error.facts?.successorId;
  return id ? h("a", { href: `/token/${id}` }, t("shared.successor")) : null;
}
