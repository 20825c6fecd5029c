// The Columns button: which columns a table shows. The choice stays in this browser.

import { t } from "../base/texts.js";
import { choose, chosen } from "../base/choices.js";
import { freshId, h } from "../base/dom.js";

/** Mark columns as hidden by what was chosen before, or by what they say themselves. */
export function withChoice(name, columns) {
  const kept = chosen(`columns.${name}`) ?? {};
  return columns.map((one) => ({ ...one, hidden: one.optional ? !(kept[one.key] ?? !one.hidden) : false }));
}

/** The button with its checkboxes; changed() is called at every tick. */
export function columnsButton(name, columns, changed) {
  const id = freshId("columns");
  const boxes = columns
    .filter((one) => one.optional)
    .map((one) => {
      const box = freshId("column");
      const onchange = (event) => {
        choose(`columns.${name}`, { ...(chosen(`columns.${name}`) ?? {}), [one.key]: event.target.checked });
        changed();
      };
      return h(
        "div",
        { class: "check" },
        h("input", { type: "checkbox", id: box, checked: !one.hidden, onchange }),
        h("label", { for: box }, one.title),
      );
    });
  const panel = h("fieldset", { class: "panel" }, h("legend", { class: "unseen" }, t("tokens.columnsToShow")), boxes);
  const details = h("details", { class: "drop", id }, h("summary", { class: "button" }, t("tokens.columns")), panel);
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    details.querySelector("summary").focus();
  });
  details.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !details.contains(event.relatedTarget)) details.open = false;
  });
  return details;
}
