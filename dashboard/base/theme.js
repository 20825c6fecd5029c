// Light, dark, or as the system says.

import { t } from "./texts.js";
import { choose, chosen } from "./choices.js";
import { h } from "./dom.js";

const THEMES = { system: "shared.themeSystem", light: "shared.light", dark: "shared.dark" };

/** Put the chosen theme on the page. */
export function applyTheme() {
  const theme = chosen("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** A select that changes it. */
export function themeSelect() {
  const options = Object.entries(THEMES).map(([value, text]) => h("option", { value }, t(text)));
  const onchange = (event) => {
    choose("theme", event.target.value === "system" ? null : event.target.value);
    applyTheme();
  };
  return h(
    "label",
    { class: "inline" },
    t("shared.theme"),
    h("select", { onchange, value: chosen("theme") ?? "system" }, options),
  );
}
