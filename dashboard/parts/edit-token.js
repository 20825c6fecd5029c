// Editing a token: what it is called, when it ends, what it is for and what it may do.

import { t } from "../base/texts.js";
import { change } from "../base/api.js";
import { openDialog } from "./dialog.js";
import { expiryField } from "./expiry.js";
import { form } from "./form.js";
import { say } from "./notice.js";
import { rolePicker } from "./role-picker.js";
import { scopePicker } from "./scope-picker.js";
import { aboutFields } from "./token-form.js";

export const UPDATE = `mutation ($input: UpdateTokenInput!) { answer: updateToken(input: $input) {
  __typename ... on UpdateTokenSuccess { effectiveAt } ...Why } }`;

/** Open the dialog. Resolves to true when something was changed. */
export async function editToken(workspace, token) {
  const dialog = openDialog({
    title: t("tokens.editTitle", { name: token.name }),
    wide: true,
    content: (close) => {
      const { grantKind, tokenRoles } = workspace.product;
      const holdsRole = grantKind === "ROLE" || (tokenRoles.length && token.role);
      const picker = holdsRole ? rolePicker(workspace, token.grants) : scopePicker(workspace, token.grants);
      const expiry = expiryField(workspace.policy, token.expiresAt);
      return form({
        beside: picker.summary,
        fields: [aboutFields(workspace, expiry.element, token), picker.element],
        submit: t("tokens.saveChanges"),
        cancel: () => close(false),
        send: async (values) => {
          await change(UPDATE, { id: token.id, ...changes(token, values, picker.grants(), expiry.asked()) });
          say(t("tokens.changed", { name: values.name }));
          close(true);
        },
      });
    },
  });
  return (await dialog.closed) === true;
}

/** Only what differs is sent, so that what another person changed meanwhile stays. */
function changes(token, values, grants, expiry) {
  const found = { ...expiry };
  if (values.name !== token.name) found.name = values.name;
  if (values.description !== (token.description ?? "")) found.description = values.description;
  if ([...grants].sort().join() !== [...token.grants].sort().join()) found.grants = grants;
  return found;
}
