// The create dialog: name, expiry, description, where it belongs, scopes or a role; then the secret, once.

import { t } from "../base/texts.js";
import { change } from "../base/api.js";
import { h } from "../base/dom.js";
import { openDialog } from "./dialog.js";
import { radioField } from "./field.js";
import { expiryField } from "./expiry.js";
import { form } from "./form.js";
import { rolePicker } from "./role-picker.js";
import { scopePicker } from "./scope-picker.js";
import { showSecret } from "./secret-dialog.js";
import { spaceField } from "./space-field.js";
import { aboutFields } from "./token-form.js";

const CREATE = `mutation ($input: CreateTokenInput!) { answer: createToken(input: $input) {
  __typename ... on CreateTokenSuccess { secret token { id name prefix maskedToken } } ...Why } }`;

/** Why no token can be created here now, in words; null when one can. */
export function whyNoTokens(workspace) {
  if (workspace.suspendedAt) return t("tokens.suspended");
  if (workspace.plan === null) return t("tokens.planGone");
  if (workspace.plan.maxTokens === 0) return t("tokens.planWithout", { title: workspace.plan.title });
  return null;
}

/**
 * Open it. spaces: the first page to choose from; space: the one it is for, when that is fixed.
 * Resolves to the token or undefined.
 */
export async function createToken(workspace, { space = null, spaces = null } = {}) {
  const dialog = openDialog({
    title: space ? t("tokens.createTitle", { name: space.name }) : t("tokens.createTitle", { name: workspace.name }),
    wide: true,
    content: (close) => createForm(workspace, space, spaces, close),
  });
  const answer = await dialog.closed;
  if (!answer) return undefined;
  await showSecret({
    title: t("tokens.created", { name: answer.token.name }),
    secret: answer.secret,
    what: workspace.product.presentation.token,
    workspace,
  });
  return answer.token;
}

function createForm(workspace, space, spaces, close) {
  const { product, policy } = workspace;
  const picker = product.tokenRoles.length ? rolePicker(workspace) : scopePicker(workspace);
  const expiry = expiryField(policy);
  return form({
    beside: picker.summary,
    fields: [
      aboutFields(workspace, expiry.element, { hint: t("tokens.nameHint") }),
      spaces ? spaceField(workspace, spaces) : null,
      product.environments.length > 1 ? environmentField(product) : null,
      picker.element,
    ],
    submit: t("tokens.createSubmit"),
    uncertain: t("tokens.maybeCreated"),
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
  const hints = { live: t("tokens.environmentLive"), test: t("tokens.environmentTest") };
  const options = product.environments.map((one) => ({
    value: one,
    label: one === "live" ? t("tokens.live") : t("tokens.test"),
    hint: t("tokens.beginsWith", { value: hints[one], secretPrefix: product.secretPrefix, one }),
  }));
  return radioField({ name: "environment", label: t("tokens.environment"), options, value: options[0].value });
}
