// An element's session: the secret that its requests carry, and where another comes from once it has ended.

import { t } from "../base/texts.js";
import { ApiError } from "../base/api.js";

const WAIT_MS = 60_000;

/**
 * Gives { headers(), renew(), set(secret), isOver() }.
 * getSession() gives the host's function or null; announceEnd() tells the host, and gives whether the host said that it
 * is getting another session.
 */
export function elementSession({ secret, getSession, announceEnd }) {
  let renewing = null;
  let over = false;
  let arrived = null;

  const set = (next) => {
    secret = next;
    over = next === null;
    arrived?.();
  };
  const asked = async () => {
    try {
      return (await getSession()()) || null;
    } catch (error) {
      console.error(error);
      return null;
    }
  };
  const another = async () => {
    const first = secret === null && !over;
    secret = null;
    const coming = !first && announceEnd();
    if (secret === null && getSession()) secret = await asked();
    else if (secret === null && coming) await nextOne();
    over = secret === null;
    if (over) throw new ApiError("signed-out", t("people.elementSessionEnded"));
  };
  const nextOne = () =>
    new Promise((resolve) => {
      arrived = resolve;
      setTimeout(resolve, WAIT_MS);
    });

  return {
    headers: () => (secret === null ? null : { Authorization: `Bearer ${secret}` }),
    renew: () => (renewing ??= another().finally(() => (renewing = null))),
    set,
    isOver: () => over,
  };
}
