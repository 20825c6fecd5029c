// Narrowing the tokens' table: search, status, environment, use and expiry. What is chosen stands in the address.

import { parts, t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { NAME_LENGTH_MAX } from "../base/limits.js";
import { searchable, holdsSecret } from "../base/secret-shape.js";
import { landmark } from "../base/surroundings.js";
import { ANY_STATUS } from "../base/token-query.js";
import { selectField, textField } from "./field.js";
import { unfoldedText } from "./folded.js";
import { say } from "./notice.js";
import { holdRoles, nameWord } from "./shown-part.js";

const WAIT_MS = 250;
const STATUSES = [
  ["ACTIVE", "tokens.active"],
  ["DISABLED", "tokens.disabled"],
  ["EXPIRED", "tokens.expired"],
  ["REVOKED", "tokens.revoked"],
];
const USES = [
  ["", "tokens.anyUse"],
  ["unused.7", "tokens.notUsedIn7Days"],
  ["unused.30", "tokens.notUsedIn30Days"],
  ["unused.90", "tokens.notUsedIn90Days"],
  ["expiring.7", "tokens.expiring7"],
  ["expiring.30", "tokens.expiring30"],
];

const ORDERS = [
  ["CREATED_AT.DESC", "tokens.newestFirst"],
  ["CREATED_AT.ASC", "tokens.oldestFirst"],
  ["NAME.ASC", null],
  ["LAST_USED_AT.DESC", "tokens.usedLast"],
  ["EXPIRES_AT.ASC", "tokens.expiresSoonest"],
];

/** The bar; changed(name) is called after the query was brought up to date. */
export function filterBar(workspace, query, changed) {
  const set = (name, value) => {
    if (value) query.set(name, value);
    else query.delete(name);
    changed(name);
  };
  const search = textField({
    name: "q",
    label: t("tokens.search"),
    type: "search",
    value: query.get("q") ?? "",
    placeholder: t("tokens.descriptionOr", {
      workspace: nameWord(workspace),
      value: holdRoles(workspace) ? t("tokens.beginning") : t("tokens.prefix"),
    }),
    maxlength: NAME_LENGTH_MAX,
    spellcheck: "false",
  });
  let timer;
  search.querySelector("input").addEventListener("input", (event) => {
    const box = event.target;
    if (holdsSecret(box.value)) {
      // A whole secret is cut at once: it must not travel, nor stand in the address.
      box.value = searchable(box.value);
      say(t("tokens.wholeSecret"));
    }
    clearTimeout(timer);
    timer = setTimeout(() => set("q", searchable(box.value)), WAIT_MS);
  });
  const texts = (pairs) => pairs.map(([value, text]) => [value, t(text)]);
  const select = (name, label, options) =>
    selectField({
      name,
      label,
      options,
      value: query.get(name) ?? options[0][0],
      onchange: (event) => set(name, event.target.value),
    });
  const environments = [
    ["", t("tokens.liveAndTest")],
    ...workspace.product.environments.map((one) => [one, one === "live" ? t("tokens.live") : t("tokens.test")]),
  ];
  const orders = ORDERS.map(([value, text]) => [value, text ? t(text) : nameWord(workspace)]);
  return h(
    "div",
    { class: "filters", role: landmark("search"), "aria-label": t("tokens.tokens") },
    search,
    select("status", t("tokens.status"), [...everyStatus(workspace), ...texts(STATUSES)]),
    environments.length > 2 ? select("environment", t("tokens.environment"), environments) : null,
    select("use", t("tokens.use"), texts(USES)),
    query.get("by") ? creatorField(query.get("by"), () => set("by", "")) : null,
    h("div", { class: "small-only field" }, select("sort", t("tokens.sort"), orders)),
  );
}

/** The choices that are no single status: where the list folds some away, all others are the first. */
function everyStatus(workspace) {
  const { folded } = workspace.product.presentation;
  if (!folded.length) return [["", t("tokens.anyStatus")]];
  return [
    ["", unfoldedText(folded)],
    [ANY_STATUS, t("tokens.anyStatus")],
  ];
}

function creatorField(id, clear) {
  const facts = { type: "button", onclick: clear, "aria-label": t("tokens.showAllCreators") };
  const button = h("button", facts, t("tokens.showAll"));
  return h(
    "div",
    { class: "field" },
    parts("tokens.createdByOnly", { id: h("code", {}, id), button }),
  );
}
