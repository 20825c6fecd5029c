// The reader's own account: what it is called, theme, password, sessions, signing out.

import { parts, t } from "../base/texts.js";
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
  const leave = form({ fields: [], submit: t("people.signOut"), send: signOut });
  return {
    title: t("people.yourAccount"),
    body: [
      h(
        "section",
        { class: "narrow" },
        h("h2", {}, t("people.nameAndEmail")),
        ...standing(who()),
        proof(who(), link),
        accountForm(who()),
      ),
      h("section", {}, h("h2", {}, t("people.appearance")), themeSelect()),
      h(
        "section",
        { class: "narrow" },
        h("h2", {}, t("people.changeYourPassword")),
        h("p", {}, t("people.passwordEndsSessions")),
        passwordForm(),
      ),
      await sessionsSection(),
      h("section", {}, h("h2", {}, t("people.signOut")), h("p", {}, t("people.signOutText")), leave),
    ],
  };
}

/** How an address that is unproven becomes proven: by the link that was mailed, or by asking for one. */
function proof({ email, emailProven }, link) {
  if (!email || emailProven) return null;
  const prove = async () => {
    await proveEmail(link);
    await render();
    say(t("people.addressProvenNow"));
  };
  if (link) return form({ fields: [], submit: t("people.proveYours", { email }), send: prove });
  if (!sendsMail) return null;
  const ask = async () => {
    const { delayed } = await requestEmailProof();
    say(delayed ? t("people.mailDelayed") : t("people.proofSent", { email }));
  };
  return form({ fields: [], submit: t("people.sendProof"), send: ask });
}

/** What the reader signs in with, and what their address is worth. */
function standing({ id, email, emailProven, signInName }) {
  const account = h("code", { class: "breakable" }, id);
  const name = h("strong", { class: "breakable" }, signInName);
  const signIn = signInName
    ? parts("people.youSignInAs", { name, id: account })
    : parts("people.noSignInName", { id: account });
  const proven = !email
    ? t("people.noAddress")
    : emailProven
      ? t("people.addressProven")
      : sendsMail
        ? t("people.unprovenByMail")
        : t("people.unprovenByOperator");
  return [h("p", {}, signIn), h("p", {}, proven)];
}

function accountForm({ name, email, signInName }) {
  const fields = [
    textField({ name: "name", label: t("people.name"), value: name, required: true, maxlength: NAME_LENGTH_MAX }),
    textField({
      name: "email",
      label: t("people.email"),
      hint: t("people.emailHint"),
      type: "email",
      value: email ?? "",
      maxlength: EMAIL_LENGTH_MAX,
      autocomplete: "email",
    }),
    textField({
      name: "signInName",
      label: t("people.signInName"),
      hint: t("people.signInNameHint"),
      value: signInName ?? "",
      required: true,
      maxlength: EMAIL_LENGTH_MAX,
      autocomplete: "username",
      spellcheck: "false",
    }),
  ];
  return form({
    fields,
    submit: t("people.save"),
    send: async (values) => {
      const before = { name, email: email ?? "", signInName: signInName ?? "" };
      const changed = Object.entries(values).filter(([field, value]) => value !== before[field]);
      await updateAccount(Object.fromEntries(changed.map(([field, value]) => [field, value || null])));
      await render();
      say(t("people.yourAccountWasChanged"));
    },
  });
}

function passwordForm() {
  const current = textField({
    name: "current",
    label: t("people.currentPassword"),
    type: "password",
    required: true,
    autocomplete: "current-password",
  });
  return form({
    fields: [userNameFor(who()), current, ...newPasswordFields()],
    submit: t("people.changePassword"),
    send: async ({ current: old, password, again }, element) => {
      if (password !== again) return differs(element);
      try {
        await changePassword(old, password);
      } catch (error) {
        for (const one of error.facts?.errors ?? []) if (one.path[0] === "new") one.path[0] = "password";
        if (error.facts?.__typename !== "SignInFailed") throw error;
        setFieldError(element, "current", t("people.wrongPassword"));
        element.elements.current.focus();
        return;
      }
      await render();
      say(t("people.passwordChanged"));
    },
  });
}

/** For password managers, which ask whose password it is. People see it above. */
function userNameFor({ id, signInName }) {
  return h("input", {
    type: "text",
    name: "username",
    autocomplete: "username",
    value: signInName ?? id,
    readonly: true,
    tabindex: "-1",
    "aria-hidden": "true",
    class: "unseen",
  });
}
