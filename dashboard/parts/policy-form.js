// The workspace's own limits on its tokens: lifetimes, and which scopes may be granted at all.

import { h } from "../base/dom.js";
import { LIFETIME_SECONDS_MAX } from "../base/limits.js";
import { DAY } from "../base/time.js";
import { checkField, textField } from "./field.js";
import { form } from "./form.js";

/** The form, or for readers who may not change it the policy in words. save(changes, text) stores it. */
export function policyForm(workspace, writes, save) {
  const { policy, product } = workspace;
  if (!writes)
    return h(
      "ul",
      {},
      words(policy).map((line) => h("li", {}, line)),
    );
  const days = (seconds) => (seconds === null ? "" : String(seconds / DAY));
  const longest = LIFETIME_SECONDS_MAX / DAY;
  const number = { type: "number", min: 0, max: longest, step: "any", required: false, inputmode: "decimal" };
  const allowed = policy.scopesAllowed;
  const boxes = product.scopes.map((one) =>
    checkField({
      name: `scope ${one.name}`,
      label: h("code", {}, one.name),
      hint: one.description,
      checked: allowed === null || allowed.includes(one.name),
    }),
  );
  const list = h(
    "details",
    { open: allowed !== null, "data-field": "scopesAllowed" },
    h("summary", {}, "Scopes that tokens may hold"),
    h("p", { class: "hint" }, "What is not ticked is taken from existing tokens at once, and cannot be granted."),
    boxes,
  );
  return form({
    fields: [
      textField({
        name: "maxLifetimeSeconds",
        label: "Longest lifetime in days",
        value: days(policy.maxLifetimeSeconds),
        ...number,
      }),
      textField({
        name: "defaultLifetimeSeconds",
        label: "Default lifetime in days",
        value: days(policy.defaultLifetimeSeconds),
        ...number,
      }),
      checkField({ name: "expiryRequired", label: "Every token must expire", checked: policy.expiryRequired }),
      list,
    ],
    submit: "Save policy",
    send: (values) => save({ policy: changes(product, values) }, "The policy was saved."),
  });
}

function changes(product, values) {
  const seconds = (text) => (text === "" ? null : Math.round(Number(text) * DAY));
  const ticked = product.scopes.map((one) => one.name).filter((name) => values[`scope ${name}`]);
  return {
    maxLifetimeSeconds: seconds(values.maxLifetimeSeconds),
    defaultLifetimeSeconds: seconds(values.defaultLifetimeSeconds),
    expiryRequired: values.expiryRequired,
    scopesAllowed: ticked.length === product.scopes.length ? null : ticked,
  };
}

function words({ maxLifetimeSeconds, defaultLifetimeSeconds, expiryRequired, scopesAllowed }) {
  return [
    maxLifetimeSeconds ? `Tokens live at most ${maxLifetimeSeconds / DAY} days.` : "Tokens may live for any time.",
    defaultLifetimeSeconds ? `Unless said otherwise they live ${defaultLifetimeSeconds / DAY} days.` : null,
    expiryRequired ? "Every token must expire." : null,
    scopesAllowed ? `They may hold only: ${scopesAllowed.join(", ")}.` : "They may hold every scope of the plan.",
  ].filter(Boolean);
}
