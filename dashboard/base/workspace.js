// One workspace as its pages need it: its words, its rules, and what the reader may do there.

import { ask } from "./api.js";
import { speakAs } from "./texts.js";

const FRESH_MS = 30_000;
const known = new Map();

/** Everything of a workspace that pages share. */
export const WORKSPACE = `fragment Workspace on Workspace {
  id name slug createdAt suspendedAt viewerScopes viewerRole rateLimit { perMinute burst }
  plan { name title maxTokens scopes rateLimit { perMinute burst } }
  policy { maxLifetimeSeconds defaultLifetimeSeconds expiryRequired scopesAllowed }
  roles { name title description grants scopes }
  product { name title description secretPrefix environments tokenKinds tokenRoles grantKind
    presentation { token tokens logo accent { light dark } navigation { section label path } columns actions variable
      exampleUrl links { title url } texts { name text } }
    scopes { name description management label useCase } shorthands { name title description scopes }
    presets { name title description scopes } useCases { title description grants preset }
    roles { name } plans { name title maxTokens selfService rateLimit { perMinute burst } } } }`;

/** The workspace, at most half a minute old; null when it does not exist for the reader. */
export async function loadWorkspace(id, { afresh = false } = {}) {
  const kept = known.get(id);
  if (kept && !afresh && Date.now() - kept.at < FRESH_MS) {
    speakAs(kept.workspace.product);
    return kept.workspace;
  }
  const { workspace } = await ask(`query ($id: ID!) { workspace(id: $id) { ...Workspace } } ${WORKSPACE}`, { id });
  return keepWorkspace(workspace);
}

/** Remember a workspace that came with another answer. */
export function keepWorkspace(workspace) {
  if (workspace) known.set(workspace.id, { workspace, at: Date.now() });
  if (workspace) speakAs(workspace.product);
  return workspace;
}

/** Forget what is remembered: something was changed. */
export function forgetWorkspaces() {
  known.clear();
}

/** Whether the reader holds a scope there. */
export function may(workspace, scope) {
  return workspace.viewerScopes.includes(scope);
}

/** A role's title, or its name. */
export function roleTitle(workspace, name) {
  return workspace.roles.find((one) => one.name === name)?.title ?? name;
}
