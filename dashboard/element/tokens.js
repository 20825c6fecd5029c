// What <spacekey-tokens> shows: the tokens of a portal session, in a page of a host's.

import { t } from "../base/texts.js";
import { ApiError, ask, connect, whenChanged, whenSignedOut } from "../base/api.js";
import { fill, h } from "../base/dom.js";
import { render, startAlone } from "../base/router.js";
import { standIn } from "../base/surroundings.js";
import { WORKSPACE } from "../base/questions.js";
import { forgetWorkspaces, keepWorkspace } from "../base/workspace.js";
import { errorBox } from "../parts/alert.js";
import { closeDialogs } from "../parts/dialog.js";
import { closeMenu } from "../parts/menu.js";
import { noticeRegion } from "../parts/notice.js";
import { tokensView } from "../parts/token-list.js";
import { elementSession } from "./session.js";

const OF_SESSION = `query { workspaces(first: 1) { nodes { ...Workspace } } } ${WORKSPACE}`;
const OF_SPACE = `query ($id: ID!) { space(id: $id) { id name slug workspace { ...Workspace } } } ${WORKSPACE}`;
const EVENTS = {
  createToken: "created",
  rotateToken: "rotated",
  updateToken: "updated",
  disableToken: "disabled",
  enableToken: "enabled",
  revokeToken: "revoked",
  deleteToken: "deleted",
};
const ENDED = "session-ended";

/**
 * Show the tokens in a shadow root. host: the element, which events are dispatched on; server: its URL; space: the id
 * of the space to show alone, or null; session: a secret or null; getSession(): the host's function for another, or
 * null. Gives { begin(), setSession(secret), stop() }; begin() is called once getSession() may give something.
 */
export function startElement({ host, root, server, space, session, getSession }) {
  standIn(root);
  const body = h("div", { class: "element" }, h("p", { class: "quiet", role: "status" }, t("tokens.loading")));
  root.replaceChildren(body, noticeRegion());
  const tell = (type, detail, cancelable = false) =>
    !host.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true, cancelable }));
  const state = elementSession({ secret: session, getSession, announceEnd: () => tell(ENDED, null, true) });
  const query = new URLSearchParams();

  connect(new URL("graphql", server.href.replace(/\/*$/, "/")).href, state.headers);
  whenSignedOut(state.renew);
  whenChanged((name, input, answer) => {
    for (const [type, detail] of happened(name, input, answer)) tell(type, detail);
  });
  const show = async () => {
    body.setAttribute("aria-busy", "true");
    try {
      draw(body, await tokensView({ ...(await placeOf(space)), query }));
    } catch (error) {
      fill(body, errorBox(error, h("button", { type: "button", onclick: render }, t("tokens.tryAgain"))));
    } finally {
      body.removeAttribute("aria-busy");
    }
  };
  let begun = false;
  const begin = () => {
    if (begun || (state.headers() === null && !getSession())) return;
    begun = true;
    startAlone(show);
  };
  begin();

  return {
    begin,
    setSession: (secret) => {
      const afresh = state.isOver() || state.headers() === null;
      state.set(secret);
      if (secret === null) closeDialogs();
      if (afresh || secret === null) {
        forgetWorkspaces();
        begun = true;
        startAlone(show);
      }
    },
    stop: () => {
      closeMenu();
      closeDialogs();
      root.replaceChildren();
    },
  };
}

/** What a change is called in events, and what of it is told: never a secret. */
function happened(name, input, { token }) {
  const one = EVENTS[name];
  if (one) return [[one, token ? { id: token.id, name: token.name } : { id: input.id }]];
  const many = EVENTS[name.replace(/s$/, "")];
  return many ? input.ids.map((id) => [many, { id }]) : [];
}

function draw(body, { actions = [], body: content }) {
  fill(body, h("div", { class: "actions element-actions" }, actions), content);
}

/** The workspace of the session, or the space that the page named in it. */
async function placeOf(space) {
  try {
    if (space === null) {
      const { nodes } = (await ask(OF_SESSION)).workspaces;
      return { workspace: ownScopes(nodes[0]), space: null };
    }
    const found = (await ask(OF_SPACE, { id: space })).space;
    if (!found?.workspace) throw new ApiError("broken", t("tokens.elementNoSpace"));
    return { workspace: ownScopes(found.workspace), space: found };
  } catch (error) {
    if (error.kind !== "forbidden") throw error;
    const scopes = space === null ? "workspace:read" : "workspace:read and spaces:read";
    throw new ApiError("broken", t("tokens.elementNeeds", { scopes }));
  }
}

/** Keys that are made in a page of a host's are for the product's API and not for Spacekey's. */
function ownScopes(workspace) {
  const scopes = workspace.product.scopes.filter((one) => !one.management);
  return keepWorkspace({ ...workspace, product: { ...workspace.product, scopes } });
}
