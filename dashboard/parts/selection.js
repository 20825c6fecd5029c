// Selecting tokens, over as many pages as there are, and what is done to all of them at once.

import { fill, h } from "../base/dom.js";
import { t } from "../base/texts.js";
import { bulkActions } from "./bulk-actions.js";

/** Gives { lead(rows), bar, refresh(rows) }; lead gives null for readers who may change nothing. */
export function selection(workspace, done) {
  const bar = h("div", { class: "bulk", role: "group", "aria-label": t("tokens.selection"), hidden: true });
  const actions = bulkActions(workspace);
  const selected = new Map();
  let rows = [];
  let boxes = [];

  const update = () => {
    const elsewhere = selected.size - rows.filter((one) => selected.has(one.id)).length;
    const size = selected.size;
    const text = elsewhere ? t("tokens.selectedElsewhere", { size, elsewhere }) : t("tokens.selected", { size });
    bar.hidden = selected.size === 0;
    fill(
      bar,
      h("span", { role: "status" }, text),
      actions.map(button),
      h("button", { type: "button", class: "plain", onclick: clear }, t("tokens.clearSelection")),
    );
    const some = rows.some((one) => selected.has(one.id));
    for (const { box, one } of boxes) {
      box.checked = one ? selected.has(one.id) : some && rows.every((row) => selected.has(row.id));
      if (!one) box.indeterminate = some && !box.checked;
    }
  };
  const button = ({ label, fits, run }) => {
    const fitting = [...selected.values()].filter(fits);
    const act = async () => {
      const changed = await run(fitting);
      for (const one of changed) selected.delete(one.id);
      update();
      if (changed.length) done();
    };
    return h("button", { type: "button", disabled: fitting.length === 0, onclick: act }, `${label}…`);
  };
  const clear = () => {
    selected.clear();
    update();
  };
  const select = (chosen, on) => {
    for (const one of chosen) {
      if (on) selected.set(one.id, one);
      else selected.delete(one.id);
    }
    update();
  };
  const box = (name, one, chosen) => {
    const onchange = (event) => select(chosen, event.target.checked);
    const made = h("input", { type: "checkbox", "aria-label": name, checked: one && selected.has(one.id), onchange });
    boxes.push({ box: made, one });
    return made;
  };
  const lead = (present) => {
    if (!actions.length) return null;
    rows = present;
    boxes = [];
    return {
      head: () => box(t("tokens.selectAll"), null, present),
      cell: (one) => box(t("tokens.select", { name: one.name }), one, [one]),
    };
  };
  /** What is known of those on the page is brought up to date. */
  const refresh = (present) => {
    for (const one of present) if (selected.has(one.id)) selected.set(one.id, one);
    rows = present;
    update();
  };
  return { lead, bar, refresh };
}
