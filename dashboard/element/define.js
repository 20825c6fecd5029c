// Defines <spacekey-tokens>. The server puts two things in front of this text: STYLES, and instance(), which runs the
// dashboard's modules and gives their start. Each element runs its own, so that two on one page share nothing.

const SERVER = new URL("..", import.meta.url);
const SHEET = new CSSStyleSheet();
SHEET.replaceSync(STYLES);

class SpacekeyTokens extends HTMLElement {
  static observedAttributes = ["session", "server", "space"];

  #session = null;
  #getSession = null;
  #running = null;
  #planned = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [SHEET];
    // What was set before this module had come.
    for (const name of ["session", "getSession"]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
  }

  /** A portal session's secret. It reads as null: the element gives it to its server and to nothing else. */
  get session() {
    return null;
  }

  set session(secret) {
    this.#session = secret || null;
    if (this.#running) this.#running.setSession(this.#session);
    else this.#plan();
  }

  /** A function that resolves to a session's secret: asked for the first one, and for another when one has ended. */
  get getSession() {
    return this.#getSession;
  }

  set getSession(ask) {
    if (ask !== null && typeof ask !== "function") throw new TypeError("getSession: expected a function or null");
    this.#getSession = ask;
    if (this.#running) this.#running.begin();
    else this.#plan();
  }

  connectedCallback() {
    this.#plan();
  }

  /** Moved without leaving the page: everything stays. */
  connectedMoveCallback() {}

  disconnectedCallback() {
    // Frameworks take an element out and put it in again at once.
    queueMicrotask(() => this.isConnected || this.#stop());
  }

  attributeChangedCallback(name, before, now) {
    if (name !== "session") {
      if (this.#running && before !== now) this.#restart();
      return;
    }
    if (now === null) return;
    this.session = now;
    // Scripts that copy the page, for support or for tests, must not find it.
    this.removeAttribute("session");
  }

  /** Start once everything is there that is set in the same moment. */
  #plan() {
    if (this.#planned || this.#running || !this.isConnected) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      if (this.isConnected && !this.#running) this.#start();
    });
  }

  #start() {
    this.#running = instance().startElement({
      host: this,
      root: this.shadowRoot,
      server: new URL(this.getAttribute("server") || SERVER, document.baseURI),
      space: this.getAttribute("space"),
      session: this.#session,
      getSession: () => this.#getSession,
    });
  }

  #stop() {
    this.#running?.stop();
    this.#running = null;
  }

  #restart() {
    this.#stop();
    this.#plan();
  }
}

if (!customElements.get("spacekey-tokens")) customElements.define("spacekey-tokens", SpacekeyTokens);
