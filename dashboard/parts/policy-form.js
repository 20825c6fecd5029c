// The workspace's own limits on its tokens: lifetimes, and which scopes may be granted at all.

import { t } from "../base/texts.js";
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
    h("summary", {}, t("workspaces.policyScopesTitle")),
    h("p", { class: "hint" }, t("workspaces.policyScopesHint")),
    boxes,
  );
  return form({
    fields: [
      textField({
        name: "maxLifetimeSeconds",
        label: t("workspaces.longestLifetimeInDays"),
        value: days(policy.maxLifetimeSeconds),
        ...number,
      }),
      textField({
        name: "defaultLifetimeSeconds",
        label: t("workspaces.defaultLifetimeInDays"),
        value: days(policy.defaultLifetimeSeconds),
        ...number,
      }),
      checkField({ name: "expiryRequired", label: t("workspaces.expiryRequired"), checked: policy.expiryRequired }),
      list,
    ],
    submit: t("workspaces.savePolicy"),
    send: (values) => save({ policy: changes(product, values) }, t("workspaces.thePolicyWasSaved")),
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
    maxLifetimeSeconds
      ? t("workspaces.policyLifetime", { value: maxLifetimeSeconds / DAY })
      : t("workspaces.policyAnyLifetime"),
    defaultLifetimeSeconds ? t("workspaces.policyDefault", { value: defaultLifetimeSeconds / DAY }) : null,
    expiryRequired ? t("workspaces.expiryRequiredText") : null,
    scopesAllowed
      ? t("workspaces.policyScopes", { scopesAllowed: scopesAllowed.join(", ") })
      : t("workspaces.policyEveryScope"),
  ].filter(Boolean);
}
