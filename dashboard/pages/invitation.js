// Accepting an invitation: with its code, and for somebody new with a first password.

import { h } from "../base/dom.js";
import { PASSWORD_LENGTH_MIN } from "../base/limits.js";
import { go } from "../base/router.js";
import { acceptInvitation, findPerson, who } from "../base/session.js";
import { setFieldError, textField } from "../parts/field.js";
import { form } from "../parts/form.js";

const LENGTH = `At least ${PASSWORD_LENGTH_MIN} characters.`;
const HINT = `${LENGTH} A few unrelated words are easy to remember and hard to guess.`;

/** The page: for somebody who is signed in the code alone, else with the first password. */
export async function invitationPage() {
  const person = who() ?? (await findPerson());
  const code = textField({ name: "code", label: "Invitation code", required: true, spellcheck: "false" });
  const send = async ({ code: text, password, again }, element) => {
    if (!person && password !== again) return differs(element);
    await acceptInvitation(text.trim(), person ? null : password);
    await go("/");
  };
  const fields = [code, ...(person ? [] : newPasswordFields())];
  const about = person
    ? h("p", {}, "You join the workspace as ", h("strong", {}, person.email), ".")
    : h(
        "p",
        {},
        "You have an account already? ",
        h("a", { href: "/" }, "Sign in"),
        " first, then choose “Accept an invitation”.",
      );
  const submit = person ? "Join the workspace" : "Set password and sign in";
  const title = person ? "Accept an invitation" : "Set your password";
  return { title, body: h("div", { class: "narrow" }, form({ fields, submit, send }), about) };
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
