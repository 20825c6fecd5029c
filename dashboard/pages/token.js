// Everything about one token.

import { ask } from "../base/api.js";
import { h } from "../base/dom.js";
import { render, go } from "../base/router.js";
import { ago, dateAndAgo } from "../base/time.js";
import { WORKSPACE, keepWorkspace, may, roleTitle } from "../base/workspace.js";
import { actorLinks, actorName } from "../parts/actor.js";
import { alertBox } from "../parts/alert.js";
import { auditTable, AUDIT_ROW } from "../parts/audit-table.js";
import { dayChart, withQuietDays } from "../parts/chart.js";
import { rotationPair } from "../parts/rotation-pair.js";
import { REFUSED, refusalNotice } from "../parts/refusal.js";
import { nameWord, shown, shownCode, shownWord } from "../parts/shown-part.js";
import { environmentBadge, statusBadge, wasReplaced } from "../parts/status.js";
import { tokenActions } from "../parts/token-actions.js";
import { TOKEN_WHOLE } from "../parts/token-fields.js";
import { unusedScopes } from "../parts/unused-scopes.js";
import { missingPage } from "./missing.js";

const DAYS = 30;
const UNUSED_DAYS = 90;
const FIRST = `query ($id: ID!) { token(id: $id) { ...TokenWhole workspace { ...Workspace } } }
  ${TOKEN_WHOLE} ${WORKSPACE}`;
const MORE = `query ($id: ID!, $workspace: ID!, $usage: Boolean!, $audit: Boolean!, $refused: AuditAction!) {
  token(id: $id) @include(if: $usage) {
    usage(days: ${DAYS}) { day allowed denied rateLimited } unusedScopes(days: ${UNUSED_DAYS}) }
  workspace(id: $workspace) @include(if: $audit) {
    auditLog(filter: { targetId: $id }, first: 20) { nodes { ...AuditRow } }
    refused: auditLog(filter: { targetId: $id, action: $refused }, first: 1) { nodes { ...AuditRow } } } }
  ${AUDIT_ROW}`;

/** The page. */
export async function tokenPage({ id }) {
  const { token } = await ask(FIRST, { id });
  if (!token?.workspace) return missingPage();
  const workspace = keepWorkspace(token.workspace);
  const usage = may(workspace, "usage:read");
  const audit = may(workspace, "audit:read");
  const variables = { id, workspace: workspace.id, usage, audit, refused: REFUSED };
  const more = usage || audit ? await ask(MORE, variables) : {};
  const back = token.space ? `/space/${token.space.id}/tokens` : `/workspace/${workspace.id}/access-tokens`;
  return {
    title: token.name,
    heading: [token.name, " ", statusBadge(token.status)],
    lead: h(
      "p",
      { class: "crumb" },
      h("a", { href: back }, "← ", token.space ? `Tokens of ${token.space.name}` : "Access tokens"),
    ),
    workspace,
    space: token.space,
    current: token.space ? "spaces" : "access-tokens",
    actions: buttons(workspace, token),
    body: [
      refusalNotice(more.workspace?.refused.nodes[0], token),
      situation(workspace, token),
      rotationPair(workspace, token),
      facts(workspace, token),
      scopes(workspace, token, more.token),
      usage ? usageSection(more.token) : null,
      audit ? auditSection(more.workspace.auditLog.nodes, workspace, id) : null,
    ],
  };
}

function buttons(workspace, token) {
  const done = async () => {
    // A deleted token has no page any more.
    const { token: still } = await ask("query ($id: ID!) { token(id: $id) { id } }", { id: token.id });
    await (still ? render() : go(`/workspace/${workspace.id}/access-tokens`));
  };
  return tokenActions(workspace, token, done).map(({ label, act, danger }) =>
    h("button", { type: "button", class: danger ? "danger-text" : null, onclick: act }, label),
  );
}

function situation(workspace, token) {
  const { status, revokedAt, revokedReason, disabledAt, expiresAt, graceEndsAt } = token;
  if (status === "REVOKED")
    return alertBox("info", [
      "Revoked ",
      ago(revokedAt),
      revokedReason ? ` (${revokedReason})` : null,
      ". Every request with it is refused.",
    ]);
  if (status === "DISABLED")
    return alertBox("warning", ["Disabled ", ago(disabledAt), ". Requests with it are refused until it is enabled."]);
  if (status === "EXPIRED") {
    const end = wasReplaced(token) ? ["Replaced, ended ", ago(graceEndsAt)] : ["Expired ", ago(expiresAt)];
    const too = disabledAt ? [" It was disabled as well, ", ago(disabledAt), "."] : null;
    return alertBox("warning", [end, ". Requests with it are refused.", too]);
  }
  if (workspace.suspendedAt)
    return alertBox("warning", "This workspace is suspended: none of its tokens are accepted.");
  return null;
}

function facts(workspace, token) {
  const rows = [
    [nameWord(workspace), token.name],
    [shownWord(workspace), shownCode(workspace, token)],
    ["Token id", h("code", { class: "breakable" }, token.displayId)],
    ["Description", token.description || "None"],
    [
      "Belongs to",
      token.space ? h("a", { href: `/space/${token.space.id}/tokens` }, token.space.name) : workspace.name,
    ],
    ["Environment", environmentBadge(token.environment)],
    ["Created", [dateAndAgo(token.createdAt), " by ", actorName(token.createdBy)]],
    ["Activity", actorLinks(workspace, token)],
    token.externalId ? ["External id", h("code", { class: "breakable" }, token.externalId)] : null,
    Object.keys(token.metadata).length
      ? ["Metadata", h("code", { class: "breakable" }, JSON.stringify(token.metadata))]
      : null,
    token.importedFrom ? ["Imported", ["As ", h("code", {}, token.importedFrom), "; rotate it to replace it"]] : null,
    ["Expires", dateAndAgo(token.expiresAt, "Not specified")],
    token.graceEndsAt
      ? [wasReplaced(token) ? "Rotation ended it" : "Rotation ends it", dateAndAgo(token.graceEndsAt)]
      : null,
    [
      "Last used",
      token.lastUsedAt ? [ago(token.lastUsedAt), token.lastUsedIp ? ` from ${token.lastUsedIp}` : null] : "Never",
    ],
    token.disabledAt ? ["Disabled", dateAndAgo(token.disabledAt)] : null,
    token.revokedAt
      ? ["Revoked", [dateAndAgo(token.revokedAt), token.revokedReason ? `: ${token.revokedReason}` : null]]
      : null,
    token.rotatedFrom ? ["Replaces", other(workspace, token.rotatedFrom)] : null,
    token.rotatedTo ? ["Replaced by", other(workspace, token.rotatedTo)] : null,
  ];
  const pairs = rows.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  return section("About this token", h("dl", { class: "facts" }, pairs));
}

function other(workspace, token) {
  return h("a", { href: `/token/${token.id}` }, shown(workspace, token));
}

function scopes(workspace, token, more) {
  const described = new Map(workspace.product.scopes.map((one) => [one.name, one.description]));
  const given = token.role
    ? `The role ${roleTitle(workspace, token.role)}`
    : token.grants.map((one) => h("code", { class: "grant" }, one));
  const list = token.scopes.length
    ? h(
        "ul",
        { class: "scopes" },
        token.scopes.map((name) =>
          h("li", {}, h("code", {}, name), h("span", { class: "quiet" }, ` ${described.get(name) ?? ""}`)),
        ),
      )
    : h("p", {}, "Nothing: the workspace's plan, policy or roles leave it no scope now.");
  return section(
    "What it may do",
    h("p", {}, h("strong", {}, "Granted: "), given),
    h("p", {}, h("strong", {}, token.status === "ACTIVE" ? "Which now comes to:" : "Which would come to:")),
    list,
    more && token.status !== "REVOKED" ? unusedScopes(workspace, token, more.unusedScopes, UNUSED_DAYS) : null,
  );
}

function usageSection({ usage }) {
  return section("Usage", dayChart(`Requests by day, the last ${DAYS} days`, withQuietDays(usage, DAYS)));
}

function auditSection(events, workspace, id) {
  const all = h(
    "p",
    {},
    h("a", { href: `/workspace/${workspace.id}/audit-log?target=${id}` }, "All of it in the audit log"),
  );
  return section(
    "Audit trail",
    events.length ? auditTable(workspace, events, "Audit trail of this token") : h("p", {}, "Nothing yet."),
    all,
  );
}

function section(title, ...children) {
  return h("section", {}, h("h2", {}, title), children);
}
