// What grants come to: shorthands and roles spelled out, as the server does it when a request is authorized.

import { t } from "./texts.js";

/** Grants → a sorted list of scopes. Unknown names come to nothing. */
export function expand(workspace, grants) {
  const { product, roles } = workspace;
  const found = new Set();
  for (const grant of grants) {
    const wide = product.shorthands.find((one) => one.name === grant) ?? roles.find((one) => one.name === grant);
    if (product.scopes.some((one) => one.name === grant)) found.add(grant);
    else for (const scope of wide?.scopes ?? []) found.add(scope);
  }
  return [...found].sort();
}

/** Why the reader may not grant these scopes, in words; null when they may. */
export function whyNot(workspace, scopes) {
  const { plan, policy, viewerScopes, product } = workspace;
  const own = scopes.filter((name) => !product.scopes.find((one) => one.name === name)?.management);
  const beyondPlan = plan?.scopes ? own.filter((one) => !plan.scopes.includes(one)) : [];
  if (beyondPlan.length) return t("tokens.notInPlan", { title: plan.title });
  const beyondPolicy = policy.scopesAllowed ? scopes.filter((one) => !policy.scopesAllowed.includes(one)) : [];
  if (beyondPolicy.length) return t("tokens.againstPolicy");
  const lacking = scopes.filter((one) => !viewerScopes.includes(one));
  if (!lacking.length) return null;
  return scopes.length === 1 ? t("tokens.lackingOne") : t("tokens.lacking", { lacking: lacking.join(", ") });
}

/** What a scope is about: "jobs:read" and "jobs.read" are about jobs, a URL about what is before its last slash. */
function resourceOf(name) {
  const scheme = name.indexOf("://");
  if (scheme < 1) return name.split(/[:./]/)[0] || name;
  const last = name.lastIndexOf("/");
  return last > scheme + 2 ? name.slice(0, last) : name;
}

/** Scopes by the resource they are about. Management scopes are kept apart. */
export function byResource(scopes) {
  const groups = new Map();
  for (const scope of scopes) {
    const name = resourceOf(scope.name);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(scope);
  }
  return [...groups];
}

/** What people call a scope or shorthand, if its product gives it such a name; else null. */
export function grantLabel(workspace, name) {
  const { scopes, shorthands } = workspace.product;
  const shorthand = shorthands.find((one) => one.name === name);
  const label = scopes.find((one) => one.name === name)?.label ?? shorthand?.title ?? null;
  return label === name ? null : label;
}
