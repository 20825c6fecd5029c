// One request to the GraphQL API. It may have been sent ahead, by early.js, while the script that asks was on its way.

const ahead = new Map();

/** Send it: gives { ok, status, headers, body }; body is {} if it is not JSON. Throws if no answer came. */
export function send(url, facts) {
  const key = keyOf(url, facts);
  const sent = ahead.get(key);
  ahead.delete(key);
  return sent ?? sendNow(url, facts);
}

/** Send it for the first who sends the same. */
export function sendAhead(url, facts) {
  const sent = sendNow(url, facts);
  ahead.set(keyOf(url, facts), sent);
  return sent;
}

/** The first page is shown: what was sent ahead and never asked for is of no use any more. */
export function forgetAhead() {
  ahead.clear();
}

async function sendNow(url, { document, variables, own, credentials }) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", ...own },
    body: JSON.stringify({ query: document, variables }),
    credentials,
    cache: "no-store",
    redirect: "error",
  });
  const { ok, status, headers } = response;
  return { ok, status, headers, body: await readJson(response) };
}

async function readJson(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

function keyOf(url, { document, variables, own }) {
  return JSON.stringify([url, document, variables, own]);
}
