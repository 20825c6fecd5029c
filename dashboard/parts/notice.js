// Short notes about what happened: seen at the foot of the page, said by screen readers, gone after a while.

import { h } from "../base/dom.js";

const SHOWN_MS = 7000;
let region = null;

/** The place for notes; once, in the page's frame. Dialogs lie above the page, so notes move into the open one. */
export function noticeRegion() {
  region = h("div", { class: "notices", role: "status", "aria-live": "polite" });
  return region;
}

/** Say something. */
export function say(text) {
  const note = h("p", { class: "notice" }, text);
  region?.append(note);
  setTimeout(() => note.remove(), SHOWN_MS);
}
