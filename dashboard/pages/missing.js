// An address that leads nowhere, or to something that is not the reader's to see: nobody can tell which.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";

/** The page. */
export async function missingPage() {
  return {
    title: t("shared.missingTitle"),
    body: [
      h("p", {}, t("shared.missingText")),
      h("p", {}, h("a", { href: "/", class: "button main" }, t("shared.missingLink"))),
    ],
  };
}
