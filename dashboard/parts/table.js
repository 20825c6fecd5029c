// Tables: a caption for screen readers, headers that sort, and a wrapper that scrolls on narrow screens.

import { freshId, h } from "../base/dom.js";
import { landmark } from "../base/surroundings.js";

/**
 * A table. columns are { key, title, cell(row), sort, hidden, class }; sort is a sort key.
 * sorting: { field, direction, change(field) }. rowClass(row) and the first column's cell make the row's header.
 */
export function table({ caption, columns, rows, sorting, rowClass = () => null, lead = null, kind = "plain-table" }) {
  const shown = columns.filter((one) => !one.hidden);
  const id = freshId("caption");
  const head = h(
    "tr",
    {},
    lead ? h("td", {}, lead.head()) : null,
    shown.map((column) => header(column, sorting)),
  );
  const body = rows.map((row) => {
    const cells = shown.map((column, index) => {
      const facts = { class: column.class, "data-title": column.title };
      return index === 0 ? h("th", { scope: "row", ...facts }, column.cell(row)) : h("td", facts, column.cell(row));
    });
    return h("tr", { class: rowClass(row) }, lead ? h("td", { class: "lead" }, lead.cell(row)) : null, cells);
  });
  const element = h(
    "table",
    { class: kind },
    h("caption", { id, class: "unseen" }, caption),
    h("thead", {}, head),
    h("tbody", {}, body),
  );
  return h("div", { class: "table-wrap", role: landmark("region"), "aria-labelledby": id, tabindex: "0" }, element);
}

function header(column, sorting) {
  if (!column.sort || !sorting) return h("th", { scope: "col", class: column.class }, column.title);
  const active = sorting.field === column.sort;
  const order = !active ? "none" : sorting.direction === "ASC" ? "ascending" : "descending";
  const arrow = { none: "↕", ascending: "↑", descending: "↓" }[order];
  const onclick = () => sorting.change(column.sort);
  const button = h(
    "button",
    { type: "button", class: "plain sort", "data-sort": column.sort, onclick },
    column.title,
    h("span", { "aria-hidden": "true" }, ` ${arrow}`),
  );
  return h("th", { scope: "col", "aria-sort": order, class: column.class }, button);
}
