// Who is signed in. The session itself is a cookie that no script can read.

import { ask, change } from "./api.js";

let person = null;

/** The signed-in person: { id, email }, or null. */
export function who() {
  return person;
}

/** Ask the server who is signed in. */
export async function findPerson() {
  const { me } = await ask("{ me { user { id email } } }");
  person = me?.user ?? null;
  return person;
}

/** Sign in. Refusals are thrown. */
export async function signIn(email, password) {
  return opened(
    `mutation ($input: SignInInput!) { answer: signIn(input: $input) {
      __typename ... on SignInSuccess { user { id email } } ...Why } }`,
    { email, password },
  );
}

/** Join the workspace an invitation is for; somebody new sets their first password with it. Signs in. */
export async function acceptInvitation(code, password = null) {
  return opened(
    `mutation ($input: AcceptInvitationInput!) { answer: acceptInvitation(input: $input) {
      __typename ... on SignInSuccess { user { id email } } ...Why } }`,
    { code, password },
  );
}

/** Set another password; every other session ends. */
export async function changePassword(current, wanted) {
  return opened(
    `mutation ($input: ChangePasswordInput!) { answer: changePassword(input: $input) {
      __typename ... on SignInSuccess { user { id email } } ...Why } }`,
    { current, new: wanted },
  );
}

/** Sign out and start afresh: nothing of the session's pages stays in memory. */
export async function signOut() {
  await ask("mutation { signOut { signedOut } }");
  location.assign("/");
}

async function opened(document, input) {
  const answer = await change(document, input);
  person = answer.user;
  return person;
}
