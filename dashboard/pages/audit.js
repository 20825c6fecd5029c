// The audit log of a workspace: filters, pages, export.

import { plural, t } from "../base/texts.js";
import { ask } from "../base/api.js";
import { h } from "../base/dom.js";
import { CONDITION_LENGTH_MAX } from "../base/limits.js";
import { go } from "../base/router.js";
import { everywhere } from "../base/surroundings.js";
import { loadWorkspace, may } from "../base/workspace.js";
import { pageArguments } from "../base/token-query.js";
import { alertBox } from "../parts/alert.js";
import { actionCalled, actionName, auditActions } from "../parts/audit-sentence.js";
import { AUDIT_ROW, auditOutcomes, auditTable } from "../parts/audit-table.js";
import { empty } from "../parts/empty.js";
import { exportPages } from "../parts/export-pages.js";
import { selectField, textField } from "../parts/field.js";
import { pager } from "../parts/pager.js";
import { missingPage } from "./missing.js";

const CONDITIONS = ["by", "target", "action", "outcome", "since", "until"];
const MEMBERS = `query ($id: ID!) { workspace(id: $id) { members(first: 100) { nodes { userId name email } } } }`;
const LOG = `query ($id: ID!, $filter: AuditFilter, $first: Int, $after: String, $last: Int, $before: String) {
  workspace(id: $id) { auditLog(
    filter: $filter, first: $first, after: $after, last: $last, before: $before) {
    nodes { ...AuditRow } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } ${AUDIT_ROW}`;

/** The page. */
export async function auditPage({ id }, query) {
  const workspace = await loadWorkspace(id);
  if (!workspace) return missingPage();
  const view = { title: t("audit.auditLog"), workspace, current: "audit-log" };
  if (!may(workspace, "audit:read")) return { ...view, body: alertBox("info", t("audit.mayNotRead")) };
  const narrowing = Object.fromEntries(CONDITIONS.map((name) => [name, query.get(name) || null]));
  const { auditLog } = (await ask(LOG, { id, filter: filterOf(narrowing), ...pageArguments(query, 50) })).workspace;
  const members = await people(workspace, narrowing.by, auditLog.nodes);
  const path = `/workspace/${id}/audit-log`;
  const turn = (to) => go(`${path}?${new URLSearchParams({ ...present(narrowing), ...to })}`);
  const save = () => exportLog(workspace, narrowing);
  const rows = auditLog.nodes.length
    ? auditTable(workspace, auditLog.nodes, t("audit.auditLogNewestFirst"))
    : empty(t("audit.nothingToShow"), t("audit.nothingText"));
  return {
    ...view,
    actions: [h("button", { type: "button", onclick: save }, t("audit.exportAsNdjson"))],
    body: [filters(path, narrowing, members), rows, pager(auditLog.pageInfo, turn)],
  };
}

function filterOf({ by, target, action, outcome, since, until }) {
  return {
    actorId: by,
    targetId: target,
    action: auditActions().some(([name]) => name === action) ? actionCalled(action) : null,
    outcome: auditOutcomes().some(([name]) => name === outcome) ? outcome : null,
    createdAfter: since && midnight(since, 0),
    createdBefore: until && midnight(until, 1),
  };
}

/** The beginning of a day here, or of one after it; null for what is no day. */
function midnight(day, later) {
  const at = new Date(`${day}T00:00:00`);
  at.setDate(at.getDate() + later);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** All members, and the one that is asked for now, such as a token or a person who has left. */
async function people(workspace, by, events) {
  const { members } = may(workspace, "members:read") ? (await ask(MEMBERS, { id: workspace.id })).workspace : {};
  const found = (members?.nodes ?? []).map((one) => [one.userId, one.name || one.email || one.userId]);
  const name = events.find(({ actor }) => actor.actorId === by)?.actor.name ?? by;
  return by && !found.some(([id]) => id === by) ? [...found, [by, name]] : found;
}

/** Each choice is a step that Back takes back. */
function filters(path, narrowing, members) {
  const turn = async (name, value) => {
    await go(`${path}?${new URLSearchParams(present({ ...narrowing, [name]: value }))}`);
    everywhere(`.filters [name=${name}]`)[0]?.focus();
  };
  const select = (name, label, any, options) =>
    selectField({
      name,
      label,
      options: [["", any], ...options],
      value: narrowing[name] ?? "",
      onchange: (event) => turn(name, event.target.value),
    });
  const field = (name, label, more) =>
    textField({
      name,
      label,
      value: narrowing[name] ?? "",
      onchange: (event) => turn(name, event.target.value.trim()),
      ...more,
    });
  const clear = h("button", { type: "button", onclick: () => go(path) }, t("audit.clear"));
  return h(
    "div",
    { class: "toolbar filters", role: "search", "aria-label": t("audit.auditLog") },
    select("by", t("audit.person"), t("audit.anyone"), members),
    select("action", t("audit.happened"), t("audit.anything"), auditActions()),
    select("outcome", t("audit.outcome"), t("audit.anyOutcome"), auditOutcomes()),
    field("since", t("audit.since"), { type: "date", max: narrowing.until }),
    field("until", t("audit.until"), { type: "date", min: narrowing.since }),
    field("target", t("audit.about"), { spellcheck: "false", placeholder: "key_…", maxlength: CONDITION_LENGTH_MAX }),
    Object.keys(present(narrowing)).length ? h("div", { class: "actions" }, clear) : null,
  );
}

function exportLog(workspace, narrowing) {
  const read = async (after) => {
    const wanted = { id: workspace.id, filter: filterOf(narrowing), first: 100, after };
    const { nodes, pageInfo } = (await ask(LOG, wanted)).workspace.auditLog;
    const text = nodes.map((one) => `${JSON.stringify(asLogged(one))}\n`).join("");
    return { text, count: nodes.length, next: pageInfo.hasNextPage ? pageInfo.endCursor : null };
  };
  const file = `audit-${workspace.slug}.ndjson`;
  return exportPages({
    title: t("audit.exportTheAuditLog"),
    file,
    type: "application/x-ndjson",
    counted: (count) => plural("audit.events", count),
    read,
  });
}

/** With the words that the audit log itself has, as in exports of the command line. */
function asLogged({ target: _shown, ...event }) {
  return { ...event, action: actionName(event.action), outcome: event.outcome.toLowerCase() };
}

function present(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}
