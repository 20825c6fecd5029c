// The audit log of a workspace: filters, pages, export.

import { ask } from "../base/api.js";
import { h } from "../base/dom.js";
import { download } from "../base/download.js";
import { go } from "../base/router.js";
import { loadWorkspace, may } from "../base/workspace.js";
import { alertBox } from "../parts/alert.js";
import { AUDIT_ROW, auditTable } from "../parts/audit-table.js";
import { empty } from "../parts/empty.js";
import { selectField, textField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { pageArguments, pager } from "../parts/pager.js";
import { say } from "../parts/notice.js";
import { missingPage } from "./missing.js";

const ACTIONS = [
  "token.create", "token.update", "token.disable", "token.enable", "token.rotate", "token.revoke", "token.delete", "token.refused",
  "space.create", "space.update", "space.delete", "member.invite", "member.add", "member.change_role", "member.remove",
  "role.set", "role.remove", "workspace.create", "workspace.update",
];
const EXPORT_ROWS_MAX = 10_000;
const LOG = `query ($id: ID!, $target: ID, $action: String, $first: Int, $after: String, $last: Int, $before: String) {
  workspace(id: $id) { auditLog(targetId: $target, action: $action, first: $first, after: $after, last: $last, before: $before) {
    nodes { ...AuditRow } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } ${AUDIT_ROW}`;

/** The page. */
export async function auditPage({ id }, query) {
  const workspace = await loadWorkspace(id);
  if (!workspace) return missingPage();
  const view = { title: "Audit log", workspace, current: "audit-log" };
  if (!may(workspace, "audit:read")) return { ...view, body: alertBox("info", "Your role does not include reading the audit log.") };
  const narrowing = { target: query.get("target") || null, action: query.get("action") || null };
  const { auditLog } = (await ask(LOG, { id, ...narrowing, ...pageArguments(query, 50) })).workspace;
  const path = `/workspace/${id}/audit-log`;
  const turn = (to) => go(`${path}?${new URLSearchParams({ ...present(narrowing), ...to })}`);
  const save = async () => {
    try {
      await exportLog(id, workspace, narrowing);
    } catch (error) {
      say(error.message);
    }
  };
  const rows = auditLog.nodes.length ? auditTable(auditLog.nodes, "Audit log, newest first") : empty("Nothing to show", "No event matches. Every change in this workspace is written here.");
  return {
    ...view,
    actions: [h("button", { type: "button", onclick: save }, "Export as NDJSON")],
    body: [filters(path, narrowing), rows, pager(auditLog.pageInfo, turn)],
  };
}

function filters(path, { target, action }) {
  return h(
    "div",
    { class: "toolbar filters" },
    form({
      fields: [
        selectField({ name: "action", label: "What", options: [["", "Anything"], ...ACTIONS.map((one) => [one, one])], value: action ?? "" }),
        textField({ name: "target", label: "On (an id)", value: target ?? "", spellcheck: "false", placeholder: "key_…, space_…, usr_…" }),
      ],
      submit: "Filter",
      send: (values) => go(`${path}?${new URLSearchParams(present({ target: values.target.trim(), action: values.action }))}`),
    }),
  );
}

async function exportLog(id, workspace, narrowing) {
  const lines = [];
  let after = null;
  say("Reading the audit log…");
  do {
    const { auditLog } = (await ask(LOG, { id, ...narrowing, first: 100, after })).workspace;
    lines.push(...auditLog.nodes.map((one) => JSON.stringify(one)));
    after = auditLog.pageInfo.hasNextPage ? auditLog.pageInfo.endCursor : null;
  } while (after && lines.length < EXPORT_ROWS_MAX);
  download(`audit-${workspace.slug}.ndjson`, "application/x-ndjson", `${lines.join("\n")}\n`);
  say(after ? `The newest ${lines.length} events were saved; for more use the command line.` : `${lines.length} events were saved.`);
}

function present(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}
