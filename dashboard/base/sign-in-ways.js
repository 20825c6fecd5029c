// How people sign in here. The server says so in the page: passwords, an identity provider, or a page of the host's.

import { presentPath, toUrlPath } from "./base-path.js";

const WAYS = JSON.parse(document.querySelector("meta[name=sign-in]").content);

/** Whether accounts sign in with a password of their own. */
export const takesPasswords = WAYS.passwords;

/** What the identity provider is called; null without one. */
export const provider = WAYS.provider ?? null;

/** The host's own page on which people sign in; null where it is the dashboard's. */
export const hostPage = WAYS.url ?? null;

/** Whether the server sends mail: links for forgotten passwords, invitations, and to prove an address. */
export const sendsMail = WAYS.mail === true;

/** The address at which a sign-in at the provider begins. It leads back to the page that is shown. */
export function providerUrl() {
  const back = presentPath() + location.search;
  return toUrlPath(`/sign-in/provider?${new URLSearchParams({ return: back })}`);
}
