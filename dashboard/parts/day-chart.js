// Requests by day: columns that are read by pointing at them or with the arrow keys.

import { h, svg } from "../base/dom.js";
import { numberText } from "../base/locale.js";
import { t } from "../base/texts.js";
import { dayText } from "../base/time.js";
import { SERIES, figure, numberColumns, patterns, total } from "./chart.js";
import { table } from "./table.js";

const WIDTH_MAX = 1080;
const WIDTH_MIN = 280;
const MARGINS = 64;
const HEIGHT = 180;
const LEFT = 44;
const FOOT = 22;

/** Stacked columns. days are { day, allowed, denied, rateLimited }, oldest first, without holes. */
export function dayChart(title, days) {
  if (!days.some((day) => total(day) > 0)) return h("p", {}, t("usage.noneYet", { title }));
  const top = niceTop(Math.max(1, ...days.map(total)));
  // Drawn as wide as it is shown, so that its words stay readable on a phone.
  const whole = Math.max(WIDTH_MIN, Math.min(WIDTH_MAX, document.documentElement.clientWidth - MARGINS));
  const width = (whole - LEFT) / days.length;
  const scale = (HEIGHT - FOOT - 8) / top;
  const marker = svg("rect", { class: "marker", y: 0, width, height: HEIGHT - FOOT, visibility: "hidden" });
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${whole} ${HEIGHT}`, role: "img", "aria-label": nameOf(title, days), class: "chart" },
    patterns(),
    marker,
    grid(top, scale, whole),
    days.flatMap((day, index) => column(day, LEFT + index * width, width, scale)),
    svg("text", { x: LEFT, y: HEIGHT - 4 }, dayText(days[0].day)),
    svg("text", { x: whole, y: HEIGHT - 4, "text-anchor": "end" }, dayText(days.at(-1).day)),
  );
  const place = (event) => {
    const box = picture.getBoundingClientRect();
    return Math.floor((((event.clientX - box.left) / box.width) * whole - LEFT) / width);
  };
  const read = (index) => {
    marker.setAttribute("visibility", index === null ? "hidden" : "visible");
    if (index !== null) marker.setAttribute("x", LEFT + index * width);
  };
  return figure(title, readable(picture, days, place, read), dayTable(title, days));
}

/** The picture as a slider over its days, below the numbers of the chosen day, or those of all days. */
function readable(picture, days, place, read) {
  const line = h("p", { class: "reading", "aria-hidden": "true" });
  let at = null;
  const choose = (index) => {
    at = index === null ? null : Math.max(0, Math.min(days.length - 1, index));
    read(at);
    const all = t("usage.allDays", { days: days.length });
    const text = at === null ? sums(days, all) : sums([days[at]], dayText(days[at].day));
    line.textContent = text;
    slider.setAttribute("aria-valuenow", String((at ?? days.length - 1) + 1));
    slider.setAttribute("aria-valuetext", text);
  };
  const onkeydown = (event) => {
    const from = at ?? days.length - 1;
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7 };
    const next = { Home: 0, End: days.length - 1 }[event.key] ?? (event.key in steps ? from + steps[event.key] : null);
    if (next === null) return;
    event.preventDefault();
    choose(next);
  };
  const slider = h(
    "div",
    {
      class: "chart-box",
      role: "slider",
      tabindex: "0",
      "aria-label": picture.getAttribute("aria-label"),
      "aria-valuemin": 1,
      "aria-valuemax": days.length,
      onkeydown,
      onpointermove: (event) => choose(place(event)),
      onpointerleave: () => choose(null),
      onfocus: () => at === null && choose(days.length - 1),
      onblur: () => choose(null),
    },
    picture,
  );
  choose(null);
  return [line, slider];
}

function sums(days, name) {
  const sum = (key) => days.reduce((all, day) => all + day[key], 0);
  const counts = SERIES.map(({ key, title }) => `${numberText(sum(key))} ${title.toLowerCase()}`);
  return t("usage.reading", { name, counts: counts.join(", ") });
}

function nameOf(title, days) {
  const sum = (key) => days.reduce((all, day) => all + day[key], 0);
  return t("usage.chartName", {
    title,
    names: SERIES.map(({ key, title: word }) => `${sum(key)} ${word.toLowerCase()}`).join(", "),
  });
}

function grid(top, scale, whole) {
  return [0, 0.5, 1].map((part) => {
    const y = HEIGHT - FOOT - part * top * scale;
    const number = svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, short(part * top));
    return [svg("line", { x1: LEFT, x2: whole, y1: y, y2: y, class: "grid" }), number];
  });
}

function column(day, x, width, scale) {
  let y = HEIGHT - FOOT;
  return SERIES.map(({ key }) => {
    const height = day[key] * scale;
    y -= height;
    const box = { x: x + 1, y, width: Math.max(1, width - 2), height };
    return height > 0 ? svg("rect", { ...box, class: `part ${key}`, fill: `url(#${key})` }) : null;
  });
}

function dayTable(title, days) {
  const rows = days.filter((day) => total(day) > 0).reverse();
  const cell = ({ day }) => h("time", { datetime: day }, dayText(day));
  return table({ caption: title, columns: [{ title: t("usage.dayUtc"), cell }, ...numberColumns()], rows });
}

function niceTop(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= most);
}

function short(number) {
  return number >= 10_000 ? `${Math.round(number / 1000)}k` : numberText(Number(number.toFixed(1)));
}
