// Choosing scopes: what the token is for, shorthands spelled out, groups by resource, a search, and what it comes to.

import { parts, plural, t } from "../base/texts.js";
import { fill, freshId, h } from "../base/dom.js";
import { byResource, expand, whyNot } from "../base/expand.js";
import { textField } from "./field.js";
import { icon } from "./icons.js";
import { operationScopes } from "./operation-scopes.js";

const SEARCHED_FROM = 8;

/**
 * The picker. Gives { element, summary, grants() }, grants being what is chosen: shorthands as written, scopes one by
 * one. summary says what they come to; a form shows it beside its button. chosen: what is chosen at first.
 */
export function scopePicker(workspace, chosen = []) {
  const { product } = workspace;
  const boxes = new Map();
  const chips = [];
  const summary = h("div", { class: "summary", role: "status", "aria-live": "polite" });
  const grants = () => [...boxes].filter(([, box]) => box.checked).map(([name]) => name);

  const update = () => {
    const present = grants();
    const held = expand(workspace, present);
    for (const [name, box] of boxes) showVia(product, present, name, box);
    for (const { button, names } of chips) button.setAttribute("aria-pressed", String(sameNames(names, present)));
    const count = h("strong", {}, plural("tokens.scopes", held.length));
    const allowed = parts("tokens.allowsSome", { count, scopes: held.join(", ") });
    fill(summary, held.length ? allowed : t("tokens.nothingChosen"));
  };
  const tick = (names, { only = true } = {}) => {
    for (const [name, box] of boxes)
      if (only || names.includes(name)) box.checked = names.includes(name) && !box.disabled;
    openGroupsWithTicks(element);
    update();
  };
  const row = (one, scopes, extra) => scopeRow(workspace, one, scopes, boxes, update, extra);
  const groups = (scopes) =>
    byResource(scopes).map(([name, ones]) =>
      group(
        name.replaceAll("_", " "),
        ones.map((one) => row(one, [one.name])),
      ),
    );

  const own = product.scopes.filter((one) => !one.management);
  const management = product.scopes.filter((one) => one.management);
  const shorthands = product.shorthands.map((one) =>
    row(one, one.scopes, h("span", { class: "expansion" }, `= ${one.scopes.join(", ")}`)),
  );
  const list = h(
    "div",
    {},
    shorthands.length ? group(t("tokens.shorthands"), shorthands, t("tokens.shorthandsHint")) : null,
    groups(own),
  );
  const element = h(
    "div",
    { "data-field": "grants", class: "picker" },
    recommendations(workspace, tick, chips),
    own.length + shorthands.length >= SEARCHED_FROM ? searchBox(list) : null,
    list,
    management.length ? managementScopes(groups(management), tick) : null,
    h("p", { class: "field-error", id: freshId("error"), hidden: true }),
  );
  tick(chosen);
  return { element, summary, grants };
}

function managementScopes(groups, tick) {
  return h(
    "details",
    { class: "management" },
    h("summary", {}, t("tokens.managementScopes")),
    h("p", { class: "hint" }, t("tokens.managementHint")),
    operationScopes((names) => tick(names, { only: false })),
    groups,
  );
}

/** The product's use cases and presets as buttons that show whether they are what is chosen. */
function recommendations(workspace, tick, chips) {
  const { useCases, presets } = workspace.product;
  const chip = (title, about, detail, names) => {
    const reason = whyNot(workspace, names);
    const facts = { type: "button", class: "chip", disabled: reason !== null, onclick: () => tick(names) };
    const text = about ? `${title} — ${about}` : title;
    const button = h("button", facts, h("b", {}, icon("check"), text), h("small", {}, reason ?? detail));
    chips.push({ button, names });
    return button;
  };
  const cases = useCases.map((one) => {
    const preset = presets.find((other) => other.name === one.preset);
    const names = preset ? preset.scopes : one.grants;
    const detail = preset ? t("tokens.thePreset", { title: preset.title }) : names.join(", ");
    return chip(one.title, one.description, detail, names);
  });
  const named = useCases.map((one) => one.preset);
  const others = presets
    .filter((one) => !named.includes(one.name))
    .map((one) => chip(one.title, "", one.description, one.scopes));
  if (!cases.length && !others.length) return null;
  return h("fieldset", { class: "quick" }, h("legend", {}, t("tokens.whatIsItFor")), h("div", {}, cases, others));
}

/** A box that leaves only the scopes whose name or description holds the text. */
function searchBox(list) {
  const field = textField({ name: "scopeSearch", label: t("tokens.findScopes"), type: "search", spellcheck: "false" });
  const box = field.querySelector("input");
  box.addEventListener("input", () => {
    const text = box.value.trim().toLowerCase();
    for (const row of list.querySelectorAll(".check")) row.hidden = !row.textContent.toLowerCase().includes(text);
    for (const one of list.querySelectorAll("fieldset")) one.hidden = !one.querySelector(".check:not([hidden])");
  });
  box.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  return field;
}

function group(name, rows, hint) {
  return h(
    "fieldset",
    {},
    h("legend", {}, name),
    hint ? h("p", { class: "hint" }, hint) : null,
    h("div", { class: "group-scopes" }, rows),
  );
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
  const title = one.label ?? (one.title && one.title !== one.name ? one.title : null);
  const about = h(
    "span",
    { class: "hint", id: `${id}-about` },
    one.description === title ? null : one.description,
    one.useCase ? h("em", { class: "use-case" }, t("tokens.useCase", { useCase: one.useCase })) : null,
    extra,
    reason ? h("em", { class: "reason" }, ` ${reason}.`) : null,
    h("em", { class: "via" }),
  );
  return h(
    "div",
    { class: "check" },
    box,
    h("label", { for: id }, title ? h("span", {}, title, " ") : null, h("code", {}, one.name)),
    about,
  );
}

/** "included by jobs:worker", before your eyes. */
function showVia(product, grants, name, box) {
  const by = product.shorthands.find(
    (one) => one.name !== name && grants.includes(one.name) && one.scopes.includes(name),
  );
  const row = box.closest(".check");
  row.classList.toggle("included", by !== undefined);
  row.querySelector(".via").textContent = by ? t("tokens.includedBy", { name: by.name }) : "";
}

function sameNames(some, others) {
  return some.length === others.length && some.every((one) => others.includes(one));
}

function openGroupsWithTicks(element) {
  for (const one of element.querySelectorAll("details")) if (one.querySelector("input:checked")) one.open = true;
}
