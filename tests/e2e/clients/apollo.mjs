// Apollo Client 4, with its cache as it comes.
import { readFileSync } from "node:fs";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { getOperationAST, parse, print } from "graphql";
import { noting, run, server } from "./run.mjs";

const parsed = parse(readFileSync("operations.graphql", "utf8"));
const documents = Object.fromEntries(
  parsed.definitions.map((one) => [one.name.value, gql(print({ kind: "Document", definitions: [one] }))]),
);
const possibleTypes = JSON.parse(readFileSync("possible-types.json", "utf8"));
const cache = new InMemoryCache({ possibleTypes });
const client = new ApolloClient({
  cache,
  link: new HttpLink({ uri: server.url, headers: server.headers, fetch: noting }),
});

async function ask(name, variables) {
  const document = documents[name];
  const isQuery = getOperationAST(document, name).operation === "query";
  const { data } = isQuery
    ? await client.query({ query: document, variables, fetchPolicy: "network-only" })
    : await client.mutate({ mutation: document, variables });
  return data;
}

await run(ask, (id) => {
  const key = cache.identify({ __typename: "Token", id });
  const had = key in cache.extract();
  cache.evict({ id: key });
  cache.gc();
  return { had, now: key in cache.extract() };
});
client.stop();
