// Rotation: a new token with the same grants, and how long the old one stays good.

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
  const dialog = openDialog({ title: `Rotate ${token.name}`, content: (close) => rotateForm(token, close) });
  const answer = await dialog.closed;
  if (!answer) return false;
  const next = h("p", {}, "Switch your programs to it, check that it is used, and let the old one end.");
  await showSecret({ title: `The new ${answer.token.name} is ready`, secret: answer.secret, what: "token", next });
  await go(`/token/${answer.token.id}`);
  return false;
}

function rotateForm(token, close) {
  const options = GRACES.map((one) => [String(one), one === 0 ? "Ends at once" : `Stays good for ${spanText(one)}`]);
  return [
    h("p", {}, "You get a new token with the same name and grants. Both work until the old one ends."),
    form({
      fields: [
        selectField({ name: "graceSeconds", label: "The old token", options, value: "86400" }),
        checkField({
          name: "retireOnFirstUse",
          label: "End the old token as soon as the new one is used",
          hint: "For programs that run in one place only.",
        }),
      ],
      submit: "Rotate token",
      uncertain: "It may have been rotated: look at the token's page before you try again.",
      cancel: () => close(undefined),
      send: async ({ graceSeconds, retireOnFirstUse }) => {
        close(await change(ROTATE, { id: token.id, graceSeconds: Number(graceSeconds), retireOnFirstUse }));
      },
    }),
  ];
}
