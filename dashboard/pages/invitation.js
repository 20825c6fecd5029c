// Accepting an invitation: with the account that is signed in, or with a new one and its password.

import { h } from "../base/dom.js";
import { takeLinkSecret } from "../base/link-secret.js";
import { NAME_LENGTH_MAX, PASSWORD_LENGTH_MIN } from "../base/limits.js";
import { go } from "../base/router.js";
import { acceptInvitation, calledBy, findPerson, who } from "../base/session.js";
import { forgetWorkspaces } from "../base/workspace.js";
import { setFieldError, textField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { say } from "../parts/notice.js";

const LENGTH = `At least ${PASSWORD_LENGTH_MIN} characters.`;
const HINT = `${LENGTH} A few unrelated words are easy to remember and hard to guess.`;

/** The page: for a reader who is signed in the code alone, else with what a new account needs. */
export async function invitationPage() {
  const person = who() ?? (await findPerson());
  const value = takeLinkSecret() ?? "";
  const code = textField({ name: "code", label: "Invitation code", value, required: true, spellcheck: "false" });
  const send = async ({ code: text, name, password, again }, element) => {
    if (!person && password !== again) return differs(element);
    const joined = await acceptInvitation(text.trim(), person ? {} : { password, name });
    forgetWorkspaces();
    if (person || joined.signInName) return go("/");
    await go("/account");
    say("The sign-in name that this invitation would give is taken. Choose one here.");
  };
  const fields = [code, ...(person ? [] : [nameField(), ...newPasswordFields()])];
  const about = person
    ? h(
        "p",
        {},
        "You join the workspace with the account you are signed in with, ",
        h("strong", {}, calledBy(person)),
        ". To join with another account, sign out first.",
      )
    : h(
        "p",
        {},
        "This makes a new account. If you have one already, ",
        h("a", { href: "/" }, "sign in"),
        " first, then choose “Accept an invitation”.",
      );
  const submit = person ? "Join the workspace" : "Create account and join";
  return { title: "Accept an invitation", body: h("div", { class: "narrow" }, about, form({ fields, submit, send })) };
}

function nameField() {
  return textField({
    name: "name",
    label: "Your name",
    hint: "Optional. Other members see it.",
    maxlength: NAME_LENGTH_MAX,
    autocomplete: "name",
  });
}

/** Two fields for a new password. */
export function newPasswordFields() {
  const facts = { type: "password", required: true, minlength: PASSWORD_LENGTH_MIN, autocomplete: "new-password" };
  return [
    textField({ name: "password", label: "New password", hint: HINT, ...facts }),
    textField({ name: "again", label: "The same again", ...facts }),
  ];
}

/** Say that the two differ. */
export function differs(element) {
  setFieldError(element, "again", "The two passwords differ.");
  element.elements.again.focus();
}
