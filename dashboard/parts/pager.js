// Previous and next page by cursor: the same cost on page one and page twenty thousand.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { landmark } from "../base/surroundings.js";

/** The two buttons; turn({ after } or { before }) goes there. Null when there is only one page. */
export function pager(pageInfo, turn) {
  const { hasNextPage, hasPreviousPage, startCursor, endCursor } = pageInfo;
  if (!hasNextPage && !hasPreviousPage) return null;
  const back = { type: "button", disabled: !hasPreviousPage, onclick: () => turn({ before: startCursor }) };
  const on = { type: "button", disabled: !hasNextPage, onclick: () => turn({ after: endCursor }) };
  const first = hasPreviousPage
    ? h("button", { type: "button", onclick: () => turn({}) }, t("shared.firstPage"))
    : null;
  return h(
    "div",
    { class: "pager", role: landmark("navigation"), "aria-label": t("shared.pages") },
    first,
    h("button", back, t("shared.previous")),
    h("button", on, t("shared.next")),
  );
}
