// Tokens at the path that their product gives them, such as /workspace/ws_1/api-keys or /account/api-keys.

import { ask } from "../base/api.js";
import { go } from "../base/router.js";
import { navigationPath } from "../base/token-paths.js";
import { loadWorkspace } from "../base/workspace.js";
import { missingPage } from "./missing.js";
import { workspaceTokensPage } from "./tokens.js";

const PLACES = `{ workspaces(first: 50) {
  nodes { id viewerScopes product { presentation { navigation { path } } } } } }`;

/** The page of a workspace's tokens, if this is its path. */
export async function tokensAtPath({ id, first, second }, query) {
  const workspace = await loadWorkspace(id);
  const path = second ? `${first}/${second}` : first;
  return workspace && path === navigationPath(workspace) ? workspaceTokensPage({ id }, query) : missingPage();
}

/** The way from the reader's account to the tokens of the first workspace whose product keeps them there. */
export async function accountTokens({ word }) {
  const path = `account/${word}`;
  const { workspaces } = await ask(PLACES);
  const found = workspaces.nodes.find((one) => one.product.presentation.navigation.path === path);
  if (!found) return missingPage();
  await go(`/workspace/${found.id}/${path}`, { replace: true });
  return null;
}
