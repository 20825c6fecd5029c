// Light, dark, or as the system says.

import { choose, chosen } from "./choices.js";
import { h } from "./dom.js";

const THEMES = { system: "As the system", light: "Light", dark: "Dark" };

/** Put the chosen theme on the page. */
export function applyTheme() {
  const theme = chosen("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** A select that changes it. */
export function themeSelect() {
  const options = Object.entries(THEMES).map(([value, text]) => h("option", { value }, text));
  const onchange = (event) => {
    choose("theme", event.target.value === "system" ? null : event.target.value);
    applyTheme();
  };
  return h(
    "label",
    { class: "inline" },
    "Theme ",
    h("select", { onchange, value: chosen("theme") ?? "system" }, options),
  );
}
