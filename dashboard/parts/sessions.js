// The reader's own sessions: where they are signed in, and signing out there.

import { t } from "../base/texts.js";
import { ask, change } from "../base/api.js";
import { browserName } from "../base/browser-name.js";
import { h } from "../base/dom.js";
import { render } from "../base/router.js";
import { ago } from "../base/time.js";
import { confirmed } from "./confirm.js";
import { say } from "./notice.js";
import { table } from "./table.js";

const LIST = "{ sessions { id createdAt lastSeenAt endsAt ip userAgent isCurrent } }";
const END = `mutation ($input: EndSessionInput!) { answer: endSession(input: $input) {
  __typename ... on EndSessionSuccess { endedSessionId } ...Why } }`;
const END_OTHERS = "mutation { answer: endOtherSessions { __typename ... on EndOtherSessionsSuccess { endedCount } } }";

/** The section of the account page. */
export async function sessionsSection() {
  const { sessions } = await ask(LIST);
  const columns = [
    {
      title: t("people.browser"),
      cell: (one) => h("span", { title: one.userAgent }, browserName(one.userAgent ?? "")),
    },
    { title: t("people.from"), cell: (one) => one.ip || "–" },
    { title: t("people.signedIn"), cell: (one) => ago(one.createdAt) },
    { title: t("people.lastSeen"), cell: (one) => ago(one.lastSeenAt) },
    { title: t("people.endsUnlessUsed"), cell: (one) => ago(one.endsAt) },
    { title: t("people.actions"), class: "narrow-cell", cell: action },
  ];
  const others = sessions.filter((one) => !one.isCurrent);
  const text = t("people.sessionsAbout");
  const all = others.length
    ? h("p", {}, h("button", { type: "button", class: "danger-text", onclick: endOthers }, t("people.endAllOthers")))
    : null;
  return h(
    "section",
    {},
    h("h2", {}, t("people.yourSessions")),
    h("p", {}, text),
    table({ caption: t("people.yourSessions"), columns, rows: sessions }),
    all,
  );
}

function action(one) {
  if (one.isCurrent) return h("span", { class: "badge" }, t("people.thisSession"));
  const name = browserName(one.userAgent ?? "");
  return h(
    "button",
    {
      type: "button",
      class: "small",
      "aria-label": one.ip
        ? t("people.endTheSessionOfFrom", { name, ip: one.ip })
        : t("people.endTheSessionOfUnknown", { name }),
      onclick: () => end(one, name),
    },
    t("people.endSessionButton"),
  );
}

async function end(session, name) {
  const done = await confirmed({
    title: t("people.endTheSessionOf", { name }),
    text: t("people.endSessionText"),
    button: t("people.endSession"),
    act: async () => {
      await change(END, { id: session.id });
      say(t("people.sessionWasEnded"));
    },
  });
  if (done) await render();
}

async function endOthers() {
  const done = await confirmed({
    title: t("people.endAllOtherSessions"),
    text: t("people.endOthersText"),
    button: t("people.endOthersSubmit"),
    act: async () => {
      const { answer } = await ask(END_OTHERS);
      say(
        answer.endedCount === 1
          ? t("people.sessionsEndedOne")
          : t("people.sessionsEnded", { endedCount: answer.endedCount }),
      );
    },
  });
  if (done) await render();
}
