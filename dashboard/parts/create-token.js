// The create dialog: name, expiry, description, where it belongs, scopes or a role; then the secret, once.

import { change } from "../base/api.js";
import { h } from "../base/dom.js";
import { openDialog } from "./dialog.js";
import { radioField } from "./field.js";
import { expiryField } from "./expiry.js";
import { form } from "./form.js";
import { rolePicker } from "./role-picker.js";
import { scopePicker } from "./scope-picker.js";
import { showSecret } from "./secret-dialog.js";
import { copyable } from "./shown-part.js";
import { spaceField } from "./space-field.js";
import { aboutFields } from "./token-form.js";

const CREATE = `mutation ($input: CreateTokenInput!) { answer: createToken(input: $input) {
  __typename ... on CreateTokenSuccess { secret token { id name prefix maskedToken } } ...Why } }`;

/** Why nobody can create a token here now, in words; null when one can. */
export function whyNoTokens(workspace) {
  if (workspace.suspendedAt) return "This workspace is suspended: none of its tokens are accepted.";
  if (workspace.plan === null) return "This workspace's plan is no longer offered, so nothing can be granted.";
  if (workspace.plan.maxTokens === 0) return `Tokens are not part of the ${workspace.plan.title} plan.`;
  return null;
}

/**
 * Open it. spaces: the first page to choose from; space: the one it is for, when that is fixed.
 * Resolves to the token or undefined.
 */
export async function createToken(workspace, { space = null, spaces = null } = {}) {
  const dialog = openDialog({
    title: space ? `New token for ${space.name}` : `New token for ${workspace.name}`,
    wide: true,
    content: (close) => createForm(workspace, space, spaces, close),
  });
  const answer = await dialog.closed;
  if (!answer) return undefined;
  await showSecret({
    title: `${answer.token.name} is ready`,
    secret: answer.secret,
    what: "token",
    next: usageHint(workspace, answer.token),
  });
  return answer.token;
}

function createForm(workspace, space, spaces, close) {
  const { product, policy } = workspace;
  const picker = product.tokenRoles.length ? rolePicker(workspace) : scopePicker(workspace);
  const expiry = expiryField(policy);
  return form({
    fields: [
      aboutFields(workspace, expiry.element, { hint: "Say which program uses it: one token for each." }),
      spaces ? spaceField(workspace, spaces) : null,
      product.environments.length > 1 ? environmentField(product) : null,
      picker.element,
    ],
    submit: "Create token",
    uncertain: "It may have been created: look at the list before you try again.",
    cancel: () => close(undefined),
    send: async (values) => {
      const where = space?.id ?? values.space;
      const input = {
        name: values.name,
        description: values.description,
        grants: picker.grants(),
        environment: values.environment,
        ...expiry.asked(),
        ownerId: where || workspace.id,
      };
      close(await change(CREATE, input));
    },
  });
}

function environmentField(product) {
  const hints = { live: "For production.", test: "For trying things out; refused in production." };
  const options = product.environments.map((one) => ({
    value: one,
    label: one === "live" ? "Live" : "Test",
    hint: `${hints[one]} Begins with ${product.secretPrefix}_${one}_`,
  }));
  return radioField({ name: "environment", label: "Environment", options, value: options[0].value });
}

function usageHint(workspace, token) {
  const line = `Authorization: Bearer ${copyable(workspace, token)}…`;
  return h("p", {}, "Programs send it in a header: ", h("code", {}, line));
}
