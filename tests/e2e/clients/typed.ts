// graphql-codegen's client preset: the types of variables and answers come from the schema; tsc checks this file.
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import {
  AnythingDocument,
  CreateTokenDocument,
  DeleteTokenDocument,
  ListTokensDocument,
  RevokeTokenDocument,
  RotateTokenDocument,
  type CreateTokenMutation,
  type DeleteTokenMutation,
} from "./typed/graphql.js";
import { noting, run, server } from "./run.mjs";

async function execute<Answer, Variables>(
  document: TypedDocumentNode<Answer, Variables>,
  variables: Variables,
): Promise<Answer> {
  const response = await noting(server.url, {
    method: "POST",
    headers: { ...server.headers, "Content-Type": "application/json", Accept: "application/graphql-response+json" },
    body: JSON.stringify({ query: print(document), variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

const documents = {
  ListTokens: ListTokensDocument,
  Anything: AnythingDocument,
  CreateToken: CreateTokenDocument,
  RotateToken: RotateTokenDocument,
  RevokeToken: RevokeTokenDocument,
  DeleteToken: DeleteTokenDocument,
};

// Unions are told apart by what they hold; a field that does not exist would not compile.
export function secretOf(answer: CreateTokenMutation): string | null {
  const made = answer.createToken;
  return made && "secret" in made ? made.secret : null;
}
export function deletedOf(answer: DeleteTokenMutation): string | null {
  const gone = answer.deleteToken;
  return gone && "deletedTokenId" in gone ? gone.deletedTokenId : null;
}

await run((name: keyof typeof documents, variables: never) =>
  execute(documents[name] as TypedDocumentNode<unknown, unknown>, variables),
);
