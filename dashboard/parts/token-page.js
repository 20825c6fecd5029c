// One page of tokens: what is asked for it, by the filters, the order and the place that a query holds.

import { ask } from "../base/api.js";
import { pageArguments } from "./pager.js";
import { TOKEN_ROW } from "../base/token-fields.js";
import { filterOf } from "./token-filters.js";

const SIZE = 50;
const ARGUMENTS =
  "$filter: TokenFilter, $order: TokenOrderBy, $first: Int, $after: String, $last: Int, $before: String";
const TOKENS = `tokens(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) {
  nodes { ...TokenRow } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
  tokensCount(filter: $filter, limit: 1000) { count precision }`;

/** The page, as a connection with its nodes, and with the count of all that the filters leave. */
export async function loadTokens({ workspace, space, query }) {
  const [field, start] = query.get("sort")?.split(".") ?? [];
  const variables = {
    id: space?.id ?? workspace.id,
    filter: filterOf(query),
    order: field ? { field, direction: start } : null,
    ...pageArguments(query, SIZE),
  };
  const root = space ? "space" : "workspace";
  const data = await ask(`query ($id: ID!, ${ARGUMENTS}) { ${root}(id: $id) { ${TOKENS} } } ${TOKEN_ROW}`, variables);
  return { ...data[root].tokens, count: data[root].tokensCount };
}

/** The order that a query asks for. */
export function sortOf(query) {
  const [field = "CREATED_AT", direction = "DESC"] = query.get("sort")?.split(".") ?? [];
  return { field, direction };
}
