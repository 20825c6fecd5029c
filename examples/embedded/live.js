// The page with a user's keys: it speaks to Spacekey's GraphQL, on another origin, with a portal session.

const form = document.querySelector("form[data-spacekey]");
const { spacekey, workspace } = form.dataset;
let session = null;

/** A portal session, from the application's own server, which knows who is signed in. */
async function open() {
  const answer = await fetch("/keys/session", { method: "POST" });
  if (!answer.ok) throw new Error("You are not signed in any more.");
  session = (await answer.json()).secret;
}

/** The data of an operation. A session that has ended is opened again once. */
async function ask(query, variables = {}, again = true) {
  if (session === null) await open();
  const answer = await fetch(`${spacekey}/graphql`, {
    method: "POST",
    headers: { Authorization: `Bearer ${session}`, "Content-Type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  if (answer.status === 401 && again) {
    session = null;
    return ask(query, variables, false);
  }
  const { data, errors, detail } = await answer.json();
  if (!data) throw new Error(errors?.[0].message ?? detail);
  return data;
}

/** A mutation's success; a refusal is thrown in its own words. */
async function change(query, input) {
  const { answer } = await ask(query, { input });
  if (answer.message) throw new Error(answer.message);
  return answer;
}

async function list() {
  const { tokens } = await ask(`{ tokens(filter: { status: [ACTIVE] }, first: 50) { nodes { id name prefix } } }`);
  document.querySelector("ul").replaceChildren(...tokens.nodes.map(row));
}

function row({ id, name, prefix }) {
  const line = document.createElement("li");
  const button = document.createElement("button");
  button.textContent = `Revoke ${name}`;
  button.addEventListener("click", () => run(() => revoke(id)));
  line.append(`${name} `, prefix, " ", button);
  return line;
}

async function create(name) {
  const answer = await change(
    `mutation ($input: CreateTokenInput!) { answer: createToken(input: $input) {
      ... on CreateTokenSuccess { secret } ... on UserError { message } } }`,
    { ownerId: workspace, name, grants: ["jobs:read"] },
  );
  form.reset();
  await list();
  return `Copy your key, it is not shown again: ${answer.secret}`;
}

async function revoke(id) {
  await change(
    `mutation ($input: RevokeTokenInput!) { answer: revokeToken(input: $input) {
      ... on UserError { message } } }`,
    { id },
  );
  await list();
  return "Revoked.";
}

async function run(work) {
  const status = document.querySelector("[role=status]");
  status.textContent = "";
  try {
    status.textContent = (await work()) ?? "";
  } catch (error) {
    status.textContent = error.message;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run(() => create(new FormData(form).get("name")));
});
run(list);
