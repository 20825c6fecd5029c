// The tokens of a workspace, and those of a space, as pages.

import { loadSpace, loadWorkspace } from "../base/workspace.js";
import { tokensView } from "../parts/token-list.js";
import { missingPage } from "./missing.js";

/** The tokens of a workspace, those of its spaces among them. */
export async function workspaceTokensPage({ id }, query) {
  const workspace = await loadWorkspace(id);
  if (!workspace) return missingPage();
  return tokensView({ workspace, space: null, query });
}

/** The tokens of a space. */
export async function spaceTokensPage({ id }, query) {
  const space = await loadSpace(id);
  if (!space) return missingPage();
  return tokensView({ workspace: space.workspace, space, query });
}
