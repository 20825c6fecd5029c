// A secret, shown once. It lives in this dialog alone and goes with it: not in the address, the history or a storage.

import { t } from "../base/texts.js";
import { fill, h } from "../base/dom.js";
import { holdPage } from "../base/router.js";
import { alertBox } from "./alert.js";
import { copyButton } from "./copy.js";
import { openDialog } from "./dialog.js";
import { snippets } from "./snippets.js";

/** Show it, and resolve when the dialog is closed. what: "token" or "invitation code"; next: what to do with it. */
export async function showSecret({ title, secret, what, next, workspace = null }) {
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
    "aria-label": t("tokens.secretLabel", { what }),
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
      t("tokens.goBack"),
    );
    const leave = h(
      "button",
      { type: "button", class: "danger", onclick: () => dialog.close() },
      t("tokens.closeWithoutCopying"),
    );
    fill(asking, alertBox("warning", t("tokens.notCopied", { what }), back, leave));
    back.focus();
  }
  function body(close) {
    const done = () => mayGo() && close();
    copy = copyButton({
      label: t("tokens.copySecret"),
      class: "main",
      "data-focus": true,
      text: () => secret,
      copied: () => {
        copied = true;
        fill(status, t("tokens.copiedNext"));
      },
      failed: () => {
        output.focus();
        output.select();
        fill(status, t("tokens.copyByHand"));
      },
    });
    return [
      alertBox("warning", workspace ? t("tokens.copyNow") : t("people.copyNow")),
      h("div", { class: "secret-row" }, output, copy),
      status,
      workspace ? h("p", {}, t("tokens.storeIt")) : null,
      workspace ? h("p", { class: "hint" }, t("tokens.shownOnce")) : null,
      next,
      workspace ? snippets(workspace.product, secret) : null,
      asking,
      h("div", { class: "actions" }, h("button", { type: "button", onclick: done }, t("tokens.done"))),
    ];
  }
  holdPage(mayGo);
  await dialog.closed;
  holdPage(null);
  removeEventListener("beforeunload", warning);
  output.value = "";
  secret = "";
}
