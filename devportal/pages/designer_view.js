// The designer: what FILTER offers for a document, a process with one step, and the step's settings.

import {appFrame} from "./app_frame.js";
import {ask, start} from "./control.js";
import {KINDS, describedFields, evaluated, fieldsOf, idOf, kindOf, typeOf} from "./documents.js";
import {h, labelled, newId, repeat, select} from "./dom.js";
import {PEOPLE, propertyForm} from "./property_form.js";
import {language, say} from "./texts.js";

const KEPT = `devportal-designer-${start.portal}`;
const DIALOG = "BIZPROC_ACTIVITY_PROPERTIES_DIALOG";
const DIALOG_HEIGHT = 350;

function kept() {
  const fresh = {
    kind: "Deal", number: 1, edition: start.edition, code: null, touched: {},
    document: {ID: "1188", OPPORTUNITY: "1500", CREATED_BY: "user_1"},
    wait: true, timeout: 0, userId: "",
  };
  return {...fresh, ...JSON.parse(sessionStorage.getItem(KEPT) ?? "{}")};
}

export function designerView(main) {
  const state = kept();
  let steps = [];
  let shownSteps = "";
  let shownStep = "";
  let form = null;
  let frame = null;

  const keep = () => sessionStorage.setItem(KEPT, JSON.stringify(state));
  const kind = () => kindOf(state.kind);
  const type = () => typeOf(kind(), state.number);
  const step = () => steps.find(({code}) => code === state.code);

  const palette = h("section", {class: "palette", "aria-label": say("steps")});
  const canvas = h("section", {class: "canvas", "aria-label": say("template")});
  const documentCard = h("section", {class: "card document", "aria-label": say("document")});
  const settings = h("section", {class: "card settings", "aria-label": say("settings")});
  const message = h("p", {class: "error", role: "alert"});
  main.append(h("div", {class: "heading"},
    h("div", {}, h("h1", {}, say("nav_designer")), h("p", {class: "lead"}, say("designer_lead"))), choice()),
  h("div", {class: "bench"}, palette, h("div", {class: "middle"}, canvas, documentCard), settings));
  showDocument();

  function choice() {
    const number = h("input", {type: "number", min: 1, value: state.number, oninput: (event) => {
      state.number = Math.max(1, Math.trunc(Number(event.target.value)) || 1);
      changed();
    }});
    const numberField = labelled(say("number_of_type"), number);
    numberField.classList.add("number");
    numberField.hidden = !kind().numbered;
    const kinds = select(KINDS.map((each) => [each.kind, each.title()]), state.kind, (event) => {
      state.kind = event.target.value;
      numberField.hidden = !kind().numbered;
      changed();
      showDocument();
    });
    const name = newId("edition");
    const editions = h("fieldset", {class: "switch"}, h("legend", {}, say("edition")),
      h("div", {}, ["b24", "box"].map((edition) => h("label", {},
        h("input", {type: "radio", name, value: edition, checked: state.edition === edition, onchange: () => {
          state.edition = edition;
          changed();
        }}), h("span", {}, say(`edition_${edition}`))))));
    return h("div", {class: "tools"}, labelled(say("document_type"), kinds), numberField, editions);
  }

  function changed() {
    keep();
    refresh().catch((error) => { message.textContent = error.message; });
  }

  let asked = 0;
  async function refresh() {
    const mine = ++asked;
    const found = await ask("designer", {document_type: type(), edition: state.edition, lang: language()});
    if (mine !== asked) return;
    steps = found;
    const now = JSON.stringify([steps, state.code, type()]);
    if (now === shownSteps) return;
    shownSteps = now;
    showPalette();
    showCanvas();
    // What has been typed into the form outlives all but a change of the step itself.
    const {shown, hidden_by, ...own} = step() ?? {};
    const wanted = JSON.stringify([own, step()?.dialog ? type() : null]);
    if (wanted !== shownStep) {
      shownStep = wanted;
      showSettings();
    }
    showWarning();
  }

  function choose(code) {
    state.code = code;
    message.textContent = "";
    changed();
  }

  function showPalette() {
    const focused = palette.contains(document.activeElement) ? document.activeElement.dataset.code : null;
    const group = (title, of) => of.length > 0 && [h("h2", {}, title), h("ul", {}, of.map(card))];
    const seen = steps.filter(({shown}) => shown);
    const hidden = steps.filter(({shown}) => !shown);
    palette.replaceChildren(...[
      seen.length ? [
        group(say("activities"), seen.filter(({robot}) => !robot)),
        group(say("robots"), seen.filter(({robot}) => robot))]
        : [h("h2", {}, say("steps")), h("p", {class: "empty"}, say(steps.length ? "none_shown" : "none_registered"))],
      hidden.length > 0 && [h("h2", {class: "hidden-title"}, say("hidden_here")), h("ul", {class: "hidden-steps"}, hidden.map(hiddenCard))],
    ].flat(3).filter(Boolean));
    if (focused) palette.querySelector(`[data-code="${CSS.escape(focused)}"]`)?.focus();
  }

  function card({code, title, description}) {
    return h("li", {}, h("button", {
      type: "button", class: "step", "data-code": code, "aria-pressed": String(code === state.code),
      onclick: () => choose(code),
    }, h("strong", {}, title || code), description && h("span", {}, description)));
  }

  function hiddenCard({code, title, filter, hidden_by}) {
    const rules = [filter[hidden_by]].flat(1).map(ruleWords).join(", ");
    return h("li", {"data-code": code},
      h("strong", {}, title || code), h("span", {}, say(`hidden_${hidden_by}`, {rules})));
  }

  function ruleWords(rule) {
    if (rule === "b24" || rule === "box") return say(`edition_${rule}`);
    const parts = Object.values(Object(rule));
    const exact = KINDS.find((each) => !each.numbered && each.type.every((part, index) => index >= parts.length || part === parts[index])
      && parts.length > 1);
    return exact ? exact.title() : parts.join(" · ") || String(rule);
  }

  function showCanvas() {
    const chosen = step();
    const arrow = () => h("span", {class: "arrow", "aria-hidden": "true"});
    canvas.replaceChildren(
      h("h2", {class: "unseen"}, say("template")),
      h("div", {class: "pill"}, say("begins"), h("small", {}, `${kind().title()} · ${idOf(type(), state.document.ID)}`)),
      arrow(),
      chosen ? h("div", {class: "node"},
        h("strong", {}, chosen.title || chosen.code),
        h("code", {}, chosen.code),
        h("span", {class: "waits"}, say(`waits_${chosen.use_subscription === "Y" || chosen.use_subscription === "" ? chosen.use_subscription : "N"}`)),
        chosen.return_properties.length > 0 && h("p", {class: "returns"}, `${say("gives_back")} `,
          chosen.return_properties.map(({title, name}) => h("span", {class: "tag", title: name}, title || name))))
        : h("div", {class: "node vacant"}, say("put_step")),
      arrow(),
      h("div", {class: "pill"}, say("ends")));
  }

  function showDocument() {
    const names = fieldsOf(kind());
    const sample = {TITLE: say("sample_TITLE"), NAME: say("sample_TITLE"), LAST_NAME: ""};
    if (state.kind === "Contact") Object.assign(sample, {NAME: "Ada", LAST_NAME: "Lovelace"});
    documentCard.replaceChildren(
      h("h2", {}, say("document")),
      h("div", {class: "document-fields"}, names.map((name) => {
        const value = state.document[name] ?? sample[name];
        const write = (event) => {
          state.document[name] = event.target.value;
          keep();
          if (name === "ID") showCanvas();
        };
        const input = name === "CREATED_BY" ? select(PEOPLE, value, write) : h("input", {value, oninput: write, spellcheck: "false"});
        input.dataset.field = name;
        return labelled(say(`field_${name}`), input, h("code", {}, `{=Document:${name}}`));
      })),
      h("p", {class: "hint"}, say("document_hint")));
    showCanvas();
  }

  function documentValues() {
    return Object.fromEntries([...documentCard.querySelectorAll("[data-field]")].map((input) => [input.dataset.field, input.value]));
  }

  const warning = h("p", {class: "warning", hidden: true}, say("hidden_warning"));

  function showWarning() {
    warning.hidden = !step() || step().shown;
  }

  function showSettings() {
    frame?.close();
    frame = null;
    const chosen = step();
    if (!chosen) {
      settings.replaceChildren(h("h2", {}, say("settings")), h("p", {class: "empty"}, say("nothing_chosen")));
      return;
    }
    const touched = (state.touched[chosen.code] ??= {});
    form = propertyForm(chosen.properties, touched, (name, value) => {
      touched[name] = value;
      keep();
    });
    const values = chosen.dialog
      ? h("details", {class: "fold"}, h("summary", {}, say("dialog_values")), form.element)
      : form.element;
    const place = h("div", {class: "dialog"});
    settings.replaceChildren(h("form", {novalidate: true, onsubmit: (event) => {
      event.preventDefault();
      run(chosen, values).catch((error) => { message.textContent = error.message; });
    }},
    h("h2", {}, chosen.title || chosen.code),
    chosen.description && h("p", {class: "lead"}, chosen.description),
    warning, place, values, runSettings(chosen), message,
    h("div", {class: "submit"},
      h("button", {class: "primary"}, say("start")),
      h("button", {type: "button", class: "plain", onclick: () => {
        delete state.touched[chosen.code];
        keep();
        showSettings();
      }}, say("defaults")))));
    if (chosen.dialog) openDialog(chosen, place, touched).catch((error) => { message.textContent = error.message; });
  }

  async function openDialog(chosen, place, touched) {
    const opening = await ask("frame", {
      url: chosen.dialog, placement: DIALOG, user_id: 1, lang: language(),
      options: {
        code: chosen.code,
        activity_name: "A10000_20000_30000_40000",
        properties: chosen.stored_properties,
        current_values: form.values(),
        document_type: type(),
        document_fields: describedFields(fieldsOf(kind())),
        template: {},
      },
    });
    if (!place.isConnected) return;
    frame = appFrame({
      title: say("dialog"), opening, userId: 1, lang: language(), height: DIALOG_HEIGHT,
      heard: {setPropertyValue(values) {
        for (const [name, value] of Object.entries(values)) {
          const own = form.set(name, value);
          if (own) touched[own] = form.values()[own];
        }
        keep();
      }},
    });
    place.replaceChildren(frame.element);
    frame.open();
  }

  function runSettings(chosen) {
    const wait = chosen.use_subscription === "" && h("label", {class: "check"},
      h("input", {type: "checkbox", checked: state.wait, onchange: (event) => {
        state.wait = event.target.checked;
        keep();
      }}), say("wait"));
    const timeout = h("input", {type: "number", min: 0, value: state.timeout, oninput: (event) => {
      state.timeout = Math.max(0, Number(event.target.value) || 0);
      keep();
    }});
    const people = PEOPLE.map(([key, name]) => [key.replace("user_", ""), name]);
    const person = select([["", say("as_defined")], ...people], state.userId, (event) => {
      state.userId = event.target.value;
      keep();
    });
    return h("details", {class: "fold"}, h("summary", {}, say("run_settings")), h("div", {class: "row"}, wait,
      labelled(say("timeout"), timeout, say("timeout_hint")), labelled(say("run_as"), person)));
  }

  async function run(chosen, values) {
    message.textContent = "";
    const missing = form.missing();
    if (missing) {
      values.open = true;
      missing.focus();
      return;
    }
    const document = documentValues();
    const put = (value) => (Array.isArray(value) ? value.map(put) : evaluated(value, document));
    const {processes: [id]} = await ask("run", {
      code: chosen.code,
      document_type: type(),
      document_id: idOf(type(), document.ID),
      properties: Object.fromEntries(Object.entries(form.values()).map(([name, value]) => [name, put(value)])),
      wait: state.wait,
      timeout: state.timeout,
      ...(state.userId ? {user_id: Number(state.userId)} : {}),
    });
    location.hash = `#/process/${id}`;
  }

  const end = repeat(2000, refresh);
  return () => {
    end();
    frame?.close();
  };
}
