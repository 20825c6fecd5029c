// The reader's own sessions: where they are signed in, and signing out there.

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
    { title: "Browser", cell: (one) => h("span", { title: one.userAgent }, browserName(one.userAgent ?? "")) },
    { title: "From", cell: (one) => one.ip || "–" },
    { title: "Signed in", cell: (one) => ago(one.createdAt) },
    { title: "Last seen", cell: (one) => ago(one.lastSeenAt) },
    { title: "Ends unless used", cell: (one) => ago(one.endsAt) },
    { title: "Actions", class: "narrow-cell", cell: action },
  ];
  const others = sessions.filter((one) => !one.isCurrent);
  const text = "Each browser you signed in with is a session. You do not know one? End it, and change your password.";
  const all = others.length
    ? h("p", {}, h("button", { type: "button", class: "danger-text", onclick: endOthers }, "End all others"))
    : null;
  return h(
    "section",
    {},
    h("h2", {}, "Your sessions"),
    h("p", {}, text),
    table({ caption: "Your sessions", columns, rows: sessions }),
    all,
  );
}

function action(one) {
  if (one.isCurrent) return h("span", { class: "badge" }, "this session");
  const name = browserName(one.userAgent ?? "");
  return h(
    "button",
    {
      type: "button",
      class: "small",
      "aria-label": `End the session of ${name} from ${one.ip ?? "an unknown address"}`,
      onclick: () => end(one, name),
    },
    "End",
  );
}

async function end(session, name) {
  const done = await confirmed({
    title: `End the session of ${name}?`,
    text: "That browser has to sign in again. What is being typed there stays on its screen.",
    button: "End session",
    act: async () => {
      await change(END, { id: session.id });
      say("The session has ended.");
    },
  });
  if (done) await render();
}

async function endOthers() {
  const done = await confirmed({
    title: "End all other sessions?",
    text: "Every browser but this one has to sign in again.",
    button: "End them all",
    act: async () => {
      const { answer } = await ask(END_OTHERS);
      say(answer.endedCount === 1 ? "1 session has ended." : `${answer.endedCount} sessions have ended.`);
    },
  });
  if (done) await render();
}
