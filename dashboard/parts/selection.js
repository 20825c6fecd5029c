// Ticking rows of the tokens' table, and revoking the ticked ones at once.

import { t } from "../base/texts.js";
import { fill, h } from "../base/dom.js";
import { may } from "../base/workspace.js";
import { revokeTokens } from "./token-actions.js";

/** Gives { lead(rows), bar, keep(rows) }; lead is null for readers who may not revoke. */
export function selection(workspace, done) {
  const bar = h("div", { class: "bulk", role: "group", "aria-label": t("tokens.selection"), hidden: true });
  const allowed = may(workspace, "tokens:revoke");
  let ticked = new Map();
  let rows = [];

  const update = () => {
    bar.hidden = ticked.size === 0;
    const revoke = h("button", { type: "button", class: "danger", onclick: act }, t("tokens.revokeSelected"));
    fill(bar, h("span", { role: "status" }, t("tokens.selected", { size: ticked.size })), revoke);
  };
  const act = async () => {
    if (!(await revokeTokens([...ticked.values()]))) return;
    ticked = new Map();
    update();
    done();
  };
  const able = (one) => one.status !== "REVOKED";
  const toggleAll = (event) => {
    ticked = new Map(event.target.checked ? rows.filter(able).map((one) => [one.id, one]) : []);
    for (const box of event.target.closest("table").querySelectorAll("td.lead input:enabled"))
      box.checked = event.target.checked;
    update();
  };
  const toggle = (one) => (event) => {
    if (event.target.checked) ticked.set(one.id, one);
    else ticked.delete(one.id);
    update();
  };
  const lead = (present) => {
    rows = present;
    return {
      head: () => h("input", { type: "checkbox", "aria-label": t("tokens.selectAll"), onchange: toggleAll }),
      cell: (one) =>
        h("input", {
          type: "checkbox",
          "aria-label": t("tokens.select", { name: one.name }),
          checked: ticked.has(one.id),
          disabled: !able(one),
          onchange: toggle(one),
        }),
    };
  };
  const keep = (present) => {
    ticked = new Map(present.filter((one) => ticked.has(one.id) && able(one)).map((one) => [one.id, one]));
    update();
  };
  return { lead: (present) => (allowed ? lead(present) : null), bar, keep };
}
