// One page of tokens, as it is read from the server.

import { ask } from "../base/api.js";
import { foldedStatuses, showsFolded, tokensQuestion } from "../base/token-query.js";

/**
 * The page, as a connection with its nodes, with the count of all that the filters leave, and with what is folded away:
 * { statuses, open, count }, count being null if there are too many tokens to count them.
 */
export async function loadTokens({ workspace, space, query }) {
  const { document, variables } = tokensQuestion({ workspace, space, query });
  const data = await ask(document, variables);
  const { tokens, tokensCount, otherCount } = data[space ? "space" : "workspace"];
  const statuses = foldedStatuses(workspace, query);
  const exact = [tokensCount, otherCount ?? tokensCount].every((one) => one.precision === "EXACT");
  const count = exact && otherCount ? Math.abs(tokensCount.count - otherCount.count) : null;
  return { ...tokens, count: tokensCount, folded: { statuses, open: showsFolded(query), count } };
}
