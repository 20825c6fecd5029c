// Relay: documents compiled by relay-compiler, run in an environment with a store.
import relay from "relay-runtime";
import AnythingQuery from "./__generated__/relayTokensAnythingQuery.graphql.js";
import CreateMutation from "./__generated__/relayTokensCreateMutation.graphql.js";
import DeleteMutation from "./__generated__/relayTokensDeleteMutation.graphql.js";
import ListQuery from "./__generated__/relayTokensListQuery.graphql.js";
import RevokeMutation from "./__generated__/relayTokensRevokeMutation.graphql.js";
import RotateMutation from "./__generated__/relayTokensRotateMutation.graphql.js";
import { noting, run, server } from "./run.mjs";

const { Environment, Network, RecordSource, Store, commitMutation, fetchQuery, graphql } = relay;

// relay-compiler reads the documents here; what runs are its artifacts.
export const documents = () => [
  graphql`
    query relayTokensListQuery($workspace: ID!, $first: Int, $after: String) {
      workspace(id: $workspace) {
        id
        tokens(first: $first, after: $after, orderBy: { field: NAME, direction: ASC }) {
          edges {
            cursor
            node {
              id
              name
              status
            }
          }
          pageInfo {
            endCursor
            hasNextPage
          }
        }
      }
    }
  `,
  graphql`
    query relayTokensAnythingQuery($id: ID!) {
      node(id: $id) {
        id
        ... on Token {
          name
        }
        ... on Member {
          role
        }
        ... on Workspace {
          slug
        }
      }
    }
  `,
  graphql`
    mutation relayTokensCreateMutation($input: CreateTokenInput!) {
      createToken(input: $input) {
        ... on CreateTokenSuccess {
          token {
            id
            name
            status
          }
          secret
        }
        ... on UserError {
          message
        }
      }
    }
  `,
  graphql`
    mutation relayTokensRotateMutation($input: RotateTokenInput!) {
      rotateToken(input: $input) {
        ... on RotateTokenSuccess {
          token {
            id
            rotatedFrom {
              id
            }
          }
          secret
        }
        ... on UserError {
          message
        }
      }
    }
  `,
  graphql`
    mutation relayTokensRevokeMutation($input: RevokeTokenInput!) {
      revokeToken(input: $input) {
        ... on RevokeTokenSuccess {
          token {
            id
            status
          }
        }
        ... on UserError {
          message
        }
      }
    }
  `,
  graphql`
    mutation relayTokensDeleteMutation($input: DeleteTokenInput!) {
      deleteToken(input: $input) {
        ... on DeleteTokenSuccess {
          deletedTokenId @deleteRecord
        }
        ... on UserError {
          message
        }
      }
    }
  `,
];

const store = new Store(new RecordSource());
const environment = new Environment({
  store,
  network: Network.create(async (operation, variables) => {
    const headers = { ...server.headers, "Content-Type": "application/json" };
    const body = JSON.stringify({ query: operation.text, variables });
    return (await noting(server.url, { method: "POST", headers, body })).json();
  }),
});
const queries = { ListTokens: ListQuery, Anything: AnythingQuery };
const mutations = {
  CreateToken: CreateMutation,
  RotateToken: RotateMutation,
  RevokeToken: RevokeMutation,
  DeleteToken: DeleteMutation,
};
const present = (id) => Boolean(store.getSource().get(id));

let before = false;
await run(
  (name, variables) => {
    if (name in queries) return fetchQuery(environment, queries[name], variables).toPromise();
    if (name === "DeleteToken") before ||= present(variables.input.id);
    return new Promise((onCompleted, onError) => {
      commitMutation(environment, { mutation: mutations[name], variables, onCompleted, onError });
    });
  },
  (id) => ({ had: before, now: present(id) }),
);
