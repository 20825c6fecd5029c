// An address that leads nowhere, or to something that is not the reader's to see: nobody can tell which.

import { h } from "../base/dom.js";

/** The page. */
export async function missingPage() {
  return {
    title: "Nothing here",
    body: [
      h("p", {}, "There is no such page, or you have no access to it."),
      h("p", {}, h("a", { href: "/" }, "See your workspaces")),
    ],
  };
}
