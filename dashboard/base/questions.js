// What the dashboard asks first, so that early.js can ask it while the script with the pages is still on its way.

export const GRAPHQL_PATH = "/graphql";

/** What is asked of a person. */
export const PERSON = "id name email emailProven signInName";

/** Everything of a workspace that pages share. */
export const WORKSPACE = `fragment Workspace on Workspace {
  id name slug createdAt suspendedAt viewerScopes viewerRole rateLimit { perMinute burst }
  plan { name title maxTokens scopes rateLimit { perMinute burst } }
  policy { maxLifetimeSeconds defaultLifetimeSeconds expiryRequired scopesAllowed }
  roles { name title description grants scopes }
  product { name title description secretPrefix environments tokenKinds tokenRoles grantKind
    presentation { token tokens logo accent { light dark } navigation { section label path } columns actions folded
      variable exampleUrl links { title url } texts { name text } }
    scopes { name description management label useCase } shorthands { name title description scopes }
    presets { name title description scopes } useCases { title description grants preset }
    roles { name } plans { name title maxTokens selfService rateLimit { perMinute burst } } } }`;

/** A space, with everything that pages share of its workspace. */
export const SPACE = `fragment Space on Space { id name slug workspace { ...Workspace } } ${WORKSPACE}`;

const ME = `me { user { ${PERSON} } }`;
const OF_A_WORKSPACE = /^\/workspace\/([\w-]+)/;
const OF_A_SPACE = /^\/space\/([\w-]+)/;

/** What a page begins with, by its path: who reads it, and its workspace or space: { document, variables }. */
export function firstQuestion(path) {
  const workspace = OF_A_WORKSPACE.exec(path)?.[1];
  const space = OF_A_SPACE.exec(path)?.[1];
  if (workspace) {
    const document = `query ($id: ID!) { ${ME} workspace(id: $id) { ...Workspace } } ${WORKSPACE}`;
    return { document, variables: { id: workspace } };
  }
  if (!space) return { document: `{ ${ME} }`, variables: {} };
  return { document: `query ($id: ID!) { ${ME} space(id: $id) { ...Space } } ${SPACE}`, variables: { id: space } };
}

/** The header that says as whom a page acts; none while that is not known. */
export function asPerson(id) {
  return id === null ? {} : { "Spacekey-Person": id };
}
