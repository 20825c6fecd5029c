// Who is signed in. The session itself is a cookie that no script can read.

import { t } from "./texts.js";
import { WORKSPACE, keepWorkspace } from "./workspace.js";
import { ApiError, actAs, ask, askOnce, change } from "./api.js";
import { toUrlPath } from "./base-path.js";

let person = null;

const FIELDS = "id name email emailProven signInName";

/** The signed-in person: { id, name, email, emailProven, signInName }, or null. */
export function who() {
  return person;
}

/** Ask the server who is signed in, and act as them from now on. */
export async function findPerson() {
  actAs(null);
  const { me } = await ask(`{ me { user { ${FIELDS} } } }`);
  become(me?.user ?? null);
  return person;
}

/** The same with a workspace in one request: what a page of that workspace begins with. */
export async function findPersonIn(workspaceId) {
  actAs(null);
  const document = `query ($id: ID!) { me { user { ${FIELDS} } } workspace(id: $id) { ...Workspace } } ${WORKSPACE}`;
  try {
    const { me, workspace } = await askOnce(document, { id: workspaceId });
    become(me?.user ?? null);
    keepWorkspace(workspace);
  } catch (error) {
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
      __typename ... on SignInSuccess { user { ${FIELDS} } } ...Why } }`,
    { email, password },
  );
}

/** Join the workspace an invitation is for: with the account signed in, or with a new one, which is then signed in. */
export async function acceptInvitation(code, { password = null, name = null } = {}) {
  return opened(
    `mutation ($input: AcceptInvitationInput!) { answer: acceptInvitation(input: $input) {
      __typename ... on AcceptInvitationSuccess { user { ${FIELDS} } workspaceId } ...Why } }`,
    { code, password, name: name || null },
  );
}

/** Change the reader's own account; changes: { name, email, signInName }, what is left out stays. */
export async function updateAccount(changes) {
  return opened(
    `mutation ($input: UpdateAccountInput!) { answer: updateAccount(input: $input) {
      __typename ... on UpdateAccountSuccess { user { ${FIELDS} } } ...Why } }`,
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
      __typename ... on ProveEmailSuccess { user { ${FIELDS} } } ...Why } }`,
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
      __typename ... on ChangePasswordSuccess { user { ${FIELDS} } } ...Why } }`,
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
