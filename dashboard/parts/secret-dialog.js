// A secret, shown once. It lives in this dialog alone and goes with it: not in the address, the history or a storage.

import { fill, h } from "../base/dom.js";
import { holdPage } from "../base/router.js";
import { alertBox } from "./alert.js";
import { copyButton } from "./copy.js";
import { openDialog } from "./dialog.js";

/** Show it, and resolve when the dialog is closed. what: "token" or "invitation code"; next: what to do with it. */
export async function showSecret({ title, secret, what, next }) {
  let copied = false;
  const warning = (event) => !copied && event.preventDefault();
  addEventListener("beforeunload", warning);
  const asking = h("div", { role: "alert" });
  const status = h("p", { class: "hint", role: "status" });
  let copy;
  const output = h("textarea", {
    class: "secret",
    rows: 2,
    readonly: true,
    value: secret,
    "aria-label": `The ${what}`,
    spellcheck: "false",
    autocomplete: "off",
  });
  output.addEventListener("copy", () => (copied = true));

  const dialog = openDialog({
    title,
    mayClose: mayGo,
    content: (close) => body(close),
  });
  function mayGo() {
    if (!copied) askFirst();
    return copied;
  }
  function askFirst() {
    const back = h(
      "button",
      { type: "button", class: "main", onclick: () => (fill(asking), copy.focus()) },
      "Go back and copy it",
    );
    const leave = h(
      "button",
      { type: "button", class: "danger", onclick: () => dialog.close() },
      "Close without copying",
    );
    fill(asking, alertBox("warning", `You have not copied the ${what}. It cannot be shown again.`, back, leave));
    back.focus();
  }
  function body(close) {
    const done = () => mayGo() && close();
    copy = copyButton({
      label: "Copy",
      class: "main",
      "data-focus": true,
      text: () => secret,
      copied: () => {
        copied = true;
        fill(status, "Copied. Put it where your program reads it, and nowhere else.");
      },
      failed: () => {
        output.focus();
        output.select();
        fill(status, "The browser did not allow copying. It is selected: copy it with the keyboard or the menu.");
      },
    });
    return [
      alertBox("warning", `Copy the ${what} now. It will not be shown again: Spacekey does not keep it.`),
      h("div", { class: "secret-row" }, output, copy),
      status,
      next,
      asking,
      h("div", { class: "actions" }, h("button", { type: "button", onclick: done }, "Done")),
    ];
  }
  holdPage(mayGo);
  await dialog.closed;
  holdPage(null);
  removeEventListener("beforeunload", warning);
  output.value = "";
  secret = "";
}
