// Walks a product's pages in Firefox with the keyboard alone. What it did stands in its output, one step a line.
//
// The facts come as JSON in FLOW: { firefox, url, path, email, password, choice }. choice is the value of the scope or
// role that the new token gets.

import puppeteer from "puppeteer-core";

const facts = JSON.parse(process.env.FLOW);
const NAME = "Firefox";
const WAIT_MS = 60_000;
const TABS_MAX = 150;
const PREFIX_LENGTH = 12;
const complaints = [];

// Nothing of Firefox's own may take the focus: in a window that is not active, Enter presses no button.
const extraPrefsFirefox = {
  "browser.aboutwelcome.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "termsofuse.bypassNotification": true,
};
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: facts.firefox,
  headless: true,
  extraPrefsFirefox,
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(WAIT_MS);
  await page.setViewport({ width: 1440, height: 900 });
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await walk(page).catch(async (error) => {
    const focus = await page.evaluate(
      () => `${document.hasFocus() ? "" : "(in an inactive window) "}${document.activeElement?.outerHTML.slice(0, 300)}`,
    );
    await page.screenshot({ path: "failure.png" });
    throw new Error(`${error.message} · The focus was on ${focus} · ${complaints.join(" | ")}`, { cause: error });
  });
  if (complaints.length) throw new Error(`The page complained: ${complaints.join(" | ")}`);
  console.log(`firefox ${await browser.version()}`);
} finally {
  await browser.close();
}

async function walk(page) {
  await page.goto(facts.url + facts.path);
  await page.waitForSelector("input[name=email]");
  await tabTo(page, "input[name=email]");
  await page.keyboard.type(facts.email);
  await tabTo(page, "input[name=password]");
  await page.keyboard.type(facts.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".tokens-table");
  console.log("signed in");

  await page.keyboard.press("c");
  await tabTo(page, "dialog input[name=name]");
  await page.keyboard.type(NAME);
  await tabTo(page, `dialog input[value="${facts.choice}"]`, { radio: true });
  await page.keyboard.press(" ");
  const first = await send(page);
  await expectStatus(first, 200);
  console.log("created and copied");

  // What was copied is pasted: the search box keeps the beginning of it.
  await page.keyboard.press("/");
  await page.keyboard.down("Control");
  await page.keyboard.press("v");
  await page.keyboard.up("Control");
  const pasted = await page.$eval("main input[type=search]", (box) => box.value);
  if (pasted !== first.slice(0, PREFIX_LENGTH)) throw new Error("The clipboard doesn't hold the secret.");
  await onlyRows(page, 1);
  console.log("pasted");
  await search(page, NAME);
  await onlyRows(page, 1);
  console.log("searched");

  await choose(page, "rotate");
  const second = await send(page);
  await page.waitForFunction(() => location.pathname.startsWith("/token/"));
  await expectStatus(second, 200);
  console.log("rotated");

  await tabTo(page, "nav.sections li a[href*=token], nav.sections li a[href*=key]");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".tokens-table");
  await search(page, second.slice(0, PREFIX_LENGTH));
  await onlyRows(page, 1);
  await choose(page, "revoke");
  await page.waitForSelector("dialog [type=submit]");
  await tabTo(page, "dialog [type=submit]");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => !document.querySelector("dialog"));
  await expectStatus(second, 401);
  await page.waitForFunction(() => document.querySelector(".badge.revoked, .folded"));
  if (await page.$(".folded:not(.list-foot .folded)")) {
    await tabTo(page, ".folded");
    await page.keyboard.press("Enter");
  }
  await page.waitForSelector("tbody .badge.revoked");
  console.log("revoked");
}

/** Send the form of the open dialog, copy the secret, close, and give the secret. */
async function send(page) {
  await page.waitForSelector("dialog [type=submit]");
  await tabTo(page, "dialog [type=submit]");
  await page.keyboard.press("Enter");
  const shown = await page.waitForSelector("dialog textarea.secret");
  const secret = await shown.evaluate((one) => one.value);
  await tabTo(page, "dialog .secret-row button");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /✓/.test(document.querySelector("dialog .secret-row button").textContent));
  await tabTo(page, "dialog > * .actions:last-child button, dialog .actions button");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => !document.querySelector("dialog"));
  return secret;
}

async function search(page, text) {
  await page.keyboard.press("/");
  await page.keyboard.down("Control");
  await page.keyboard.press("a");
  await page.keyboard.up("Control");
  await page.keyboard.type(text);
}

async function onlyRows(page, count) {
  const are = (wanted) => document.querySelectorAll(".tokens-table tbody tr").length === wanted;
  await page.waitForFunction(are, {}, count);
  await page.waitForFunction(() => !document.querySelector(".results[aria-busy]"));
}

/** Choose an action of the first row, from its menu. */
async function choose(page, action) {
  await tabTo(page, ".tokens-table tbody tr [aria-haspopup=menu]");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=menu] [role=menuitem]");
  const label = { rotate: "Rotate", revoke: "Revoke" }[action];
  for (let step = 0; step < 10; step += 1) {
    if (await page.evaluate((text) => document.activeElement.textContent === text, label)) break;
    await page.keyboard.press("ArrowDown");
  }
  if (!(await page.evaluate((text) => document.activeElement.textContent === text, label))) {
    throw new Error(`The menu has no ${label}.`);
  }
  await page.keyboard.press("Enter");
}

/** Press Tab until an element has the focus. In a group of radio buttons only one is reached; arrows do the rest. */
async function tabTo(page, selector, { radio = false } = {}) {
  await page.waitForSelector(selector);
  await activate(page);
  const has = () => page.evaluate((wanted) => document.activeElement?.matches(wanted), selector);
  for (let step = 0; step < TABS_MAX; step += 1) {
    if (await has()) return;
    const sibling =
      radio &&
      (await page.evaluate((wanted) => {
        const { activeElement: present } = document;
        return present?.type === "radio" && present.name === document.querySelector(wanted).name;
      }, selector));
    await page.keyboard.press(sibling ? "ArrowDown" : "Tab");
  }
  throw new Error(`Tab never reached ${selector}.`);
}

/** See that the window is active: in one that is not, Enter presses no button. On a busy machine it may lose that. */
async function activate(page) {
  const isActive = () => page.evaluate(() => document.hasFocus());
  for (let attempt = 0; attempt < 5; attempt += 1) {
    if (await isActive()) return;
    const other = await browser.newPage();
    await other.bringToFront();
    await other.close();
    await page.bringToFront();
  }
  if (!(await isActive())) throw new Error("INACTIVE WINDOW");
}

async function expectStatus(secret, wanted) {
  const answer = await fetch(`${facts.url}/api/v1/self`, { headers: { Authorization: `Bearer ${secret}` } });
  if (answer.status !== wanted) throw new Error(`The API answered ${answer.status}, not ${wanted}.`);
}
