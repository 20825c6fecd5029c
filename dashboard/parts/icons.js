// The icons, drawn for this dashboard on a grid of 16 by 16. A name beside each, or of its button, says what it means.

import { svg } from "../base/dom.js";

const SHAPES = {
  ban: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM3.8 3.8l8.4 8.4",
  chart: "M2.5 13.5h11M4.5 11V8.5M8 11V3.5M11.5 11V6",
  check: "M3 8.5l3.5 3.5L13 4.5",
  chevron: "M4.5 6.5L8 10l3.5-3.5",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.8V8l2.2 1.6",
  copy: "M5.5 5.5h8v8h-8ZM10.5 3V2.5h-8v8H3",
  cross: "M4 4l8 8M12 4l-8 8",
  edit: "M10.6 2.6l2.8 2.8L5.8 13l-3.5.7L3 10.2ZM8.8 4.4l2.8 2.8",
  help: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM6.2 6.2a1.8 1.8 0 1 1 2.6 1.6c-.6.3-.8.7-.8 1.3M8 11.3v.01",
  key: "M10.5 8.5a3 3 0 1 0-3-3 3 3 0 0 0 3 3ZM8.4 7.6L2.5 13.5M2.5 13.5v1M4.8 11.2l1.7 1.7",
  list: "M6 4h7.5M6 8h7.5M6 12h7.5M2.8 4h.01M2.8 8h.01M2.8 12h.01",
  more: "M3 8h1M7.5 8h1M12 8h1",
  people:
    "M6 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM1.5 13.5c.4-2.4 2.2-3.8 4.5-3.8s4.1 1.4 4.5 3.8" +
    "M10.7 2.8a2.5 2.5 0 0 1 0 4.5M12.3 10c1.2.6 2 1.9 2.2 3.5",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6L12.5 8Z",
  person: "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8ZM2.8 14c.5-2.5 2.5-4 5.2-4s4.7 1.5 5.2 4",
  plus: "M8 3v10M3 8h10",
  rotate: "M13 8a5 5 0 1 1-1.5-3.5L13 6M13 2.5V6H9.5",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.4 10.4l3.1 3.1",
  shield: "M8 1.8l5 1.8v4c0 3.2-2 5.4-5 6.6-3-1.2-5-3.4-5-6.6v-4Z",
  sliders: "M2.5 4.5h6M12 4.5h1.5M2.5 11.5H4M7.5 11.5h6M10.2 3v3M5.8 10v3",
  spaces: "M2.5 2.5h4.5V7H2.5ZM9 2.5h4.5V7H9ZM2.5 9h4.5v4.5H2.5ZM9 9h4.5v4.5H9Z",
  trash: "M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.6 9h6.8l.6-9M6.7 7v4M9.3 7v4",
  warning: "M8 2.2l6.3 11.3H1.7ZM8 6.5v3.2M8 11.6v.01",
};

/** An icon, hidden from screen readers. */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: SHAPES[name] }),
  );
}
