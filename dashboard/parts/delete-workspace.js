// The end of a workspace: for its owners, after typing its slug.

import { change } from "../base/api.js";
import { h } from "../base/dom.js";
import { go } from "../base/router.js";
import { forgetWorkspaces } from "../base/workspace.js";
import { confirmed } from "./confirm.js";
import { say } from "./notice.js";

const OWNER = "owner";
const DELETE = `mutation ($input: DeleteWorkspaceInput!) { answer: deleteWorkspace(input: $input) {
  __typename ... on DeleteWorkspaceSuccess { deletedWorkspaceId } ...Why } }`;

/** The section of the settings page; null for everybody but owners. */
export function deleteSection(workspace) {
  if (workspace.viewerRole !== OWNER) return null;
  const button = h(
    "button",
    { type: "button", class: "danger", onclick: () => deleteWorkspace(workspace) },
    "Delete workspace",
  );
  const text =
    "All tokens of the workspace and its spaces are refused from then on, and its members lose access, for good.";
  return h("section", {}, h("h2", {}, "Delete this workspace"), h("p", {}, text), button);
}

async function deleteWorkspace(workspace) {
  const done = await confirmed({
    title: `Delete ${workspace.name}?`,
    text: [
      "All of its tokens, those of its spaces too, are refused from then on: " +
        "programs that use them lose access at once.",
      "Members lose access and keep their accounts. This cannot be undone.",
    ],
    typed: workspace.slug,
    button: "Delete workspace",
    act: async () => {
      await change(DELETE, { id: workspace.id });
    },
  });
  if (!done) return;
  forgetWorkspaces();
  await go("/");
  say(`${workspace.name} was deleted.`);
}
