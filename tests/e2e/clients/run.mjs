// The same steps with any client: give how it asks, get what came of them as one JSON object on standard output.

const [url, secret, workspace] = process.argv.slice(2);

export const server = { url, workspace, headers: { Authorization: `Bearer ${secret}` } };

/** The bodies that the client sent. */
export const sent = [];

/** The fetch that a client is given: it notes what is sent. */
export const noting = async (address, options) => {
  sent.push({ method: options?.method ?? "GET", body: options?.body ?? String(address) });
  return fetch(address, options);
};

/** What the client's library complained about. */
export const complaints = [];
for (const level of ["error", "warn"]) console[level] = (...words) => complaints.push(words.map(String).join(" "));

/** Run the steps. ask(name, variables) gives the data of one operation of operations.graphql. */
export async function run(ask, afterDelete = () => ({})) {
  const names = [];
  const pages = [];
  const created = [];
  for (const name of ["one", "two", "three"]) {
    const { createToken: made } = await ask("CreateToken", {
      input: { ownerId: workspace, name, grants: ["jobs:read"] },
    });
    created.push({ id: made.token.id, status: made.token.status, secret: made.secret.length > 40 });
  }
  let after = null;
  for (let more = true; more; ) {
    const { tokens } = (await ask("ListTokens", { workspace, first: 2, after })).workspace;
    pages.push(tokens.edges.length);
    names.push(...tokens.edges.map((one) => one.node.name));
    ({ endCursor: after, hasNextPage: more } = tokens.pageInfo);
  }
  const [first, second] = created;
  const { rotateToken: rotated } = await ask("RotateToken", { input: { id: first.id, graceSeconds: 0 } });
  const { revokeToken: revoked } = await ask("RevokeToken", { input: { id: second.id, reason: "over" } });
  const found = (await ask("Anything", { id: second.id })).node;
  const { deleteToken: deleted } = await ask("DeleteToken", { input: { id: second.id } });
  const { deleteToken: again } = await ask("DeleteToken", { input: { id: second.id } });
  const result = {
    created,
    pages,
    names,
    rotated: { id: rotated.token.id, from: rotated.token.rotatedFrom.id, secret: rotated.secret.length > 40 },
    revoked: revoked.token.status,
    found,
    deleted: deleted.deletedTokenId,
    again: again.message,
    kept: await afterDelete(deleted.deletedTokenId),
    sent,
    complaints,
  };
  process.stdout.write(JSON.stringify(result));
}
