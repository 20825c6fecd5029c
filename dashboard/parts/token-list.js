// The tokens of a workspace or a space: the table, its filters, and what can be done to rows.

import { t } from "../base/texts.js";
import { ask } from "../base/api.js";
import { fill, h } from "../base/dom.js";
import { go, note, render } from "../base/router.js";
import { navigationPath } from "../base/token-paths.js";
import { isDashboard } from "../base/surroundings.js";
import { may } from "../base/workspace.js";
import { alertBox, errorBox } from "./alert.js";
import { createToken, whyNoTokens } from "./create-token.js";
import { columnsButton, withChoice } from "./columns.js";
import { say } from "./notice.js";
import { pageArguments, pager } from "./pager.js";
import { rowClass } from "./status.js";
import { selection } from "./selection.js";
import { someSpaces } from "./space-field.js";
import { icon } from "./icons.js";
import { table } from "./table.js";
import { TOKEN_ROW } from "./token-fields.js";
import { tokenColumns } from "./token-columns.js";
import { filterBar, filterOf, isFiltered } from "./token-filters.js";
import { noTokens } from "./no-tokens.js";

const SIZE = 50;
const ARGUMENTS =
  "$filter: TokenFilter, $order: TokenOrderBy, $first: Int, $after: String, $last: Int, $before: String";
const TOKENS = `tokens(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) {
  nodes { ...TokenRow } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }`;

/** The view; query holds what narrows and sorts the list. */
export async function tokensView({ workspace, space, query }) {
  const title = space ? t("tokens.titleOfSpace", { name: space.name }) : t("tokens.title");
  const view = { title, workspace, space, current: space ? "space" : navigationPath(workspace) };
  if (!may(workspace, "tokens:read")) {
    return {
      ...view,
      body: alertBox("info", t("tokens.mayNotRead")),
    };
  }
  const place = { workspace, space, query, reload: null };
  const reason = may(workspace, "tokens:create") ? whyNoTokens(workspace) : null;
  const create = may(workspace, "tokens:create")
    ? h(
        "button",
        {
          type: "button",
          class: "main",
          disabled: reason !== null,
          "data-shortcut": "c",
          onclick: () => newToken(place),
        },
        icon("plus"),
        t("tokens.create"),
      )
    : null;
  const page = await load(place);
  if (!page.nodes.length && !isFiltered(query) && !page.pageInfo.hasPreviousPage) {
    return {
      ...view,
      body: noTokens(place, firstStep(workspace, create, reason)),
    };
  }
  return { ...view, actions: [create], body: [reason ? alertBox("info", reason) : null, list(place, page)] };
}

async function load({ workspace, space, query }) {
  const [field, start] = query.get("sort")?.split(".") ?? [];
  const variables = {
    id: space?.id ?? workspace.id,
    filter: filterOf(query),
    order: field ? { field, direction: start } : null,
    ...pageArguments(query, SIZE),
  };
  const root = space ? "space" : "workspace";
  const data = await ask(`query ($id: ID!, ${ARGUMENTS}) { ${root}(id: $id) { ${TOKENS} } } ${TOKEN_ROW}`, variables);
  return data[root].tokens;
}

function firstStep(workspace, create, reason) {
  if (!create) return h("p", {}, t("tokens.mayNotCreate"));
  if (!reason) return [h("p", {}, t("tokens.firstStep")), h("div", { class: "actions" }, create)];
  const plans = h("a", { href: `/workspace/${workspace.id}/settings`, class: "button" }, t("tokens.seePlans"));
  return [alertBox("info", reason), isDashboard() ? h("div", { class: "actions" }, plans) : null];
}

/** The toolbar stays while the table beneath is loaded afresh, so that the search box keeps its focus. */
function list(place, first) {
  const { workspace, space, query } = place;
  const results = h("div", { class: "results" });
  const picked = selection(workspace, () => reload());
  let page = first;
  let asked = 0;

  const columns = () =>
    withChoice(
      "tokens",
      tokenColumns(workspace, space, () => reload()),
    );
  const draw = () => {
    const sorting = { ...sortOf(query), change: (field) => resort(field) };
    const caption = t("tokens.caption", { value: (space ?? workspace).name, count: page.nodes.length });
    const rows = table({
      caption,
      columns: columns(),
      rows: page.nodes,
      sorting,
      rowClass: (one) => rowClass(one.status),
      lead: picked.lead(page.nodes),
      kind: "tokens-table",
    });
    const none = h(
      "p",
      { class: "empty" },
      t("tokens.noMatch"),
      h("button", { type: "button", class: "plain link", onclick: clear }, t("tokens.showAll")),
    );
    fill(results, picked.bar, page.nodes.length ? rows : none, pager(page.pageInfo, turn));
  };
  const reload = async () => {
    const mine = (asked += 1);
    results.setAttribute("aria-busy", "true");
    try {
      const answer = await load(place);
      if (mine !== asked) return;
      page = answer;
      picked.keep(page.nodes);
      draw();
    } catch (error) {
      fill(results, errorBox(error, h("button", { type: "button", onclick: reload }, t("tokens.tryAgain"))));
    } finally {
      results.removeAttribute("aria-busy");
    }
  };
  const turn = (to) => {
    for (const name of ["after", "before"]) query.delete(name);
    for (const [name, cursor] of Object.entries(to)) query.set(name, cursor);
    note(query);
    reload().then(() => results.querySelector(".table-wrap")?.focus());
  };
  const narrowed = () => turnTo(query, reload);
  const resort = (field) => {
    const { field: present, direction } = sortOf(query);
    const start = field === "NAME" ? "ASC" : "DESC";
    const other = direction === "ASC" ? "DESC" : "ASC";
    query.set("sort", `${field}.${present === field ? other : start}`);
    turnTo(query, () => reload().then(() => results.querySelector(`[data-sort=${field}]`)?.focus()));
  };
  const clear = () => {
    for (const name of [...query.keys()]) query.delete(name);
    note(query);
    render();
  };
  // The page may have been drawn again meanwhile, such as by its link in the navigation.
  place.reload = () => (results.isConnected ? reload() : render());
  draw();
  return [
    h("div", { class: "toolbar" }, filterBar(workspace, query, narrowed), columnsButton("tokens", columns(), draw)),
    results,
  ];
}

function turnTo(query, reload) {
  for (const name of ["after", "before"]) query.delete(name);
  note(query);
  return reload();
}

function sortOf(query) {
  const [field = "CREATED_AT", direction = "DESC"] = query.get("sort")?.split(".") ?? [];
  return { field, direction };
}

async function newToken(place) {
  const { workspace, space } = place;
  let spaces = null;
  if (!space && workspace.product.tokenKinds.includes("SPACE") && may(workspace, "spaces:read")) {
    spaces = await someSpaces(workspace);
  }
  if (!space && !spaces?.nodes.length && !workspace.product.tokenKinds.includes("WORKSPACE")) {
    await go(`/workspace/${workspace.id}/spaces`);
    say(t("tokens.spaceFirst"));
    return;
  }
  const made = await createToken(workspace, { space, spaces });
  // A table that is there is filled afresh; its filters stay as they are, even those chosen this very moment.
  if (made) await (place.reload ?? render)();
}
