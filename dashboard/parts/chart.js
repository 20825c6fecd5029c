// Charts as SVG in a few lines: patterns besides colours, and the numbers in a table behind.

import { t } from "../base/texts.js";
import { freshId, h, svg } from "../base/dom.js";
import { table } from "./table.js";

const WIDTH_MAX = 720;
const WIDTH_MIN = 280;
const MARGINS = 64;
const HEIGHT = 180;
const LEFT = 44;
const FOOT = 22;
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

/** Stacked columns by day. days are { day, allowed, denied, rateLimited }, oldest first, without holes. */
export function dayChart(title, days) {
  if (!days.some((day) => total(day) > 0)) return h("p", {}, t("usage.noneYet", { title }));
  const top = niceTop(Math.max(1, ...days.map(total)));
  // Drawn as wide as it is shown, so that its words stay readable on a phone.
  const whole = Math.max(WIDTH_MIN, Math.min(WIDTH_MAX, document.documentElement.clientWidth - MARGINS));
  const width = (whole - LEFT) / days.length;
  const scale = (HEIGHT - FOOT - 8) / top;
  const columns = days.flatMap((day, index) => {
    let y = HEIGHT - FOOT;
    return SERIES.map(({ key }) => {
      const height = day[key] * scale;
      y -= height;
      const box = { x: LEFT + index * width + 1, y, width: Math.max(1, width - 2), height };
      return height > 0 ? svg("rect", { ...box, class: `part ${key}`, fill: `url(#${key})` }) : null;
    });
  });
  const lines = [0, 0.5, 1].map((part) => {
    const y = HEIGHT - FOOT - part * top * scale;
    const number = svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, short(part * top));
    return [svg("line", { x1: LEFT, x2: whole, y1: y, y2: y, class: "grid" }), number];
  });
  const ends = [
    svg("text", { x: LEFT, y: HEIGHT - 4 }, days[0].day),
    svg("text", { x: whole, y: HEIGHT - 4, "text-anchor": "end" }, days.at(-1).day),
  ];
  const sum = (key) => days.reduce((all, day) => all + day[key], 0);
  const name = t("usage.chartName", {
    title,
    names: SERIES.map(({ key, title: word }) => `${sum(key)} ${word.toLowerCase()}`).join(", "),
  });
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${whole} ${HEIGHT}`, role: "img", "aria-label": name, class: "chart" },
    patterns(),
    lines,
    columns,
    ends,
  );
  return figure(title, picture, dayTable(title, days));
}

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
    return h("li", {}, h("a", { href: row.href }, row.label), picture, h("span", {}, total(row).toLocaleString()));
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

function figure(title, picture, behind) {
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

function dayTable(title, days) {
  const rows = days.filter((day) => total(day) > 0).reverse();
  return table({
    caption: title,
    columns: [{ title: t("usage.dayUtc"), cell: (day) => day.day }, ...numberColumns()],
    rows,
  });
}

function numberColumns() {
  return SERIES.map(({ key, title }) => ({ title, cell: (row) => row[key].toLocaleString(), class: "number" }));
}

/** Plain, striped and dotted: told apart without colour. */
function patterns() {
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

function niceTop(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= most);
}

function short(number) {
  return number >= 10_000 ? `${Math.round(number / 1000)}k` : String(Number(number.toFixed(1)));
}
