// The tokens of a workspace or a space: the table, its filters, and what can be done to rows.

import { plural, t } from "../base/texts.js";
import { fill, h } from "../base/dom.js";
import { go, note, render } from "../base/router.js";
import { navigationPath } from "../base/token-paths.js";
import { isFiltered, showFolded, sortOf } from "../base/token-query.js";
import { isDashboard, keepingFocus, whenSeenAgain } from "../base/surroundings.js";
import { may } from "../base/workspace.js";
import { alertBox, errorBox } from "./alert.js";
import { createToken, whyNoTokens } from "./create-token.js";
import { columnsButton, withChoice } from "./columns.js";
import { say } from "./notice.js";
import { pager } from "./pager.js";
import { rowClass } from "./status.js";
import { selection } from "./selection.js";
import { someSpaces } from "./space-field.js";
import { icon } from "./icons.js";
import { table } from "./table.js";
import { tokenColumns } from "./token-columns.js";
import { filterBar } from "./token-filters.js";
import { foldedButton, isSomethingFolded } from "./folded.js";
import { noTokens } from "./no-tokens.js";
import { loadTokens } from "./token-page.js";

const FRESH_MS = 15_000;

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
  const page = await loadTokens(place);
  const none = !page.nodes.length && !page.pageInfo.hasPreviousPage && !isSomethingFolded(page.folded);
  if (none && !isFiltered(query)) {
    return {
      ...view,
      body: noTokens(place, firstStep(workspace, create, reason)),
    };
  }
  return { ...view, actions: [create], body: [reason ? alertBox("info", reason) : null, list(place, page)] };
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
  const bar = filterBar(workspace, query, (name) => narrowed(name));
  let page = first;
  let asked = 0;
  let loadedAt = Date.now();
  let lastStep = null;

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
    const folded = foldedButton(page.folded, fold);
    const foot = () => h("div", { class: "list-foot" }, counted(page.count), folded, pager(page.pageInfo, turn));
    keepingFocus(results, () => fill(results, picked.bar, page.nodes.length ? [rows, foot()] : noneShown(folded)));
  };
  const noneShown = (folded) => {
    const showAll = h("button", { type: "button", class: "plain link", onclick: clear }, t("tokens.showAll"));
    const text = isFiltered(query) ? [t("tokens.noMatch"), showAll] : t("tokens.noneActive");
    return h("div", { class: "empty brief" }, text, folded ? h("p", {}, folded) : null);
  };
  const reload = async () => {
    const mine = (asked += 1);
    results.setAttribute("aria-busy", "true");
    try {
      const answer = await loadTokens(place);
      if (mine !== asked) return;
      loadedAt = Date.now();
      const same = JSON.stringify(answer) === JSON.stringify(page);
      page = answer;
      picked.refresh(page.nodes);
      // What is the same is not drawn again, so that the focus stays where it is.
      if (!same || !results.querySelector("table")) draw();
    } catch (error) {
      fill(results, errorBox(error, h("button", { type: "button", onclick: reload }, t("tokens.tryAgain"))));
    } finally {
      results.removeAttribute("aria-busy");
    }
  };
  const turn = (to) => {
    for (const name of ["after", "before"]) query.delete(name);
    for (const [name, cursor] of Object.entries(to)) query.set(name, cursor);
    note(query, { step: true });
    reload().then(() => results.querySelector(".table-wrap")?.focus());
  };
  // A word that is typed is one step, however many letters it has.
  const narrowed = (name) => {
    turnTo(query, reload, name !== "q" || lastStep !== "q");
    lastStep = name;
  };
  const resort = (field) => {
    const { field: present, direction } = sortOf(query);
    const start = field === "NAME" ? "ASC" : "DESC";
    const other = direction === "ASC" ? "DESC" : "ASC";
    query.set("sort", `${field}.${present === field ? other : start}`);
    turnTo(query, () => reload().then(() => results.querySelector(`[data-sort=${field}]`)?.focus()));
  };
  const fold = (open) => {
    showFolded(query, open);
    bar.querySelector("[name=status]").value = query.get("status") ?? "";
    turnTo(query, () => reload().then(() => results.querySelector(".folded")?.focus()));
  };
  const clear = () => {
    for (const name of [...query.keys()]) query.delete(name);
    note(query, { step: true });
    render();
  };
  // The page may have been drawn again meanwhile, such as by its link in the navigation.
  place.reload = () => (results.isConnected ? reload() : render());
  whenSeenAgain(results, () => Date.now() - loadedAt > FRESH_MS && reload());
  draw();
  return [h("div", { class: "toolbar" }, bar, columnsButton("tokens", columns(), draw)), results];
}

/** How many there are, as far as they are counted. */
function counted({ count, precision }) {
  const text = precision === "EXACT" ? plural("tokens.count", count) : t("tokens.countMore", { count });
  return h("p", { class: "quiet", role: "status" }, text);
}

function turnTo(query, reload, step = true) {
  for (const name of ["after", "before"]) query.delete(name);
  note(query, { step });
  return reload();
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
