// Whose dashboard this is: the name, the logo and the colour of the product whose pages are shown.

import { toUrlPath } from "../base/base-path.js";
import { h } from "../base/dom.js";
import { presentation, t } from "../base/texts.js";
import { icon } from "./icons.js";

/** The product's logo, or the dashboard's own sign. */
export function brandMark() {
  const logo = presentation()?.logo;
  if (logo) return h("img", { class: "logo", src: toUrlPath(logo), alt: "" });
  return h("span", { class: "logo", "aria-hidden": "true" }, icon("key"));
}

/** The product's name. */
export function brandTitle() {
  return t("shared.brand");
}

/** Put the product's colour on the page. */
export function wearColours() {
  const accent = presentation()?.accent;
  const { style } = document.documentElement;
  const set = (name, value) => (value ? style.setProperty(name, value) : style.removeProperty(name));
  set("--accent-light", accent?.light);
  set("--accent-dark", accent?.dark);
  set("--accent-button", accent?.light);
}
