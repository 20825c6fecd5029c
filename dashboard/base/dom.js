// Elements from plain calls. Text always becomes text: nothing here reads HTML.

import { toUrlPath } from "./base-path.js";
import { isDashboard } from "./surroundings.js";

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "indeterminate", "selected"]);
let counted = 0;

/**
 * h("button", { class: "main", onclick: save }, "Save") → an element. null, undefined and false leave things out.
 * An href such as "/account" is a page of the dashboard, whatever its base path; where there are no pages the link is
 * plain text.
 */
export function h(tag, attributes = {}, ...children) {
  if (!isDashboard() && attributes.href?.startsWith("/")) {
    const { href: _nowhere, ...others } = attributes;
    return filled(document.createElement("span"), others, children);
  }
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Put these children in place of what the element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

/** An id of its own, for labels and descriptions. */
export function freshId(stem) {
  counted += 1;
  return `${stem}-${counted}`;
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "href" && value.startsWith("/")) element.setAttribute(name, toUrlPath(value));
    else if (!PROPERTIES.has(name)) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...present(children));
  // A select's value means something only once its options are there.
  for (const name of PROPERTIES) if (name in attributes) element[name] = attributes[name];
  return element;
}

function present(children) {
  return children.flat(9).filter((one) => one !== null && one !== undefined && one !== false);
}
