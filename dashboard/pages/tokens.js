// The tokens of a workspace, and those of a space, as pages.

import { ask } from "../base/api.js";
import { WORKSPACE, keepWorkspace, loadWorkspace } from "../base/workspace.js";
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
  const document = `query ($id: ID!) { space(id: $id) { id name slug workspace { ...Workspace } } } ${WORKSPACE}`;
  const { space } = await ask(document, { id });
  if (!space?.workspace) return missingPage();
  return tokensView({ workspace: keepWorkspace(space.workspace), space, query });
}
