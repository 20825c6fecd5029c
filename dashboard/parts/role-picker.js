// A role instead of scopes, for products whose tokens hold roles.

import { t } from "../base/texts.js";
import { expand, whyNot } from "../base/expand.js";
import { fill, h } from "../base/dom.js";
import { radioField } from "./field.js";

/** The roles tokens of this workspace may hold: the product's token roles, and those the workspace added. */
export function tokenRoles(workspace) {
  const { tokenRoles: names, roles: original } = workspace.product;
  const added = workspace.roles.filter((one) => !original.some((other) => other.name === one.name));
  return workspace.roles.filter((one) => names.includes(one.name) || added.includes(one));
}

/**
 * The picker. Gives { element, grants() } like the one for scopes.
 * What is chosen already stays until a role is picked.
 */
export function rolePicker(workspace, chosen = []) {
  const roles = tokenRoles(workspace);
  const allowed = (role) => whyNot(workspace, role.scopes);
  const first = chosen.length
    ? chosen.length === 1
      ? chosen[0]
      : undefined
    : roles.find((one) => allowed(one) === null)?.name;
  const summary = h("div", { class: "summary", role: "status", "aria-live": "polite" });
  const options = roles.map((role) => ({
    value: role.name,
    label: role.title,
    hint: allowed(role) ? t("tokens.mayNotGrant", { description: role.description }) : role.description,
    disabled: allowed(role) !== null,
  }));
  const radios = radioField({
    name: "role",
    label: t("tokens.roleLabel"),
    options,
    value: first,
    onchange: () => update(),
  });
  const grants = () => {
    const picked = [...radios.querySelectorAll("input:checked")].map((one) => one.value);
    return picked.length ? picked : [...chosen];
  };
  const update = () => {
    const held = expand(workspace, grants());
    fill(summary, held.length ? t("tokens.allowsThese", { scopes: held.join(", ") }) : t("tokens.allowsNoScope"));
  };
  update();
  const note = h("p", { class: "hint" }, t("tokens.roleHint"));
  return { element: h("div", { "data-field": "grants", class: "picker" }, radios, note), summary, grants };
}
