// The first password, with the code of an invitation.

import { h } from "../base/dom.js";
import { go } from "../base/router.js";
import { acceptInvitation } from "../base/session.js";
import { setFieldError, textField } from "../parts/field.js";
import { form } from "../parts/form.js";

const HINT = "At least 15 characters. A few unrelated words are easy to remember and hard to guess.";

/** The page. */
export async function invitationPage() {
  const fields = [
    textField({ name: "code", label: "Invitation code", required: true, spellcheck: "false" }),
    ...newPasswordFields(),
  ];
  const send = async ({ code, password, again }, element) => {
    if (password !== again) return differs(element);
    await acceptInvitation(code.trim(), password);
    await go("/");
  };
  const back = h("p", {}, "You have a password already? ", h("a", { href: "/" }, "Sign in"));
  return { title: "Set your password", body: h("div", { class: "narrow" }, form({ fields, submit: "Set password and sign in", send }), back) };
}

/** Two fields for a new password. */
export function newPasswordFields() {
  const facts = { type: "password", required: true, minlength: 15, autocomplete: "new-password" };
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
