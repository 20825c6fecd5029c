// One workspace as its pages need it: its words, its rules, and what the reader may do there.

import { ask } from "./api.js";
import { SPACE, WORKSPACE } from "./questions.js";
import { speakAs } from "./texts.js";

const FRESH_MS = 30_000;
const known = new Map();
const knownSpaces = new Map();

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

/** The space with its workspace, at most half a minute old; null when one of them does not exist for the reader. */
export async function loadSpace(id) {
  const kept = knownSpaces.get(id);
  if (kept && Date.now() - kept.at < FRESH_MS) {
    speakAs(kept.space.workspace.product);
    return kept.space;
  }
  const { space } = await ask(`query ($id: ID!) { space(id: $id) { ...Space } } ${SPACE}`, { id });
  return keepSpace(space);
}

/** Remember a space that came with another answer. */
export function keepSpace(space) {
  if (!space?.workspace) return null;
  keepWorkspace(space.workspace);
  knownSpaces.set(space.id, { space, at: Date.now() });
  return space;
}

/** Forget what is remembered: something was changed. */
export function forgetWorkspaces() {
  known.clear();
  knownSpaces.clear();
}

/** Whether the reader holds a scope there. */
export function may(workspace, scope) {
  return workspace.viewerScopes.includes(scope);
}

/** A role's title, or its name. */
export function roleTitle(workspace, name) {
  return workspace.roles.find((one) => one.name === name)?.title ?? name;
}
