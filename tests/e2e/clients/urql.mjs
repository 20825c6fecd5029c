// urql, with its document cache as it comes.
import { readFileSync } from "node:fs";
import { Client, cacheExchange, fetchExchange, gql } from "@urql/core";
import { parse, print } from "graphql";
import { noting, run, server } from "./run.mjs";

const parsed = parse(readFileSync("operations.graphql", "utf8"));
const documents = Object.fromEntries(
  parsed.definitions.map((one) => [
    one.name.value,
    { kind: one.operation, document: gql(print({ kind: "Document", definitions: [one] })) },
  ]),
);
const client = new Client({
  url: server.url,
  fetch: noting,
  fetchOptions: { headers: server.headers },
  exchanges: [cacheExchange, fetchExchange],
  preferGetMethod: false, // the server takes queries by POST alone
});

await run(async (name, variables) => {
  const { kind, document } = documents[name];
  const asking = kind === "query" ? client.query(document, variables) : client.mutation(document, variables);
  const { data, error } = await asking.toPromise();
  if (error) throw error;
  return data;
});
