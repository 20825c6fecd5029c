// Rotation: a new token with the same grants, and how long the old one stays good.

import { t } from "../base/texts.js";
import { change } from "../base/api.js";
import { h } from "../base/dom.js";
import { go } from "../base/router.js";
import { spanText } from "../base/time.js";
import { openDialog } from "./dialog.js";
import { checkField, selectField } from "./field.js";
import { form } from "./form.js";
import { showSecret } from "./secret-dialog.js";

const GRACES = [0, 3600, 86_400, 3 * 86_400, 7 * 86_400];
const ROTATE = `mutation ($input: RotateTokenInput!) { answer: rotateToken(input: $input) {
  __typename ... on RotateTokenSuccess { secret token { id name prefix } } ...Why } }`;

/** Open the dialog, show the new secret once, then the new token's page. Resolves to false: the page was left. */
export async function rotateToken(workspace, token) {
  const dialog = openDialog({
    title: t("tokens.rotateTitle", { name: token.name }),
    content: (close) => rotateForm(token, close),
  });
  const answer = await dialog.closed;
  if (!answer) return false;
  const next = h("p", {}, t("tokens.rotatedNext"));
  await showSecret({
    title: t("tokens.rotated", { name: answer.token.name }),
    secret: answer.secret,
    what: workspace.product.presentation.token,
    next,
    workspace,
  });
  await go(`/token/${answer.token.id}`);
  return false;
}

function rotateForm(token, close) {
  const options = GRACES.map((one) => [
    String(one),
    one === 0 ? t("tokens.graceNone") : t("tokens.graceFor", { time: spanText(one) }),
  ]);
  return [
    h("p", {}, t("tokens.rotateAbout")),
    form({
      fields: [
        selectField({ name: "graceSeconds", label: t("tokens.oldLabel"), options, value: "86400" }),
        checkField({
          name: "retireOnFirstUse",
          label: t("tokens.retire"),
          hint: t("tokens.retireHint"),
        }),
      ],
      submit: t("tokens.rotateSubmit"),
      uncertain: t("tokens.maybeRotated"),
      cancel: () => close(undefined),
      send: async ({ graceSeconds, retireOnFirstUse }) => {
        close(await change(ROTATE, { id: token.id, graceSeconds: Number(graceSeconds), retireOnFirstUse }));
      },
    }),
  ];
}
