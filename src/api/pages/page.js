const form = document.querySelector("form");
const said = document.getElementById("said");
const token = new URLSearchParams(location.search).get("token") ?? "";
// The token is worth a password: out of the address bar and the history with it.
history.replaceState(null, "", location.pathname);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  said.className = "";
  said.textContent = "…";
  try {
    const answer = await fetch(form.dataset.to, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, ...Object.fromEntries(new FormData(form)) }),
    });
    if (answer.ok) {
      form.hidden = true;
      said.textContent = form.dataset.done;
      return;
    }
    const problem = await answer.json();
    const faults = (problem.errors ?? []).map((fault) => fault.detail);
    said.textContent = faults.length ? faults.join("\n") : problem.detail;
  } catch {
    said.textContent = "The server cannot be reached. Try again in a moment.";
  }
  said.className = "wrong";
  button.disabled = false;
});
