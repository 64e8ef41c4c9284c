const texts = {{ texts|tojson }};
const headers = {Authorization: "Bearer " + {{ page_token|tojson }}};
const message = document.getElementById("message");

function show(activity) {
  const item = document.querySelector(`[data-code="${CSS.escape(activity.code)}"]`);
  const state = item.querySelector(".state");
  state.dataset.action = activity.action;
  state.textContent = texts[activity.action];
  item.querySelector(".error").textContent = activity.error;
}

function say(state, words) {
  message.dataset.state = state;
  message.textContent = words;
}

async function follow(counted, finished) {
  let silent = 0;
  for (;;) {
    try {
      const answer = await fetch({{ progress_url|tojson }} + location.search, {headers});
      if (!answer.ok) throw new Error(answer.status);
      const progress = await answer.json();
      silent = 0;
      progress.activities.forEach(show);
      counted(progress.activities.filter((activity) => !["waiting", "sending"].includes(activity.action)).length);
      if (progress.state === "running") say("running", texts.installing + " " + (progress.error || ""));
      if (progress.state === "failed") return say("failed", texts.failed + " " + (progress.error || ""));
      if (progress.state !== "running") {
        say(progress.state, progress.state === "done" ? texts.installed : texts.partly);
        return finished();
      }
    } catch (error) {
      if (++silent === 20) return say("failed", texts.lost);
    }
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}
