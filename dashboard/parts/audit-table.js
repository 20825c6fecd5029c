// Audit events as a table: what happened in a sentence, how it ended, when, from where, and what changed.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { exactText, ago } from "../base/time.js";
import { actionName, auditSentence } from "./audit-sentence.js";
import { holdRoles } from "./shown-part.js";
import { table } from "./table.js";

/** What is asked of an event. */
export const AUDIT_ROW = `fragment AuditRow on AuditEvent {
  id sequence createdAt action outcome actor { kind actorId name unproven } credential
  targetId targetName targetFacts before after ip userAgent requestId hash
  target { __typename ... on Token { name } ... on Space { name } ... on Member { name } ... on Workspace { name } } }`;

const SIGNS = { SUCCESS: "✓", DENIED: "✕", ALERT: "⚠" };
const SHOWN_CHANGES = 2;

/** The outcomes of events, each with its name. */
export function auditOutcomes() {
  return [
    ["SUCCESS", t("audit.done")],
    ["DENIED", t("audit.denied")],
    ["ALERT", t("audit.alert")],
  ];
}

/** The table, newest first. */
export function auditTable(workspace, events, caption) {
  const columns = [
    { title: t("audit.happened"), cell: (one) => happened(workspace, one) },
    { title: t("audit.outcome"), cell: (one) => outcome(one.outcome) },
    { title: t("audit.when"), cell: (one) => ago(one.createdAt) },
    { title: t("audit.source"), cell: (one) => one.ip || "–" },
    { title: t("audit.details"), cell: (one) => details(workspace, one) },
  ];
  return table({ caption, columns, rows: events });
}

function outcome(name) {
  const words = auditOutcomes().find(([one]) => one === name)?.[1] ?? name;
  return h("span", { class: `outcome ${name.toLowerCase()}` }, `${SIGNS[name] ?? ""} ${words}`);
}

/** The sentence, and what was changed if that is short. */
function happened(workspace, one) {
  const changed = one.action.endsWith("_UPDATE") ? changes(workspace, one) : [];
  const lines = changed.length > SHOWN_CHANGES ? [] : changed;
  const sentence = h("span", { class: "sentence" }, auditSentence(workspace, one));
  sentence.normalize();
  return [
    sentence,
    lines.map((line) => h("div", { class: "quiet breakable" }, line)),
  ];
}

function details(workspace, one) {
  const lines = [
    ...changes(workspace, one),
    t("audit.at", { time: exactText(one.createdAt) }),
    t("audit.loggedAs", { action: actionName(one.action) }),
    one.credential ? t("audit.credential", { credential: one.credential }) : null,
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
    return old === undefined
      ? t("audit.set", { name, after: words(now) })
      : t("audit.changed", { name, before: words(old), after: words(now) });
  });
}

function words(value) {
  if (value === null || value === undefined || value === "") return t("audit.nothing");
  if (Array.isArray(value)) return value.join(", ") || t("audit.nothing");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
