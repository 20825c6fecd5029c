// What to paste after a token was created: the product's environment variable, and a first request in three languages.

import { t } from "../base/texts.js";
import { fill, freshId, h } from "../base/dom.js";
import { focused } from "../base/surroundings.js";
import { copyButton } from "./copy.js";

/** The tabs with their snippets, which hold the secret itself. They go with the dialog that shows them. */
export function snippets({ presentation }, secret) {
  const { variable, exampleUrl } = presentation;
  const url = exampleUrl || t("tokens.exampleUrl");
  const all = [
    ["curl", `curl -H "Authorization: Bearer ${secret}" \\\n  ${url}`],
    ["Python", python(variable, url)],
    ["JavaScript", script(variable, url)],
    [".env", `# ${t("tokens.dotEnv")}\n${variable}=${secret}`],
    ["Shell", `export ${variable}=${secret}\ncurl -H "Authorization: Bearer $${variable}" ${url}`],
  ];
  const panel = h("div", { class: "snippet", role: "tabpanel", id: freshId("snippet") });
  const tabs = all.map(([name], index) =>
    h(
      "button",
      { type: "button", class: "plain", role: "tab", "aria-controls": panel.id, onclick: () => show(index) },
      name,
    ),
  );
  const show = (index) => {
    const [name, text] = all[index];
    tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(at === index));
      tab.tabIndex = at === index ? 0 : -1;
    });
    const label = t("tokens.copySnippet", { name });
    const copy = copyButton({ label: t("tokens.copySecret"), class: "small", "aria-label": label, text: () => text });
    panel.setAttribute("aria-label", name);
    fill(panel, h("pre", { tabindex: "0" }, text), copy);
  };
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": t("tokens.firstRequest") }, tabs);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = (tabs.indexOf(focused()) + step + tabs.length) % tabs.length;
    show(at);
    tabs[at].focus();
  });
  show(0);
  return h("div", { class: "snippets" }, h("h3", {}, t("tokens.firstRequest")), list, panel);
}

function python(variable, url) {
  return [
    "import os, urllib.request",
    `request = urllib.request.Request("${url}")`,
    `request.add_header("Authorization", "Bearer " + os.environ["${variable}"])`,
    "print(urllib.request.urlopen(request).read().decode())",
  ].join("\n");
}

function script(variable, url) {
  return [
    `const response = await fetch("${url}", {`,
    `  headers: { Authorization: \`Bearer \${process.env.${variable}}\` },`,
    "});",
    "console.log(await response.json());",
  ].join("\n");
}
