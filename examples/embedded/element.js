// The page on which Spacekey's own element shows the keys: it needs a session, and says what was done.

const keys = document.querySelector("spacekey-tokens");
const status = document.querySelector("[role=status]");

/** A portal session, from the application's own server, which knows who is signed in. */
keys.getSession = async () => {
  const answer = await fetch("/keys/session", { method: "POST" });
  if (!answer.ok) throw new Error("You are not signed in any more.");
  return (await answer.json()).secret;
};
keys.addEventListener("created", ({ detail }) => {
  status.textContent = `${detail.name} was created.`;
});
keys.addEventListener("revoked", () => {
  status.textContent = "A key was revoked.";
});
