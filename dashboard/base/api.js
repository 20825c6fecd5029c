// The GraphQL client: one address, JSON in and out, and every way it can fail as one kind of error.

import { t } from "./texts.js";
import { toUrlPath } from "./base-path.js";
import { GRAPHQL_PATH, asPerson } from "./questions.js";
import { send } from "./send.js";

/**
 * Why an answer did not come.
 * kind: "refused" (the server says why), "forbidden", "signed-out", "unavailable" (the server says: nothing changed),
 * "unreachable" (not known), "broken".
 */
export class ApiError extends Error {
  constructor(kind, message, facts = {}) {
    super(message);
    this.kind = kind;
    this.facts = facts;
  }
}

const KINDS = { UNAUTHENTICATED: "signed-out", INSUFFICIENT_SCOPE: "forbidden", UNAVAILABLE: "unavailable" };
let signInAgain = null;
let personId = null;
let elsewhere = null;
let changed = null;

/**
 * Say as whom this page acts; null for the person who is signed in. All tabs share one session: without this, a page
 * whose person was replaced in another tab would go on as the new one.
 */
export function actAs(id) {
  personId = id;
}

/** Ask another server, without cookies. headers() gives what each request carries; null while there is no session. */
export function connect(url, headers) {
  elsewhere = { url, headers };
}

/** Be told of every change that was made: the mutation's name, its input and its answer. */
export function whenChanged(listener) {
  changed = listener;
}

/** What to do when the session has ended: a function whose promise ends once a person has signed in again. */
export function whenSignedOut(handler) {
  signInAgain = handler;
}

/** Run an operation and give its data. A session that ended is opened again first, then the operation is repeated. */
export async function ask(document, variables = {}) {
  try {
    return await post(document, variables);
  } catch (error) {
    if (error.kind !== "signed-out" || signInAgain === null) throw error;
    await signInAgain();
    return post(document, variables);
  }
}

/**
 * The same without opening a session again: the first question of a page, when it is not known whether a person is
 * signed in.
 */
export async function askOnce(document, variables = {}) {
  return post(document, variables);
}

/** What every mutation's refusals are asked for. */
export const WHY = `fragment Why on UserError { __typename message code
  ... on InvalidInput { errors { path message } } ... on ScopeNotAllowed { scopes }
  ... on Conflict { successorId } ... on TooManyAttempts { retryAfterSeconds } }`;

/** Run a mutation whose one field is called "answer", and give its success; a refusal is thrown. */
export async function change(document, input) {
  const { answer } = await ask(`${document} ${WHY}`, { input });
  if (!answer.__typename.endsWith("Success")) {
    const [first, ...others] = answer.errors ?? [];
    const text = first && !others.length ? first.message : answer.message;
    throw new ApiError("refused", text, { ...answer, whole: answer.message });
  }
  changed?.(/answer: (\w+)/.exec(document)[1], input, answer);
  return answer;
}

async function post(document, variables) {
  const own = elsewhere ? elsewhere.headers() : asPerson(personId);
  if (own === null) throw new ApiError("signed-out", t("shared.thereIsNoSessionYet"));
  const url = elsewhere ? elsewhere.url : toUrlPath(GRAPHQL_PATH);
  let response;
  try {
    response = await send(url, { document, variables, own, credentials: elsewhere ? "omit" : "same-origin" });
  } catch {
    const hint = navigator.onLine ? "" : t("shared.offline");
    throw new ApiError("unreachable", t("shared.unreachable", { hint }));
  }
  const { body } = response;
  const error = body.errors?.[0];
  if (response.ok && error === undefined) return body.data;
  if (error !== undefined) throw graphqlError(error);
  if (response.status === 401) throw new ApiError("signed-out", t("shared.youAreNotSignedIn"));
  if (response.status === 503 && body.status === 503) throw new ApiError("unavailable", wait(response));
  if ([502, 503, 504].includes(response.status)) {
    throw new ApiError("unreachable", t("shared.noAnswer"));
  }
  throw new ApiError("broken", body.detail ?? t("shared.brokenAnswer"));
}

function graphqlError(error) {
  const kind = KINDS[error.extensions?.code] ?? "broken";
  if (error.extensions?.mayHaveChanged) return new ApiError("unreachable", error.message);
  if (kind === "unavailable") return new ApiError(kind, t("shared.unavailableNow"));
  const missing = error.extensions?.missingScopes;
  if (kind !== "forbidden") return new ApiError(kind, error.message);
  const needs = missing?.length ? t("shared.forbiddenNeeds", { missing: missing.join(", ") }) : "";
  return new ApiError(kind, t("shared.forbidden", { needs }));
}

function wait(response) {
  const seconds = Number(response.headers.get("Retry-After"));
  const when = seconds > 0 ? t("shared.retryAfter", { seconds }) : t("shared.retrySoon");
  return t("shared.unavailable", { when });
}
