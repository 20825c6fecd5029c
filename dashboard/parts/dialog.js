// Modal dialogs: the browser's own <dialog>, with a name, a way out, and the focus given back.

import { t } from "../base/texts.js";
import { fill, freshId, h } from "../base/dom.js";
import { focused, putOnTop } from "../base/surroundings.js";
import { isUnsaved } from "../base/unsaved.js";
import { alertBox } from "./alert.js";

const open = new Set();

/**
 * Open a dialog and give { element, close, closed }. content(close) makes the body; closed is a promise of what
 * close was called with. mayClose() may refuse Escape and the close button by returning false.
 */
export function openDialog({ title, content, wide = false, mayClose = () => true, dismissable = true }) {
  const before = focused();
  let finish;
  const closed = new Promise((resolve) => (finish = resolve));
  const id = freshId("dialog");
  const element = h("dialog", { class: wide ? "wide" : null, "aria-labelledby": id });
  const close = (result) => {
    if (!element.isConnected) return;
    element.close();
    element.remove();
    open.delete(close);
    if (before?.isConnected) before.focus();
    finish(result);
  };
  const asking = h("div", {});
  const leave = () => {
    if (!dismissable || !mayClose()) return;
    if (isUnsaved(element)) askToDiscard(element, asking, close);
    else close(undefined);
  };
  const cross = h(
    "button",
    { type: "button", class: "plain cross", "aria-label": t("shared.close"), onclick: leave },
    "✕",
  );
  const head = h("div", { class: "dialog-head" }, h("h2", { id, tabindex: "-1" }, title), dismissable ? cross : null);
  element.append(head, h("div", { class: "dialog-body" }, content(close), asking));
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    leave();
  });
  element.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  open.add(close);
  putOnTop(element);
  element.showModal();
  const first = element.querySelector(".dialog-body :is(input:not([type=hidden]), select, textarea):not(:disabled)");
  (element.querySelector("[data-focus]") ?? first ?? element.querySelector("h2")).focus();
  return { element, close, closed };
}

/** What was typed is lost only if its user says so. Pressing Cancel says so. */
function askToDiscard(element, asking, close) {
  const before = focused();
  const back = () => {
    fill(asking).removeAttribute("role");
    (before?.isConnected ? before : element.querySelector("h2")).focus();
  };
  const keep = h("button", { type: "button", class: "main", onclick: back }, t("shared.keepEditing"));
  const drop = () => close(undefined);
  const discard = h("button", { type: "button", class: "danger", onclick: drop }, t("shared.discard"));
  asking.setAttribute("role", "alert");
  fill(asking, alertBox("warning", t("shared.notSent"), keep, discard));
  keep.focus();
}

/** Close every dialog without asking: the page beneath is about to go. */
export function closeDialogs() {
  for (const close of [...open]) close(undefined);
}
