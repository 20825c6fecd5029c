// Audit events as a table: when, who, what, on what, from where, and what changed.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { exactText, ago } from "../base/time.js";
import { actorCell } from "./actor.js";
import { refusalText } from "./refusal.js";
import { holdRoles } from "./shown-part.js";
import { table } from "./table.js";

/** What is asked of an event. */
export const AUDIT_ROW = `fragment AuditRow on AuditEvent {
  id sequence createdAt action outcome actor { kind actorId name unproven } credential
  targetId targetName targetFacts before after ip userAgent requestId hash }`;

const OUTCOMES = { SUCCESS: "✓ done", DENIED: "✕ denied", ALERT: "⚠ alert" };

/** "MEMBER_CHANGE_ROLE" → "member.change_role", as the audit log writes it. */
export function actionName(action) {
  return action.toLowerCase().replace("_", ".");
}

/** The other way round. */
export function actionCalled(name) {
  return name.toUpperCase().replace(".", "_");
}

/** The table, newest first. */
export function auditTable(workspace, events, caption) {
  const columns = [
    { title: t("audit.when"), cell: (one) => ago(one.createdAt) },
    { title: t("audit.what"), cell: what },
    { title: t("audit.outcome"), cell: (one) => OUTCOMES[one.outcome] ?? one.outcome },
    { title: t("audit.who"), cell: (one) => [actorCell(one.actor), credential(one)] },
    { title: t("audit.on"), cell: (one) => target(one) },
    { title: t("audit.from"), cell: (one) => one.ip || "–" },
    { title: t("audit.details"), cell: (one) => details(workspace, one) },
  ];
  return table({ caption, columns, rows: events });
}

function what(one) {
  const reason = refusalText(one);
  return [h("code", {}, actionName(one.action)), reason ? h("div", {}, reason) : null];
}

function credential({ credential, actor }) {
  return credential === null || credential === actor.actorId ? null : h("div", { class: "quiet" }, credential);
}

function target({ targetId: id, targetName: name }) {
  const short = id.length > 16 ? `${id.slice(0, 15)}…` : id;
  const shown = id.startsWith("key_")
    ? h("a", { href: `/token/${id}`, title: id }, short)
    : h("span", { title: id }, short);
  return name ? [shown, h("div", { class: "quiet" }, name)] : shown;
}

function details(workspace, one) {
  const lines = [
    ...changes(workspace, one),
    t("audit.at", { time: exactText(one.createdAt) }),
    t("audit.numberInThisWorkspacesLog", { sequence: one.sequence }),
    one.userAgent ? t("audit.with", { userAgent: one.userAgent }) : null,
    one.requestId ? t("audit.request", { requestId: one.requestId }) : null,
  ];
  const list = h(
    "ul",
    {},
    lines.filter(Boolean).map((line) => h("li", {}, line)),
  );
  return h(
    "details",
    {},
    h(
      "summary",
      { "aria-label": t("audit.detailsOfNumber", { value: actionName(one.action), sequence: one.sequence }) },
      t("audit.show"),
    ),
    list,
  );
}

function changes(workspace, { before, after }) {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  // Where less of a token may be shown than its prefix, the log's page shows none of it.
  if (holdRoles(workspace)) names.delete("prefix");
  return [...names].map((name) => {
    const [old, now] = [before?.[name], after?.[name]];
    return old === undefined ? `${name}: ${words(now)}` : `${name}: ${words(old)} → ${words(now)}`;
  });
}

function words(value) {
  if (value === null || value === undefined || value === "") return "nothing";
  if (Array.isArray(value)) return value.join(", ") || "nothing";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
