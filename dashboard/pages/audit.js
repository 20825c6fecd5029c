// The audit log of a workspace: filters, pages, export.

import { t } from "../base/texts.js";
import { ask } from "../base/api.js";
import { h } from "../base/dom.js";
import { CONDITION_LENGTH_MAX } from "../base/limits.js";
import { go } from "../base/router.js";
import { loadWorkspace, may } from "../base/workspace.js";
import { alertBox } from "../parts/alert.js";
import { AUDIT_ROW, actionCalled, actionName, auditTable } from "../parts/audit-table.js";
import { empty } from "../parts/empty.js";
import { exportPages } from "../parts/export-pages.js";
import { selectField, textField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { pageArguments, pager } from "../parts/pager.js";
import { missingPage } from "./missing.js";

const ACTIONS = [
  "token.create",
  "token.update",
  "token.disable",
  "token.enable",
  "token.rotate",
  "token.revoke",
  "token.delete",
  "token.refused",
  "space.create",
  "space.update",
  "space.delete",
  "member.invite",
  "member.withdraw_invitation",
  "member.join",
  "member.add",
  "member.change_role",
  "member.remove",
  "role.set",
  "role.remove",
  "workspace.create",
  "workspace.update",
];
const CONDITIONS = ["by", "target", "action"];
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
  const path = `/workspace/${id}/audit-log`;
  const turn = (to) => go(`${path}?${new URLSearchParams({ ...present(narrowing), ...to })}`);
  const save = () => exportLog(workspace, narrowing);
  const rows = auditLog.nodes.length
    ? auditTable(workspace, auditLog.nodes, t("audit.auditLogNewestFirst"))
    : empty(t("audit.nothingToShow"), t("audit.nothingText"));
  return {
    ...view,
    actions: [h("button", { type: "button", onclick: save }, t("audit.exportAsNdjson"))],
    body: [filters(path, narrowing), rows, pager(auditLog.pageInfo, turn)],
  };
}

function filterOf({ by, target, action }) {
  return { actorId: by, targetId: target, action: action && actionCalled(action) };
}

function filters(path, { by, target, action }) {
  return h(
    "div",
    { class: "toolbar filters" },
    form({
      fields: [
        selectField({
          name: "action",
          label: t("audit.what"),
          options: [["", t("audit.anything")], ...ACTIONS.map((one) => [one, one])],
          value: action ?? "",
        }),
        textField({
          name: "by",
          label: t("audit.byAnId"),
          value: by ?? "",
          spellcheck: "false",
          placeholder: "usr_…, key_…",
          maxlength: CONDITION_LENGTH_MAX,
        }),
        textField({
          name: "target",
          label: t("audit.onAnId"),
          value: target ?? "",
          spellcheck: "false",
          placeholder: "key_…, space_…, usr_…",
          maxlength: CONDITION_LENGTH_MAX,
        }),
      ],
      submit: t("audit.filter"),
      send: (values) => {
        const wanted = present({ by: values.by.trim(), target: values.target.trim(), action: values.action });
        return go(`${path}?${new URLSearchParams(wanted)}`);
      },
    }),
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
    noun: ["event", "events"],
    read,
  });
}

/** With the words that the audit log itself has, as in exports of the command line. */
function asLogged(event) {
  return { ...event, action: actionName(event.action), outcome: event.outcome.toLowerCase() };
}

function present(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}
