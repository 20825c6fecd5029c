// The columns of the tokens' table: all that the four systems name.

import { parts, t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { ago, date } from "../base/time.js";
import { may, roleTitle } from "../base/workspace.js";
import { actorCell } from "./actor.js";
import { grantLabel } from "../base/expand.js";
import { icon } from "./icons.js";
import { menuButton } from "./menu.js";
import { nameWord, shownCode, shownWord } from "./shown-part.js";
import { environmentBadge, statusBadge, statusNote } from "./status.js";
import { tokenActions } from "./token-actions.js";

const SHOWN_GRANTS = 3;

/** What the product file calls each column. */
const KEYS = { id: "displayId", scopes: "scope", created_by: "createdBy", last_used: "lastUsed" };

/** The columns for this workspace in its product's order; done() is called after an action changed something. */
export function tokenColumns(workspace, space, done) {
  const { product } = workspace;
  const roles = product.tokenRoles.length > 0;
  const columns = [
    { key: "name", title: nameWord(workspace), sort: "NAME", cell: nameCell },
    { key: "token", title: shownWord(workspace), cell: (one) => shownCode(workspace, one) },
    { key: "displayId", title: t("tokens.displayId"), hidden: true, cell: (one) => h("code", {}, one.displayId) },
    product.environments.length > 1 && {
      key: "environment",
      title: t("tokens.environment"),
      cell: (one) => environmentBadge(one.environment),
    },
    !space && product.tokenKinds.includes("SPACE") && { key: "space", title: t("tokens.belongsTo"), cell: placeCell },
    { key: "scope", title: roles ? t("tokens.scope") : t("tokens.scopes"), cell: (one) => grantsCell(workspace, one) },
    { key: "created", title: t("tokens.createdColumn"), sort: "CREATED_AT", cell: (one) => date(one.createdAt) },
    { key: "createdBy", title: t("tokens.createdBy"), hidden: true, cell: (one) => actorCell(one.createdBy) },
    { key: "expires", title: t("tokens.expires"), sort: "EXPIRES_AT", cell: (one) => date(one.expiresAt) },
    { key: "lastUsed", title: t("tokens.lastUsed"), sort: "LAST_USED_AT", cell: (one) => ago(one.lastUsedAt) },
    { key: "status", title: t("tokens.status"), cell: statusCell },
    { key: "actions", title: t("tokens.actions"), narrow: true, cell: (one) => actionsCell(workspace, one, done) },
  ];
  const found = columns.filter(Boolean).map((one) => ({
    ...one,
    optional: true,
    class: `col-${one.key}${one.narrow ? " narrow-cell" : ""}`,
  }));
  return inOrder(found, product.presentation.columns);
}

/** Columns that the product does not name come last and are hidden at first. */
function inOrder(columns, names) {
  if (!names.length) return columns;
  const keys = names.map((name) => KEYS[name] ?? name);
  const place = (one) => (keys.includes(one.key) ? keys.indexOf(one.key) : keys.length);
  return columns
    .map((one) => ({ ...one, hidden: !keys.includes(one.key) }))
    .sort((one, other) => place(one) - place(other));
}

function nameCell(one) {
  const about = one.description ? h("div", { class: "quiet clamped", title: one.description }, one.description) : null;
  return [h("a", { href: `/token/${one.id}` }, one.name), about];
}

function placeCell(one) {
  return one.space ? h("a", { href: `/space/${one.space.id}/tokens` }, one.space.name) : t("tokens.workspace");
}

function grantsCell(workspace, one) {
  if (one.role) return h("span", { class: "role" }, roleTitle(workspace, one.role));
  const shown = one.grants.slice(0, SHOWN_GRANTS).map((name) => {
    const label = grantLabel(workspace, name);
    return label ? h("span", { class: "grant" }, label) : h("code", { class: "grant" }, name);
  });
  const rest = one.grants.length - shown.length;
  return h(
    "span",
    { title: one.grants.map((name) => grantLabel(workspace, name) ?? name).join(", ") },
    rest > 0 ? parts("tokens.moreGrants", { grants: shown, rest }) : shown,
  );
}

function statusCell(one) {
  const more = statusNote(one);
  return [statusBadge(one.status), more ? h("div", { class: "quiet" }, more) : null];
}

function actionsCell(workspace, one, done) {
  const items = tokenActions(workspace, one, done);
  if (!items.length)
    return h(
      "span",
      { class: "quiet" },
      may(workspace, "tokens:update") ? t("tokens.noDescription") : t("tokens.viewOnly"),
    );
  const buttons = workspace.product.presentation.actions
    .map((key) => items.find((item) => item.key === key))
    .filter(Boolean)
    .map(({ key, label, icon: sign, act, danger }) => {
      const name = t("tokens.actionOn", { action: label, name: one.name });
      const shape = `icon-button row-action${danger ? " danger-text" : ""}`;
      const facts = {
        type: "button",
        class: shape,
        title: label,
        "aria-label": name,
        "data-action": key,
        onclick: act,
      };
      return h("button", facts, icon(sign));
    });
  const more = menuButton({
    label: icon("more"),
    name: t("shared.actionsFor", { name: one.name }),
    items,
    class: "icon-button",
  });
  return h("div", { class: "row-actions" }, buttons, more);
}
