// Who is signed in. The session itself is a cookie that no script can read.

import { t } from "./texts.js";
import { PERSON, firstQuestion } from "./questions.js";
import { keepSpace, keepWorkspace } from "./workspace.js";
import { ApiError, actAs, ask, askOnce, change } from "./api.js";
import { toUrlPath } from "./base-path.js";

let person = null;

/** The signed-in person: { id, name, email, emailProven, signInName }, or null. */
export function who() {
  return person;
}

/** Ask the server who is signed in, and act as them from now on; path: that of the page which begins with it. */
export async function findPerson(path = "/") {
  actAs(null);
  const { document, variables } = firstQuestion(path);
  try {
    const { me, workspace = null, space = null } = await askOnce(document, variables);
    become(me?.user ?? null);
    keepWorkspace(workspace);
    keepSpace(space);
  } catch (error) {
    if (path === "/") throw error;
    if (error.kind === "signed-out") become(null);
    else if (error.kind === "forbidden") await findPerson();
    else throw error;
  }
  return person;
}

function become(someone) {
  person = someone;
  actAs(person?.id ?? null);
}

/** Sign in. Refusals are thrown. */
export async function signIn(email, password) {
  actAs(null);
  return opened(
    `mutation ($input: SignInInput!) { answer: signIn(input: $input) {
      __typename ... on SignInSuccess { user { ${PERSON} } } ...Why } }`,
    { email, password },
  );
}

/** Join the workspace an invitation is for: with the account signed in, or with a new one, which is then signed in. */
export async function acceptInvitation(code, { password = null, name = null } = {}) {
  return opened(
    `mutation ($input: AcceptInvitationInput!) { answer: acceptInvitation(input: $input) {
      __typename ... on AcceptInvitationSuccess { user { ${PERSON} } workspaceId } ...Why } }`,
    { code, password, name: name || null },
  );
}

/** Change the reader's own account; changes: { name, email, signInName }, what is left out stays. */
export async function updateAccount(changes) {
  return opened(
    `mutation ($input: UpdateAccountInput!) { answer: updateAccount(input: $input) {
      __typename ... on UpdateAccountSuccess { user { ${PERSON} } } ...Why } }`,
    changes,
  );
}

/** Have a link mailed to the reader's address that proves it. */
export function requestEmailProof() {
  return change(
    `mutation { answer: requestEmailProof { __typename ... on RequestEmailProofSuccess { delayed } ...Why } }`,
    null,
  );
}

/** Prove the reader's address with the secret of a link that was mailed. */
export async function proveEmail(link) {
  return opened(
    `mutation ($input: ProveEmailInput!) { answer: proveEmail(input: $input) {
      __typename ... on ProveEmailSuccess { user { ${PERSON} } } ...Why } }`,
    { link },
  );
}

/** What a person is called in the bar and in sentences: the address they entered, else the account's id. */
export function calledBy(someone) {
  return someone.email ?? someone.id;
}

/** Set another password; every other session ends. */
export async function changePassword(current, wanted) {
  return opened(
    `mutation ($input: ChangePasswordInput!) { answer: changePassword(input: $input) {
      __typename ... on ChangePasswordSuccess { user { ${PERSON} } } ...Why } }`,
    { current, new: wanted },
  );
}

/** Sign out and start afresh: nothing of the session's pages stays in memory. */
export async function signOut() {
  const { signOut: done } = await ask("mutation { signOut { ... on SignOutSuccess { nextUrl } } }");
  location.assign(done?.nextUrl ?? toUrlPath("/"));
}

async function opened(document, input) {
  const answer = await change(document, input);
  actAs(null);
  const { me } = await ask("{ me { user { id } } }");
  if (me?.user?.id !== answer.user.id) throw new ApiError("broken", t("people.sessionNotKept"));
  become(answer.user);
  return person;
}
