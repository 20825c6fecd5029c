// A forgotten password: asking for a link by mail, and choosing another password with it.

import { parts, t } from "../base/texts.js";
import { change } from "../base/api.js";
import { h } from "../base/dom.js";
import { EMAIL_LENGTH_MAX } from "../base/limits.js";
import { go } from "../base/router.js";
import { takeLinkSecret } from "../base/link-secret.js";
import { sendsMail } from "../base/sign-in-ways.js";
import { textField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { say } from "../parts/notice.js";
import { differs, newPasswordFields } from "./invitation.js";

const REQUEST = `mutation ($input: RequestPasswordResetInput!) { answer: requestPasswordReset(input: $input) {
  __typename ... on RequestPasswordResetSuccess { delayed } ...Why } }`;
const RESET = `mutation ($input: ResetPasswordInput!) { answer: resetPassword(input: $input) {
  __typename ... on ResetPasswordSuccess { signInName } ...Why } }`;

/** The page: with a link the new password, else what to do to get one. */
export function passwordPage() {
  const link = takeLinkSecret();
  return { title: t("people.resetTitle"), body: h("div", { class: "narrow" }, link ? choose(link) : ask()) };
}

function ask() {
  const back = h("p", {}, h("a", { href: "/" }, t("people.backToSignIn")));
  if (!sendsMail) {
    const command = h("code", { class: "breakable" }, "spacekey user reset-password");
    return [h("p", {}, parts("people.resetNoMail", { command })), back];
  }
  const email = textField({
    name: "email",
    label: t("people.email"),
    hint: t("people.resetHint"),
    type: "email",
    required: true,
    maxlength: EMAIL_LENGTH_MAX,
    autocomplete: "email",
  });
  const place = h("div", { class: "narrow" });
  const send = async ({ email: address }) => {
    const { delayed } = await change(REQUEST, { email: address });
    place.replaceChildren(
      h("p", { role: "status" }, t("people.resetSent", { address })),
      ...(delayed ? [h("p", {}, t("people.mailDelayed"))] : []),
      h("p", {}, t("people.resetNothing")),
      back,
    );
  };
  place.append(form({ fields: [email], submit: t("people.sendALink"), send }), back);
  return place;
}

function choose(link) {
  const send = async ({ password, again }, element) => {
    if (password !== again) return differs(element);
    const { signInName } = await change(RESET, { link, password });
    await go("/");
    say(t("people.resetDone", { signInName }));
  };
  return [
    h("p", {}, t("people.resetAbout")),
    form({ fields: newPasswordFields(), submit: t("people.setPassword"), send }),
  ];
}
