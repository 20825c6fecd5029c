// The secret of a link that was mailed stands behind the # of its URL, which browsers send nowhere.

/** The secret in the URL, or null. It is taken out of the address bar and the history. */
export function takeLinkSecret() {
  const secret = location.hash.slice(1);
  if (!/^[A-Za-z0-9_-]{43}$/.test(secret)) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return secret;
}
