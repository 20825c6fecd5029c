// Everything about one token.

import { parts, t } from "../base/texts.js";
import { ask } from "../base/api.js";
import { h } from "../base/dom.js";
import { render, go } from "../base/router.js";
import { ago, dateAndAgo } from "../base/time.js";
import { WORKSPACE } from "../base/questions.js";
import { keepWorkspace, may, roleTitle } from "../base/workspace.js";
import { navigationPath, spaceTokensPath, tokensPath } from "../base/token-paths.js";
import { icon } from "../parts/icons.js";
import { actorLinks, actorName } from "../parts/actor.js";
import { alertBox } from "../parts/alert.js";
import { auditTable, AUDIT_ROW } from "../parts/audit-table.js";
import { withQuietDays } from "../parts/chart.js";
import { dayChart } from "../parts/day-chart.js";
import { rotationPair } from "../parts/rotation-pair.js";
import { REFUSED, refusalNotice } from "../parts/refusal.js";
import { nameWord, shown, shownCode, shownWord } from "../parts/shown-part.js";
import { environmentBadge, statusBadge, wasReplaced } from "../parts/status.js";
import { tokenActions } from "../parts/token-actions.js";
import { TOKEN_WHOLE } from "../base/token-fields.js";
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
  const back = token.space ? spaceTokensPath(token.space) : tokensPath(workspace);
  return {
    title: token.name,
    heading: [token.name, " ", statusBadge(token.status)],
    lead: h(
      "p",
      { class: "crumb" },
      h(
        "a",
        { href: back },
        "← ",
        token.space ? t("tokens.titleOfSpace", { name: token.space.name }) : t("tokens.title"),
      ),
    ),
    workspace,
    space: token.space,
    current: token.space ? "space" : navigationPath(workspace),
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
    await (still ? render() : go(tokensPath(workspace)));
  };
  return tokenActions(workspace, token, done).map(({ label, icon: sign, act, danger }) =>
    h("button", { type: "button", class: danger ? "danger-text" : null, onclick: act }, icon(sign), label),
  );
}

function situation(workspace, token) {
  const { status, revokedAt, revokedReason, disabledAt, expiresAt, graceEndsAt } = token;
  if (status === "REVOKED")
    return alertBox(
      "info",
      revokedReason
        ? parts("tokens.revokedAlertWhy", { time: ago(revokedAt), reason: revokedReason })
        : parts("tokens.revokedAlert", { time: ago(revokedAt) }),
    );
  if (status === "DISABLED") return alertBox("warning", parts("tokens.disabledAlert", { time: ago(disabledAt) }));
  if (status === "EXPIRED") {
    const end = wasReplaced(token)
      ? parts("tokens.replacedAlert", { time: ago(graceEndsAt) })
      : parts("tokens.expiredAlert", { time: ago(expiresAt) });
    const too = disabledAt ? [" ", parts("tokens.alsoDisabledAlert", { time: ago(disabledAt) })] : null;
    return alertBox("warning", [end, too]);
  }
  if (workspace.suspendedAt) return alertBox("warning", t("tokens.suspended"));
  return null;
}

function facts(workspace, token) {
  const created = dateAndAgo(token.createdAt);
  const end = dateAndAgo(token.revokedAt);
  const revoked = token.revokedReason ? parts("tokens.revokedOn", { time: end, reason: token.revokedReason }) : end;
  const rows = [
    [nameWord(workspace), token.name],
    [shownWord(workspace), shownCode(workspace, token)],
    [t("tokens.displayId"), h("code", { class: "breakable" }, token.displayId)],
    [t("tokens.description"), token.description || t("tokens.noDescription")],
    [
      t("tokens.belongsTo"),
      token.space ? h("a", { href: `/space/${token.space.id}/tokens` }, token.space.name) : workspace.name,
    ],
    [t("tokens.environment"), environmentBadge(token.environment)],
    [t("tokens.createdColumn"), parts("tokens.createdOn", { time: created, actor: actorName(token.createdBy) })],
    [t("tokens.links"), actorLinks(workspace, token)],
    token.externalId ? [t("tokens.externalId"), h("code", { class: "breakable" }, token.externalId)] : null,
    Object.keys(token.metadata).length
      ? [t("tokens.metadata"), h("code", { class: "breakable" }, JSON.stringify(token.metadata))]
      : null,
    token.importedFrom
      ? [t("tokens.imported"), parts("tokens.importedAs", { name: h("code", {}, token.importedFrom) })]
      : null,
    [t("tokens.expires"), dateAndAgo(token.expiresAt, t("tokens.notSpecified"))],
    token.graceEndsAt
      ? [wasReplaced(token) ? t("tokens.rotationEndedIt") : t("tokens.rotationEndsIt"), dateAndAgo(token.graceEndsAt)]
      : null,
    [
      t("tokens.lastUsed"),
      !token.lastUsedAt
        ? t("tokens.never")
        : token.lastUsedIp
          ? parts("tokens.usedFrom", { time: ago(token.lastUsedAt), ip: token.lastUsedIp })
          : ago(token.lastUsedAt),
    ],
    token.disabledAt ? [t("tokens.disabled"), dateAndAgo(token.disabledAt)] : null,
    token.revokedAt
      ? [t("tokens.revoked"), revoked]
      : null,
    token.rotatedFrom ? [t("tokens.replaces"), other(workspace, token.rotatedFrom)] : null,
    token.rotatedTo ? [t("tokens.replacedBy"), other(workspace, token.rotatedTo)] : null,
  ];
  const pairs = rows.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  return section(t("tokens.facts"), h("dl", { class: "facts" }, pairs));
}

function other(workspace, token) {
  return h("a", { href: `/token/${token.id}` }, shown(workspace, token));
}

function scopes(workspace, token, more) {
  const described = new Map(workspace.product.scopes.map((one) => [one.name, one.description]));
  const given = token.role
    ? t("tokens.theRole", { role: roleTitle(workspace, token.role) })
    : token.grants.map((one) => h("code", { class: "grant" }, one));
  const list = token.scopes.length
    ? h(
        "ul",
        { class: "scopes" },
        token.scopes.map((name) =>
          h("li", {}, h("code", {}, name), h("span", { class: "quiet" }, ` ${described.get(name) ?? ""}`)),
        ),
      )
    : h("p", {}, t("tokens.allowsNothing"));
  return section(
    t("tokens.permissions"),
    h("p", {}, parts("tokens.grantedAre", { grants: given })),
    h("p", {}, h("strong", {}, token.status === "ACTIVE" ? t("tokens.allows") : t("tokens.wouldAllow"))),
    list,
    more && token.status !== "REVOKED" ? unusedScopes(workspace, token, more.unusedScopes, UNUSED_DAYS) : null,
  );
}

function usageSection({ usage }) {
  return section(t("tokens.usage"), dayChart(t("tokens.requestsByDay", { days: DAYS }), withQuietDays(usage, DAYS)));
}

function auditSection(events, workspace, id) {
  const all = h("p", {}, h("a", { href: `/workspace/${workspace.id}/audit-log?target=${id}` }, t("tokens.wholeTrail")));
  return section(
    t("tokens.trail"),
    events.length ? auditTable(workspace, events, t("tokens.trailCaption")) : h("p", {}, t("tokens.nothingYet")),
    all,
  );
}

function section(title, ...children) {
  return h("section", {}, h("h2", {}, title), children);
}
