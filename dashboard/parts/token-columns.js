// The columns of the tokens' table: all that the four systems name.

import { h } from "../base/dom.js";
import { ago, date } from "../base/time.js";
import { may, roleTitle } from "../base/workspace.js";
import { actorCell } from "./actor.js";
import { menuButton } from "./menu.js";
import { nameWord, shownCode, shownWord } from "./shown-part.js";
import { environmentBadge, statusBadge, statusNote } from "./status.js";
import { tokenActions } from "./token-actions.js";

const SHOWN_GRANTS = 3;

/** The columns for this workspace; done() is called after an action changed something. */
export function tokenColumns(workspace, space, done) {
  const { product } = workspace;
  const roles = product.tokenRoles.length > 0;
  const columns = [
    { key: "name", title: nameWord(workspace), sort: "NAME", cell: nameCell },
    { key: "token", title: shownWord(workspace), cell: (one) => shownCode(workspace, one) },
    { key: "displayId", title: "Token id", hidden: true, cell: (one) => h("code", {}, one.displayId) },
    product.environments.length > 1 && {
      key: "environment",
      title: "Environment",
      cell: (one) => environmentBadge(one.environment),
    },
    !space && product.tokenKinds.includes("SPACE") && { key: "space", title: "Belongs to", cell: placeCell },
    { key: "scope", title: roles ? "Scope" : "Scopes", cell: (one) => grantsCell(workspace, one) },
    { key: "created", title: "Created", sort: "CREATED_AT", cell: (one) => date(one.createdAt) },
    { key: "createdBy", title: "Created by", hidden: true, cell: (one) => actorCell(one.createdBy) },
    { key: "expires", title: "Expires", sort: "EXPIRES_AT", cell: (one) => date(one.expiresAt) },
    { key: "lastUsed", title: "Last used", sort: "LAST_USED_AT", cell: (one) => ago(one.lastUsedAt) },
    { key: "status", title: "Status", cell: statusCell },
    { key: "actions", title: "Actions", class: "narrow-cell", cell: (one) => actionsCell(workspace, one, done) },
  ];
  return columns.filter(Boolean).map((one) => ({ ...one, optional: true }));
}

function nameCell(one) {
  const about = one.description ? h("div", { class: "quiet" }, one.description) : null;
  return [h("a", { href: `/token/${one.id}` }, one.name), about];
}

function placeCell(one) {
  return one.space ? h("a", { href: `/space/${one.space.id}/tokens` }, one.space.name) : "Workspace";
}

function grantsCell(workspace, one) {
  if (one.role) return h("span", { class: "role" }, roleTitle(workspace, one.role));
  const shown = one.grants.slice(0, SHOWN_GRANTS).map((name) => h("code", { class: "grant" }, name));
  const rest = one.grants.length - shown.length;
  return h(
    "span",
    { title: one.grants.join(", ") },
    shown,
    rest > 0 ? h("span", { class: "quiet" }, ` and ${rest} more`) : null,
  );
}

function statusCell(one) {
  const more = statusNote(one);
  return [statusBadge(one.status), more ? h("div", { class: "quiet" }, more) : null];
}

function actionsCell(workspace, one, done) {
  const items = tokenActions(workspace, one, done);
  return items.length
    ? menuButton({ label: "⋯", name: `Actions for ${one.name}`, items })
    : h("span", { class: "quiet" }, may(workspace, "tokens:update") ? "None" : "View only");
}
