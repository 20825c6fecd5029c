// Charts as SVG in a few lines: patterns besides colours, and the numbers in a table behind.

import { t } from "../base/texts.js";
import { freshId, h, svg } from "../base/dom.js";
import { numberText } from "../base/locale.js";
import { table } from "./table.js";

export const SERIES = [
  {
    key: "allowed",
    get title() {
      return t("usage.allowed");
    },
  },
  {
    key: "denied",
    get title() {
      return t("usage.denied");
    },
  },
  {
    key: "rateLimited",
    get title() {
      return t("usage.limited");
    },
  },
];

/** One bar a row, longest first. rows are { label, href, allowed, denied, rateLimited }. */
export function rowChart(title, rows) {
  const top = Math.max(1, ...rows.map(total));
  const bars = rows.map((row) => {
    let x = 0;
    const parts = SERIES.map(({ key }) => {
      const width = (row[key] / top) * 400;
      x += width;
      return width > 0
        ? svg("rect", { x: x - width, y: 0, width, height: 14, class: `part ${key}`, fill: `url(#${key})` })
        : null;
    });
    const picture = svg("svg", { viewBox: "0 0 400 14", preserveAspectRatio: "none", "aria-hidden": "true" }, parts);
    const label = row.href ? h("a", { href: row.href }, row.label) : h("span", { class: "quiet" }, row.label);
    return h("li", {}, label, picture, h("span", {}, numberText(total(row))));
  });
  const shared = svg("svg", { width: 0, height: 0, "aria-hidden": "true", class: "patterns" }, patterns());
  const columns = [{ title: t("usage.tokenColumn"), cell: (row) => row.label }, ...numberColumns()];
  return figure(title, [shared, h("ol", { class: "bars" }, bars)], table({ caption: title, columns, rows }));
}

/** Every day of the span, the quiet ones as zeros. */
export function withQuietDays(usage, days) {
  const known = new Map(usage.map((one) => [one.day, one]));
  return Array.from({ length: days }, (_, index) => {
    const day = new Date(Date.now() - (days - 1 - index) * 86_400_000).toISOString().slice(0, 10);
    return known.get(day) ?? { day, allowed: 0, denied: 0, rateLimited: 0 };
  });
}

/** All requests of a day or a row. */
export function total(one) {
  return one.allowed + one.denied + one.rateLimited;
}

/** A chart with its title, what its colours mean, and the numbers behind it. */
export function figure(title, picture, behind) {
  const legend = SERIES.map(({ key, title: word }) =>
    h(
      "li",
      {},
      svg(
        "svg",
        { viewBox: "0 0 14 14", "aria-hidden": "true" },
        svg("rect", { width: 14, height: 14, class: `part ${key}`, fill: `url(#${key})` }),
      ),
      word,
    ),
  );
  const details = h("details", {}, h("summary", {}, t("usage.showTheNumbers")), behind);
  return h("figure", {}, h("figcaption", {}, title, h("ul", { class: "legend" }, legend)), picture, details);
}

/** The columns of a table behind a chart. */
export function numberColumns() {
  return SERIES.map(({ key, title }) => ({ title, cell: (row) => numberText(row[key]), class: "number" }));
}

/** Plain, striped and dotted: told apart without colour. */
export function patterns() {
  const one = (key, ...marks) =>
    svg(
      "pattern",
      { id: key, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
      svg("rect", { width: 6, height: 6, class: `fill ${key}` }),
      marks,
    );
  return svg(
    "defs",
    { id: freshId("patterns") },
    one("allowed"),
    one("denied", svg("path", { d: "M0 6L6 0", class: "mark" })),
    one("rateLimited", svg("circle", { cx: 3, cy: 3, r: 1.4, class: "mark dot" })),
  );
}
