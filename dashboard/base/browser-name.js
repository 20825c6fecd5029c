// What a browser calls itself, in the words people know it by.

import { t } from "./texts.js";

const BROWSERS = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
];
const SYSTEMS = [
  ["Android", "Android"],
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Windows", "Windows"],
  ["Mac OS X", "Mac"],
  ["Linux", "Linux"],
];

/** "Firefox on Windows"; what is not known is shown as it was sent, cut short. */
export function browserName(agent) {
  const of = (known) => known.find(([sign]) => agent.includes(sign))?.[1];
  const [browser, system] = [of(BROWSERS), of(SYSTEMS)];
  if (!browser) return agent.slice(0, 40) || t("people.unknownBrowser");
  return system ? t("people.browserOn", { browser, system }) : browser;
}
