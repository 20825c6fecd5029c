// Usage of a workspace: requests by token, tokens that nobody uses, export.

import { parts, plural, t } from "../base/texts.js";
import { ask } from "../base/api.js";
import { h } from "../base/dom.js";
import { csv } from "../base/download.js";
import { go } from "../base/router.js";
import { DAY, ago } from "../base/time.js";
import { loadWorkspace, may } from "../base/workspace.js";
import { alertBox } from "../parts/alert.js";
import { rowChart, total, withQuietDays } from "../parts/chart.js";
import { dayChart } from "../parts/day-chart.js";
import { empty } from "../parts/empty.js";
import { exportPages } from "../parts/export-pages.js";
import { selectField } from "../parts/field.js";
import { nameWord, shownCode, shownWord } from "../parts/shown-part.js";
import { table } from "../parts/table.js";
import { missingPage } from "./missing.js";

const SPANS = [7, 30, 90];
const BUSY = 25;
const USAGE = `query ($id: ID!, $days: Int!) { workspace(id: $id) {
  usage(days: $days) { day allowed denied rateLimited }
  busiestTokens(days: $days, first: ${BUSY}) { token { id name } allowed denied rateLimited }
  inactive: tokens(
    first: 50, filter: { unusedForDays: $days, status: [ACTIVE] }, orderBy: { field: LAST_USED_AT, direction: ASC }) {
    nodes { id name prefix maskedToken lastUsedAt createdAt } pageInfo { hasNextPage } } } }`;
const USED = `query ($id: ID!, $days: Int!, $after: String) { workspace(id: $id) {
  tokens(first: ${BUSY}, after: $after, orderBy: { field: LAST_USED_AT, direction: DESC }) {
    nodes { id name lastUsedAt usage(days: $days) { day allowed denied rateLimited } }
    pageInfo { hasNextPage endCursor } } } }`;
const HEAD = ["token_id", "name", "day_utc", "allowed", "denied", "rate_limited"];

/** The page. */
export async function usagePage({ id }, query) {
  const workspace = await loadWorkspace(id);
  if (!workspace) return missingPage();
  const view = { title: t("usage.usage"), workspace, current: "usage" };
  if (!may(workspace, "usage:read") || !may(workspace, "tokens:read")) {
    return { ...view, body: alertBox("info", t("usage.mayNotRead")) };
  }
  const days = SPANS.find((one) => String(one) === query.get("days")) ?? 30;
  const { usage, busiestTokens, inactive } = (await ask(USAGE, { id, days })).workspace;
  const span = selectField({
    name: "days",
    label: t("usage.span"),
    options: SPANS.map((one) => [String(one), t("usage.theLastDays", { one })]),
    value: String(days),
    onchange: (event) => go(`/workspace/${id}/usage?days=${event.target.value}`),
  });
  return {
    ...view,
    actions: [h("button", { type: "button", onclick: () => exportUsage(workspace, days) }, t("usage.exportAsCsv"))],
    body: [
      h("div", { class: "toolbar" }, h("div", { class: "filters" }, span)),
      requests(withQuietDays(usage, days), busiestTokens, days),
      quiet(inactive, days, workspace),
    ],
  };
}

function requests(byDay, busiest, days) {
  if (!byDay.some((day) => total(day) > 0))
    return empty(t("usage.noRequestsYet"), t("usage.noRequestsText", { days }));
  const rows = busiest.map(({ token, ...counts }) => ({ ...counts, label: token.name, href: `/token/${token.id}` }));
  const rest = others(byDay, rows);
  return [
    h("section", {}, h("h2", {}, t("usage.overTime")), dayChart(t("usage.byDay", { days }), byDay)),
    h(
      "section",
      {},
      h("h2", {}, t("usage.byToken")),
      rowChart(t("usage.requestsInTheLastDays", { days }), total(rest) > 0 ? [...rows, rest] : rows),
    ),
  ];
}

/** What the workspace's tokens did beyond those that are shown: the others, and those that were deleted. */
function others(byDay, rows) {
  const sum = (all, key) => all.reduce((result, one) => result + one[key], 0);
  const rest = (key) => Math.max(0, sum(byDay, key) - sum(rows, key));
  return {
    label: t("usage.others"),
    href: null,
    allowed: rest("allowed"),
    denied: rest("denied"),
    rateLimited: rest("rateLimited"),
  };
}

function quiet({ nodes, pageInfo }, days, workspace) {
  const columns = [
    { title: nameWord(workspace), cell: (one) => h("a", { href: `/token/${one.id}` }, one.name) },
    { title: shownWord(workspace), cell: (one) => shownCode(workspace, one) },
    { title: t("usage.lastUsed"), cell: (one) => ago(one.lastUsedAt) },
    { title: t("usage.created"), cell: (one) => ago(one.createdAt) },
  ];
  const caption = t("usage.inactiveCaption", { days });
  const text = t("usage.inactiveText");
  const href = `/workspace/${workspace.id}/access-tokens?use=unused.${days}&status=ACTIVE`;
  const link = h("a", { href }, t("usage.moreLink"));
  const more = pageInfo.hasNextPage ? h("p", {}, parts("usage.more", { link })) : null;
  const rows = nodes.length
    ? [h("p", {}, text), table({ caption, columns, rows: nodes }), more]
    : h("p", {}, t("usage.inactiveNone", { days }));
  return h("section", {}, h("h2", {}, t("usage.inactive")), rows);
}

/**
 * Every token used within the span, a row a day.
 * Tokens come by their last use: a page beyond the span, without a row, is the end.
 */
function exportUsage(workspace, days) {
  const since = Date.now() - (days + 1) * DAY * 1000;
  const read = async (after) => {
    const { nodes, pageInfo } = (await ask(USED, { id: workspace.id, days, after })).workspace.tokens;
    const rows = nodes.flatMap((one) =>
      one.usage.map((day) => [one.id, one.name, day.day, day.allowed, day.denied, day.rateLimited]),
    );
    const on = pageInfo.hasNextPage && (rows.length > 0 || new Date(nodes.at(-1).lastUsedAt ?? 0) >= since);
    return { text: rows.length ? `${csv(rows)}\r\n` : "", count: rows.length, next: on ? pageInfo.endCursor : null };
  };
  const file = `usage-${workspace.slug}.csv`;
  return exportPages({
    title: t("usage.exportUsage"),
    file,
    type: "text/csv",
    counted: (count) => plural("usage.rows", count),
    read,
    head: `${csv([HEAD])}\r\n`,
  });
}
