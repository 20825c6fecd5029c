// The reader's own account: what it is called, theme, password, sessions, signing out.

import { h } from "../base/dom.js";
import { render } from "../base/router.js";
import { EMAIL_LENGTH_MAX, NAME_LENGTH_MAX } from "../base/limits.js";
import { takeLinkSecret } from "../base/link-secret.js";
import { changePassword, proveEmail, requestEmailProof, signOut, updateAccount, who } from "../base/session.js";
import { sendsMail } from "../base/sign-in-ways.js";
import { themeSelect } from "../base/theme.js";
import { setFieldError, textField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { say } from "../parts/notice.js";
import { sessionsSection } from "../parts/sessions.js";
import { differs, newPasswordFields } from "./invitation.js";

/** The page. */
export async function accountPage() {
  const link = takeLinkSecret();
  const leave = form({ fields: [], submit: "Sign out", send: signOut });
  return {
    title: "Your account",
    body: [
      h(
        "section",
        { class: "narrow" },
        h("h2", {}, "Name and address"),
        ...standing(who()),
        proof(who(), link),
        accountForm(who()),
      ),
      h("section", {}, h("h2", {}, "Appearance"), themeSelect()),
      h(
        "section",
        { class: "narrow" },
        h("h2", {}, "Change your password"),
        h("p", {}, "All of your other sessions end with it."),
        passwordForm(),
      ),
      await sessionsSection(),
      h("section", {}, h("h2", {}, "Sign out"), h("p", {}, "Signing out ends the session in this browser."), leave),
    ],
  };
}

/** How an address that is unproven becomes proven: by the link that was mailed, or by asking for one. */
function proof({ email, emailProven }, link) {
  if (!email || emailProven) return null;
  const prove = async () => {
    await proveEmail(link);
    await render();
    say("Your e-mail address is proven.");
  };
  if (link) return form({ fields: [], submit: `Prove that ${email} is yours`, send: prove });
  if (!sendsMail) return null;
  const ask = async () => {
    const { delayed } = await requestEmailProof();
    say(
      delayed
        ? "The mail server takes no mail right now. The link is sent as soon as it does."
        : `A link is on its way to ${email}. Open it in this browser.`,
    );
  };
  return form({ fields: [], submit: "Send a link to prove it", send: ask });
}

/** What the reader signs in with, and what their address is worth. */
function standing({ id, email, emailProven, signInName }) {
  const signIn = signInName
    ? ["You sign in as ", h("strong", { class: "breakable" }, signInName), ", or by the id of your account, "]
    : ["You have no sign-in name: choose one below. Until then you sign in by the id of your account, "];
  const proven = !email
    ? "Your account has no e-mail address."
    : emailProven
      ? "Your e-mail address is proven: this server knows that it is yours."
      : "Your e-mail address is unproven: members see it with that mark, and it gives you nothing. " +
        (sendsMail ? "A link by mail proves it." : "The operator of this server can prove it.");
  return [h("p", {}, ...signIn, h("code", { class: "breakable" }, id), "."), h("p", {}, proven)];
}

function accountForm({ name, email, signInName }) {
  const fields = [
    textField({ name: "name", label: "Name", value: name, required: true, maxlength: NAME_LENGTH_MAX }),
    textField({
      name: "email",
      label: "E-mail address",
      hint: "Another address is unproven at first.",
      type: "email",
      value: email ?? "",
      maxlength: EMAIL_LENGTH_MAX,
      autocomplete: "email",
    }),
    textField({
      name: "signInName",
      label: "Sign-in name",
      hint: "Unique on this server. Your address, or another name of up to 14 characters.",
      value: signInName ?? "",
      required: true,
      maxlength: EMAIL_LENGTH_MAX,
      autocomplete: "username",
      spellcheck: "false",
    }),
  ];
  return form({
    fields,
    submit: "Save",
    send: async (values) => {
      const before = { name, email: email ?? "", signInName: signInName ?? "" };
      const changed = Object.entries(values).filter(([field, value]) => value !== before[field]);
      await updateAccount(Object.fromEntries(changed.map(([field, value]) => [field, value || null])));
      await render();
      say("Your account was changed.");
    },
  });
}

function passwordForm() {
  const current = textField({
    name: "current",
    label: "Present password",
    type: "password",
    required: true,
    autocomplete: "current-password",
  });
  return form({
    fields: [current, ...newPasswordFields()],
    submit: "Change password",
    send: async ({ current: old, password, again }, element) => {
      if (password !== again) return differs(element);
      try {
        await changePassword(old, password);
      } catch (error) {
        for (const one of error.facts?.errors ?? []) if (one.path[0] === "new") one.path[0] = "password";
        if (error.facts?.__typename !== "SignInFailed") throw error;
        setFieldError(element, "current", "This is not your present password.");
        element.elements.current.focus();
        return;
      }
      await render();
      say("Your password was changed. All other sessions have ended.");
    },
  });
}
