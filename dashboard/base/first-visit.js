// What early.js asks while the script with the pages is on its way: who reads, and the tokens if the page shows some.

import { presentPath, toUrlPath } from "./base-path.js";
import { GRAPHQL_PATH, asPerson, firstQuestion } from "./questions.js";
import { sendAhead } from "./send.js";
import { navigationPath } from "./token-paths.js";
import { tokensQuestion } from "./token-query.js";

const WORKSPACE_PLACES = ["", "access-tokens"];
const SPACE_PLACES = ["", "tokens"];

/** Ask. Whatever fails here is asked again, and told, by the page. */
export async function askFirst() {
  const path = presentPath();
  const { body } = await sent(firstQuestion(path), null);
  const reader = body.data?.me?.user;
  const place = placeOf(path, body.data ?? {});
  if (!reader || !place?.workspace?.viewerScopes.includes("tokens:read")) return;
  await sent(tokensQuestion({ ...place, query: new URLSearchParams(location.search) }), reader.id);
}

function sent({ document, variables }, personId) {
  const facts = { document, variables, own: asPerson(personId), credentials: "same-origin" };
  return sendAhead(toUrlPath(GRAPHQL_PATH), facts);
}

/** The workspace or the space whose tokens the page at this path shows; null if it shows none. */
function placeOf(path, { workspace, space }) {
  const rest = path.split("/").slice(3).join("/").replace(/\/$/, "");
  if (workspace && [...WORKSPACE_PLACES, navigationPath(workspace)].includes(rest)) return { workspace, space: null };
  if (space && SPACE_PLACES.includes(rest)) return { workspace: space.workspace, space };
  return null;
}
