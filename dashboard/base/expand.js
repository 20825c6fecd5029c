// What grants come to: shorthands and roles spelled out, as the server does it when a request is authorized.

/** Grants → a sorted list of scopes. Names nobody knows come to nothing. */
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
  if (beyondPlan.length) return `Not part of the plan ${plan.title}`;
  const beyondPolicy = policy.scopesAllowed ? scopes.filter((one) => !policy.scopesAllowed.includes(one)) : [];
  if (beyondPolicy.length) return "Not allowed by the workspace's policy";
  const lacking = scopes.filter((one) => !viewerScopes.includes(one));
  if (!lacking.length) return null;
  return scopes.length === 1 ? "You do not hold it yourself" : `You do not hold ${lacking.join(", ")} yourself`;
}

/** Scopes by the resource they are about: "jobs:read" is about jobs. Management scopes are kept apart. */
export function byResource(scopes) {
  const groups = new Map();
  for (const scope of scopes) {
    const name = scope.name.split(":")[0];
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(scope);
  }
  return [...groups];
}
