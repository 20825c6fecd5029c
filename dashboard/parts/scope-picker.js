// Choosing scopes: presets and recommendations, shorthands spelled out, groups by resource, and what it comes to.

import { fill, freshId, h } from "../base/dom.js";
import { byResource, expand, whyNot } from "../base/expand.js";
import { operationScopes } from "./operation-scopes.js";

/**
 * The picker. Gives { element, grants() }, grants being what is ticked: shorthands as written, scopes one by one.
 * chosen: what is ticked at first.
 */
export function scopePicker(workspace, chosen = []) {
  const { product } = workspace;
  const boxes = new Map();
  const summary = h("div", { class: "summary", role: "status", "aria-live": "polite" });
  const grants = () => [...boxes].filter(([, box]) => box.checked).map(([name]) => name);

  const update = () => {
    const held = expand(workspace, grants());
    for (const [name, box] of boxes) showVia(product, grants(), name, box);
    fill(
      summary,
      held.length
        ? [h("strong", {}, `This comes to ${count(held.length)}: `), held.join(", ")]
        : "Nothing is chosen yet.",
    );
  };
  const tick = (names, { only = true } = {}) => {
    for (const [name, box] of boxes)
      if (only || names.includes(name)) box.checked = names.includes(name) && !box.disabled;
    openGroupsWithTicks(element);
    update();
  };
  const row = (one, scopes, extra) => scopeRow(workspace, one, scopes, boxes, update, extra);

  const own = product.scopes.filter((one) => !one.management);
  const management = product.scopes.filter((one) => one.management);
  const shorthands = product.shorthands.map((one) =>
    row(one, one.scopes, h("span", { class: "expansion" }, `= ${one.scopes.join(", ")}`)),
  );
  const element = h(
    "div",
    { "data-field": "grants", class: "picker" },
    recommendations(workspace, tick),
    shorthands.length
      ? group("Shorthands", shorthands, "Kept as written; they follow the product when it grows.")
      : null,
    byResource(own).map(([name, scopes]) =>
      group(
        name,
        scopes.map((one) => row(one, [one.name])),
      ),
    ),
    managementScopes(management, row, tick),
    h("p", { class: "field-error", id: freshId("error"), hidden: true }),
    summary,
  );
  tick(chosen);
  return { element, grants };
}

/** Null where none of them is offered. */
function managementScopes(scopes, row, tick) {
  if (!scopes.length) return null;
  return h(
    "details",
    { class: "management" },
    h("summary", {}, "Scopes of Spacekey's own API"),
    h("p", { class: "hint" }, "Only for programs that manage tokens, members or spaces."),
    operationScopes((names) => tick(names, { only: false })),
    byResource(scopes).map(([name, some]) =>
      group(
        name,
        some.map((one) => row(one, [one.name])),
      ),
    ),
  );
}

function recommendations(workspace, tick) {
  const { useCases, presets } = workspace.product;
  const cases = useCases.map((one) => {
    const preset = presets.find((other) => other.name === one.preset);
    const names = preset ? preset.scopes : one.grants;
    return quick(workspace, one.title, preset ? `the preset ${preset.title}` : names.join(", "), names, tick);
  });
  const named = useCases.map((one) => one.preset);
  const others = presets
    .filter((one) => !named.includes(one.name))
    .map((one) => quick(workspace, one.title, one.description, one.scopes, tick));
  if (!cases.length && !others.length) return null;
  return h("fieldset", { class: "quick" }, h("legend", {}, "What is it for?"), h("div", {}, cases, others));
}

function quick(workspace, title, detail, names, tick) {
  const reason = whyNot(workspace, names);
  const facts = { type: "button", class: "chip", disabled: reason !== null, onclick: () => tick(names) };
  return h("button", facts, h("b", {}, title), h("small", {}, reason ?? detail));
}

function group(name, rows, hint) {
  return h("fieldset", {}, h("legend", {}, name), hint ? h("p", { class: "hint" }, hint) : null, rows);
}

function scopeRow(workspace, one, scopes, boxes, update, extra) {
  const id = freshId("scope");
  const reason = whyNot(workspace, scopes);
  const box = h("input", {
    type: "checkbox",
    id,
    value: one.name,
    disabled: reason !== null,
    onchange: update,
    "aria-describedby": `${id}-about`,
  });
  boxes.set(one.name, box);
  const about = h(
    "span",
    { class: "hint", id: `${id}-about` },
    one.title ? `${one.title}: ${one.description}` : one.description,
    extra,
    reason ? h("em", { class: "reason" }, ` ${reason}.`) : null,
    h("em", { class: "via" }),
  );
  return h("div", { class: "check" }, box, h("label", { for: id }, h("code", {}, one.name)), about);
}

/** "included by jobs:worker", before your eyes. */
function showVia(product, grants, name, box) {
  const by = product.shorthands.find(
    (one) => one.name !== name && grants.includes(one.name) && one.scopes.includes(name),
  );
  const row = box.closest(".check");
  row.classList.toggle("included", by !== undefined);
  row.querySelector(".via").textContent = by ? ` Included by ${by.name}.` : "";
}

function openGroupsWithTicks(element) {
  for (const one of element.querySelectorAll("details")) if (one.querySelector("input:checked")) one.open = true;
}

function count(number) {
  return number === 1 ? "1 scope" : `${number} scopes`;
}
