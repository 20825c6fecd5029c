// Accepting an invitation: with the account that is signed in, or with a new one and its password.

import { parts, t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { takeLinkSecret } from "../base/link-secret.js";
import { NAME_LENGTH_MAX, PASSWORD_LENGTH_MIN } from "../base/limits.js";
import { go } from "../base/router.js";
import { acceptInvitation, calledBy, findPerson, who } from "../base/session.js";
import { forgetWorkspaces } from "../base/workspace.js";
import { setFieldError, textField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { say } from "../parts/notice.js";

/** The page: for a reader who is signed in the code alone, else with what a new account needs. */
export async function invitationPage() {
  const person = who() ?? (await findPerson());
  const value = takeLinkSecret() ?? "";
  const code = textField({
    name: "code",
    label: t("people.invitationCode"),
    value,
    required: true,
    spellcheck: "false",
  });
  const send = async ({ code: text, name, password, again }, element) => {
    if (!person && password !== again) return differs(element);
    const joined = await acceptInvitation(text.trim(), person ? {} : { password, name });
    forgetWorkspaces();
    if (person || joined.signInName) return go("/");
    await go("/account");
    say(t("people.signInNameTaken"));
  };
  const fields = [code, ...(person ? [] : [nameField(), ...newPasswordFields()])];
  const about = person
    ? h("p", {}, parts("people.joinAs", { called: h("strong", {}, calledBy(person)) }))
    : h("p", {}, parts("people.joinAnew", { link: h("a", { href: "/" }, t("people.signInLink")) }));
  const submit = person ? t("people.joinTheWorkspace") : t("people.createAccountAndJoin");
  return {
    title: t("people.acceptAnInvitation"),
    body: h("div", { class: "narrow" }, about, form({ fields, submit, send })),
  };
}

function nameField() {
  return textField({
    name: "name",
    label: t("people.yourName"),
    hint: t("people.optionalOtherMembersSeeIt"),
    maxlength: NAME_LENGTH_MAX,
    autocomplete: "name",
  });
}

/** Two fields for a new password. */
export function newPasswordFields() {
  const facts = { type: "password", required: true, minlength: PASSWORD_LENGTH_MIN, autocomplete: "new-password" };
  return [
    textField({
      name: "password",
      label: t("people.newPassword"),
      hint: t("people.newPasswordHint", { length: PASSWORD_LENGTH_MIN }),
      ...facts,
    }),
    textField({ name: "again", label: t("people.repeatPassword"), ...facts }),
  ];
}

/** Say that the two differ. */
export function differs(element) {
  setFieldError(element, "again", t("people.passwordsDiffer"));
  element.elements.again.focus();
}
