// The end of a workspace: for its owners, after typing its slug.

import { t } from "../base/texts.js";
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
    t("workspaces.deleteWorkspace"),
  );
  const text = t("workspaces.deleteAbout");
  return h("section", {}, h("h2", {}, t("workspaces.deleteTitle")), h("p", {}, text), button);
}

async function deleteWorkspace(workspace) {
  const done = await confirmed({
    title: t("workspaces.deleteSpaceTitle", { name: workspace.name }),
    text: [t("workspaces.deleteText"), t("workspaces.deleteMembers")],
    typed: workspace.slug,
    button: t("workspaces.deleteWorkspace"),
    act: async () => {
      await change(DELETE, { id: workspace.id });
    },
  });
  if (!done) return;
  forgetWorkspaces();
  await go("/");
  say(t("workspaces.wasDeleted", { name: workspace.name }));
}
