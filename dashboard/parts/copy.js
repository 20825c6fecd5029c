// Copying to the clipboard, and saying whether it worked.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { say } from "./notice.js";

/** A button that copies what text() gives. copied() is called after success; failed() when the browser refuses. */
export function copyButton({ label, text, copied, failed, ...attributes }) {
  const onclick = async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      failed?.();
      return;
    }
    button.textContent = t("tokens.copiedButton");
    copied?.();
  };
  return h("button", { type: "button", onclick, ...attributes }, label);
}

/** Copy something that is no secret, such as an id. */
export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(t("tokens.copied", { what }));
  } catch {
    say(t("tokens.copyRefused"));
  }
}
