// A forgotten password: asking for a link by mail, and choosing another password with it.

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
  return { title: "Forgotten password", body: h("div", { class: "narrow" }, link ? choose(link) : ask()) };
}

function ask() {
  const back = h("p", {}, h("a", { href: "/" }, "Back to the sign-in page"));
  if (!sendsMail) {
    const command = h("code", { class: "breakable" }, "spacekey user reset-password");
    return [
      h("p", {}, "This server sends no mail. Ask its operator to set a password for you with ", command, "."),
      back,
    ];
  }
  const email = textField({
    name: "email",
    label: "E-mail address",
    hint: "An address that your account has proven. Without one, ask the operator of this server.",
    type: "email",
    required: true,
    maxlength: EMAIL_LENGTH_MAX,
    autocomplete: "email",
  });
  const place = h("div", { class: "narrow" });
  const send = async ({ email: address }) => {
    const { delayed } = await change(REQUEST, { email: address });
    place.replaceChildren(
      h("p", { role: "status" }, `If an account has proven ${address}, a link is on its way. It works for 30 minutes.`),
      ...(delayed ? [h("p", {}, "The mail server takes no mail right now. The link is sent as soon as it does.")] : []),
      h("p", {}, "If nothing comes, no account has proven this address. Then ask the operator of this server."),
      back,
    );
  };
  place.append(form({ fields: [email], submit: "Send a link", send }), back);
  return place;
}

function choose(link) {
  const send = async ({ password, again }, element) => {
    if (password !== again) return differs(element);
    const { signInName } = await change(RESET, { link, password });
    await go("/");
    say(`Your password was changed. Sign in as ${signInName}.`);
  };
  return [
    h("p", {}, "Choose a new password. You are signed out everywhere."),
    form({ fields: newPasswordFields(), submit: "Set password", send }),
  ];
}
