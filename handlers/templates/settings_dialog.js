const texts = {{ texts|tojson }};

const ready = new Promise((resolve) => window.BX24 && BX24.init(resolve));

// PROTOCOL.md section 9: the portal never calls the callback of setPropertyValue, so nobody waits for it.
function setValue(name, value) {
  ready.then(() => BX24.placement.call("setPropertyValue", {[name]: value}, () => {}));
}

function isOther(row) {
  return row.querySelector("select")?.selectedOptions[0]?.hasAttribute("data-other") ?? true;
}

function controlOf(row) {
  return isOther(row) ? row.querySelector(".typed") : row.querySelector("select");
}

function rowsOf(field) {
  return [...field.querySelectorAll(".rows > .row")];
}

function say(field, words) {
  const error = field.querySelector("[role=alert]");
  if (error.textContent !== words) error.textContent = words;
}

// Marks what is wrong, and tells whether nothing is. consequence: what the person is told with it.
function check(field, consequence) {
  const rows = rowsOf(field);
  let words = "";
  rows.forEach((row, index) => {
    const control = controlOf(row);
    const wrong = control.value.trim() && control.matches(".typed") ? fault(field.dataset.type, control.value) : "";
    row.querySelectorAll("select, .typed").forEach((each) => each.removeAttribute("aria-invalid"));
    if (!wrong) return;
    control.setAttribute("aria-invalid", "true");
    words ||= "multiple" in field.dataset ? `${index + 1}: ${wrong}` : wrong;
  });
  if (!words && "needed" in field.dataset && rows.every((row) => !controlOf(row).value.trim())) {
    rows.forEach((row) => controlOf(row).setAttribute("aria-invalid", "true"));
    words = texts.needed;
  }
  say(field, words && `${words} ${consequence}`);
  return !words;
}

function changed(field) {
  if (!check(field, texts.kept)) return;
  const values = rowsOf(field).map((row) => controlOf(row).value);
  setValue(field.dataset.property, "multiple" in field.dataset ? values.filter((each) => each.trim()) : values[0]);
}

function number(field) {
  rowsOf(field).forEach((row, index) => {
    const name = `${field.dataset.name} ${index + 1}`;
    row.querySelector("select, .typed").setAttribute("aria-label", name);
    row.querySelector("select ~ .typed")?.setAttribute("aria-label", `${name}: ${texts.other_value}`);
    row.querySelector(".remove").setAttribute("aria-label", `${texts.remove}: ${name}`);
  });
}

function prepare(row) {
  if (window.BX24?.selectUser) row.querySelectorAll(".person").forEach((button) => (button.hidden = false));
}

function type(control, text) {
  control.setRangeText(text, control.selectionStart, control.selectionEnd, "end");
  control.dispatchEvent(new Event("input", {bubbles: true}));
  control.focus();
}

const inserting = document.getElementById("inserting");
const search = document.getElementById("inserting-search");
let insertInto = null;

function filter() {
  const wanted = search.value.trim().toLowerCase();
  const items = [...inserting.querySelectorAll("li")];
  items.forEach((item) => (item.hidden = !item.textContent.toLowerCase().includes(wanted)));
  inserting.querySelector("ul").hidden = items.every((item) => item.hidden);
  inserting.querySelector("[role=status]").textContent = items.every((item) => item.hidden) ? texts.nothing_found : "";
}

function clicked(button) {
  const field = button.closest("[data-property]");
  const row = button.closest(".row");
  if (button.matches(".insert")) {
    insertInto = row.querySelector(".typed");
    search.value = "";
    filter();
    inserting.showModal();
    // Next to its field, and not in the middle of the frame: that is as high as the form, most of it out of sight.
    const lowest = innerHeight - inserting.offsetHeight - 8;
    inserting.style.top = `${Math.max(8, Math.min(row.getBoundingClientRect().bottom + 4, lowest))}px`;
  } else if (button.matches("[data-insert]")) {
    inserting.close();
    type(insertInto, button.dataset.insert);
  } else if (button.matches(".close")) {
    inserting.close();
  } else if (button.matches(".person")) {
    BX24.selectUser((person) => {
      if (!person?.id) return;
      const control = row.querySelector(".typed");
      control.select();
      type(control, `user_${person.id}`);
    });
  } else if (button.matches(".add")) {
    field.querySelector(".rows").append(field.querySelector("template").content.cloneNode(true));
    prepare(rowsOf(field).at(-1));
    number(field);
    controlOf(rowsOf(field).at(-1)).focus();
  } else if (button.matches(".remove")) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    number(field);
    (next ? controlOf(next) : field.querySelector(".add")).focus();
    changed(field);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) clicked(button);
});
document.addEventListener("input", (event) => {
  if (event.target === search) return filter();
  const field = event.target.closest("[data-property]");
  if (!field) return;
  const row = event.target.closest(".row");
  if (event.target.matches("select")) {
    row.querySelectorAll(".typed, .insert").forEach((each) => (each.hidden = !isOther(row)));
  }
  changed(field);
});

// Before anybody has changed something, an empty field is not told to be wrong.
for (const field of document.querySelectorAll(".field")) {
  rowsOf(field).forEach(prepare);
  if (rowsOf(field).some((row) => controlOf(row).value.trim())) check(field, "");
  if ("toSend" in field.dataset) changed(field);
}

const noPortal = document.getElementById("no-portal");
const silence = setTimeout(() => (noPortal.textContent = texts.no_portal), window.BX24 ? 10000 : 0);
ready.then(() => {
  clearTimeout(silence);
  noPortal.textContent = "";
  // fitWindow never makes a frame lower, so one that is still being opened, and narrow, would stay far too high.
  new ResizeObserver(() => innerWidth >= 240 && BX24.fitWindow()).observe(document.querySelector("main"));
});
