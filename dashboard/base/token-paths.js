// The paths of pages with tokens. A product says at which one its workspaces have theirs.

/** What stands in the path of the page after the workspace's own, such as "account/api-keys". */
export function navigationPath(workspace) {
  return workspace.product.presentation.navigation.path;
}

/** The path of a workspace's tokens. */
export function tokensPath(workspace) {
  return `/workspace/${workspace.id}/${navigationPath(workspace)}`;
}

/** The path of a space's tokens. */
export function spaceTokensPath(space) {
  return `/space/${space.id}/tokens`;
}
