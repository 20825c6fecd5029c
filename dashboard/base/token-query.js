// One page of tokens: what is asked for it, by the filters, the order and the place that a page's address holds.

import { TOKEN_ROW } from "./token-fields.js";

const SIZE = 50;
const STATUSES = ["ACTIVE", "DISABLED", "EXPIRED", "REVOKED"];
const NARROWING = ["q", "environment", "use", "by"];
/** The choice of a status that shows what is folded away too. */
export const ANY_STATUS = "ANY";
const ARGUMENTS = `$id: ID!, $filter: TokenFilter, $other: TokenFilter, $folds: Boolean!, $order: TokenOrderBy,
  $first: Int, $after: String, $last: Int, $before: String`;
const TOKENS = `tokens(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) {
  nodes { ...TokenRow } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
  tokensCount(filter: $filter, limit: 1000) { count precision }
  otherCount: tokensCount(filter: $other, limit: 1000) @include(if: $folds) { count precision }`;

/** Page arguments of a connection from what the address says. */
export function pageArguments(query, size) {
  const before = query.get("before");
  return before ? { last: size, before } : { first: size, after: query.get("after") };
}

/** The question: { document, variables }. space is null for the tokens of the whole workspace. */
export function tokensQuestion({ workspace, space, query }) {
  const [field, start] = query.get("sort")?.split(".") ?? [];
  const folded = foldedStatuses(workspace, query);
  const open = showsFolded(query);
  const variables = {
    id: space?.id ?? workspace.id,
    filter: filterOf(query, open ? [] : folded),
    other: filterOf(query, open ? folded : []),
    folds: folded.length > 0,
    order: field ? { field, direction: start } : null,
    ...pageArguments(query, SIZE),
  };
  const root = space ? "space" : "workspace";
  return { document: `query (${ARGUMENTS}) { ${root}(id: $id) { ${TOKENS} } } ${TOKEN_ROW}`, variables };
}

/** The order that a query asks for. */
export function sortOf(query) {
  const [field = "CREATED_AT", direction = "DESC"] = query.get("sort")?.split(".") ?? [];
  return { field, direction };
}

/** Whether anything narrows the list. */
export function isFiltered(query) {
  return NARROWING.some((name) => query.get(name)) || chosenStatus(query) !== null;
}

/** The statuses that the list folds away, unless the reader opens them. None once a status is chosen. */
export function foldedStatuses(workspace, query) {
  return chosenStatus(query) ? [] : workspace.product.presentation.folded;
}

/** Whether what is folded away is shown too. */
export function showsFolded(query) {
  return query.get("status") === ANY_STATUS;
}

/** Note in a query whether what is folded away is to be shown. */
export function showFolded(query, open) {
  if (open) query.set("status", ANY_STATUS);
  else query.delete("status");
}

function chosenStatus(query) {
  return showsFolded(query) ? null : query.get("status") || null;
}

/** The query as the API's filter, without tokens of the statuses left out. */
function filterOf(query, without) {
  const [use, days] = query.get("use")?.split(".") ?? [];
  const chosen = chosenStatus(query);
  const rest = without.length ? STATUSES.filter((one) => !without.includes(one)) : null;
  return {
    text: query.get("q") || null,
    status: chosen ? [chosen] : rest,
    environment: query.get("environment") || null,
    unusedForDays: use === "unused" ? Number(days) : null,
    expiringWithinDays: use === "expiring" ? Number(days) : null,
    createdBy: query.get("by") || null,
  };
}
