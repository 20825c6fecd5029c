// Narrowing the tokens' table: search, status, environment, use and expiry. What is chosen stands in the address.

import { h } from "../base/dom.js";
import { NAME_LENGTH_MAX } from "../base/limits.js";
import { searchable, holdsSecret } from "../base/secret-shape.js";
import { landmark } from "../base/surroundings.js";
import { selectField, textField } from "./field.js";
import { say } from "./notice.js";
import { holdRoles, nameWord } from "./shown-part.js";

const WAIT_MS = 250;
const NAMES = ["q", "status", "environment", "use", "by"];
const STATUSES = [
  ["", "Any status"],
  ["ACTIVE", "Active"],
  ["DISABLED", "Disabled"],
  ["EXPIRED", "Expired"],
  ["REVOKED", "Revoked"],
];
const USES = [
  ["", "Any use"],
  ["unused.7", "Not used in 7 days"],
  ["unused.30", "Not used in 30 days"],
  ["unused.90", "Not used in 90 days"],
  ["expiring.7", "Ends within 7 days"],
  ["expiring.30", "Ends within 30 days"],
];

const ORDERS = [
  ["CREATED_AT.DESC", "Newest first"],
  ["CREATED_AT.ASC", "Oldest first"],
  ["NAME.ASC", null],
  ["LAST_USED_AT.DESC", "Used last"],
  ["EXPIRES_AT.ASC", "Ends soonest"],
];

/** The bar; changed() is called after the query was brought up to date. */
export function filterBar(workspace, query, changed) {
  const set = (name, value) => {
    if (value) query.set(name, value);
    else query.delete(name);
    changed();
  };
  const search = textField({
    name: "q",
    label: "Search",
    type: "search",
    value: query.get("q") ?? "",
    placeholder: `${nameWord(workspace)}, description or ${holdRoles(workspace) ? "beginning" : "prefix"}`,
    maxlength: NAME_LENGTH_MAX,
    spellcheck: "false",
  });
  let timer;
  search.querySelector("input").addEventListener("input", (event) => {
    const box = event.target;
    if (holdsSecret(box.value)) {
      // A whole secret is cut at once: it must not travel, nor stand in the address.
      box.value = searchable(box.value);
      say("That was a whole token: only its first 12 characters are searched for.");
    }
    clearTimeout(timer);
    timer = setTimeout(() => set("q", searchable(box.value)), WAIT_MS);
  });
  const select = (name, label, options) =>
    selectField({
      name,
      label,
      options,
      value: query.get(name) ?? options[0][0],
      onchange: (event) => set(name, event.target.value),
    });
  const environments = [
    ["", "Live and test"],
    ...workspace.product.environments.map((one) => [one, one === "live" ? "Live" : "Test"]),
  ];
  const orders = ORDERS.map(([value, text]) => [value, text ?? nameWord(workspace)]);
  return h(
    "div",
    { class: "filters", role: landmark("search"), "aria-label": "Tokens" },
    search,
    select("status", "Status", STATUSES),
    environments.length > 2 ? select("environment", "Environment", environments) : null,
    select("use", "Use", USES),
    query.get("by") ? creatorField(query.get("by"), () => set("by", "")) : null,
    h("div", { class: "small-only field" }, select("sort", "Sort", orders)),
  );
}

function creatorField(id, clear) {
  return h(
    "div",
    { class: "field" },
    "Created by ",
    h("code", {}, id),
    " ",
    h("button", { type: "button", onclick: clear, "aria-label": "Show tokens of all creators" }, "Show all"),
  );
}

/** The query as the API's filter. */
export function filterOf(query) {
  const [use, days] = query.get("use")?.split(".") ?? [];
  return {
    text: query.get("q") || null,
    status: query.get("status") ? [query.get("status")] : null,
    environment: query.get("environment") || null,
    unusedForDays: use === "unused" ? Number(days) : null,
    expiringWithinDays: use === "expiring" ? Number(days) : null,
    createdBy: query.get("by") || null,
  };
}

/** Whether anything narrows the list. */
export function isFiltered(query) {
  return NAMES.some((name) => query.get(name));
}
