{
  const url = {{ connections_url|tojson }};
  const connecting = document.getElementById("connecting");
  const fields = connecting.elements;
  const said = document.getElementById("connecting-said");
  const removing = document.getElementById("removing");
  const list = document.getElementById("connection-list");
  let changed = null;

  const tell = (place, state, words) => {
    place.dataset.state = state;
    place.textContent = words;
  };

  // What the app answers; null where it has refused, which is told then.
  async function ask(path, given, place) {
    try {
      const answer = await fetch(url + path + location.search, {method: "POST", headers, body: JSON.stringify(given)});
      const told = answer.ok ? await answer.json() : {error: answer.status === 403 ? texts.page_too_old : texts.lost};
      if (!told.error) return told;
      tell(place, "failed", told.error);
    } catch (error) {
      tell(place, "failed", texts.lost);
    }
    return null;
  }

  function shown(connections) {
    list.replaceChildren(...connections.map(item));
    list.hidden = !connections.length;
    document.getElementById("no-connection").hidden = connections.length > 0;
  }

  function item(connection) {
    const made = document.getElementById("a-connection").content.firstElementChild.cloneNode(true);
    const place = made.querySelector(".said");
    made.dataset.connection = connection.system + " " + connection.name;
    made.querySelector(".name").textContent = connection.name;
    made.querySelector(".kind").textContent = connection.system_name;
    made.querySelector(".about").textContent = connection.base_url;
    for (const button of made.querySelectorAll("button")) {
      button.setAttribute("aria-label", `${button.textContent}: ${connection.name} (${connection.system_name})`);
      button.hidden = !connection.known && button.dataset.deed !== "remove";
      button.addEventListener("click", () => deeds[button.dataset.deed](connection, place, button));
    }
    return made;
  }

  const deeds = {
    async check({system, name}, place, button) {
      button.disabled = true;
      tell(place, "running", texts.checking);
      const answer = await ask("/check", {system, name}, place);
      if (answer) tell(place, "done", `${texts.works} ${answer.told}`);
      button.disabled = false;
      button.focus();
    },
    change(connection) {
      begin(connection);
      fields.secret.focus();
    },
    remove({system, name}, place, button) {
      removing.querySelector("strong").textContent = name;
      removing.returnValue = "";
      removing.onclose = async () => {
        button.focus();
        if (removing.returnValue !== "yes") return;
        const answer = await ask("/remove", {system, name}, place);
        if (!answer) return;
        if (changed && changed.system === system && changed.name === name) begin(null);
        shown(answer.connections);
        tell(said, "done", texts.removed);
        (list.querySelector("button:not([hidden])") || fields.name).focus();
      };
      removing.showModal();
      removing.querySelector("[value=no]").focus();
    },
  };
  for (const button of removing.querySelectorAll("button")) button.addEventListener("click", () => removing.close(button.value));

  // The form adds a connection, or changes this one.
  function begin(connection) {
    changed = connection;
    connecting.reset();
    if (connection) for (const name of ["system", "name", "base_url"]) fields[name].value = connection[name];
    fields.system.disabled = fields.name.disabled = connection !== null;
    document.getElementById("not-changing").hidden = connection === null;
    document.getElementById("connecting-title").textContent = connection ? texts.change_connection : texts.add_connection;
    tell(said, "", "");
    named();
  }

  function named() {
    const system = fields.system.selectedOptions[0].dataset;
    document.getElementById("secret-name").textContent = system.secret;
    fields.base_url.placeholder = system.baseUrl || "https://";
  }

  fields.system.addEventListener("change", named);
  document.getElementById("not-changing").addEventListener("click", () => {
    begin(null);
    fields.name.focus();
  });
  connecting.addEventListener("submit", async (event) => {
    event.preventDefault();
    const submit = connecting.querySelector("[type=submit]");
    const given = {replace: changed !== null, check: fields.check.checked};
    for (const name of ["system", "name", "base_url", "secret"]) given[name] = fields[name].value;
    submit.disabled = true;
    tell(said, "running", given.check ? texts.checking : texts.storing);
    const answer = await ask("", given, said);
    submit.disabled = false;
    if (!answer) return submit.focus();
    begin(null);
    shown(answer.connections);
    tell(said, "done", answer.told ? `${texts.stored} ${texts.works} ${answer.told}` : texts.stored);
    fields.name.focus();
  });
  shown({{ connected.connections|tojson }});
  if (fields.system.options.length) begin(null);
  else connecting.hidden = true;
}
