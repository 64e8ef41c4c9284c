// A form made from PROPERTIES. Values are texts, of a multiple property a list of texts.

import {h, newId, select} from "./dom.js";
import {say} from "./texts.js";

export const PEOPLE = [["user_1", "Ada"], ["user_2", "Erika"]];

const INPUTS = {
  int: {type: "text", inputmode: "numeric"},
  double: {type: "text", inputmode: "decimal"},
  date: {type: "date"},
  datetime: {type: "datetime-local"},
  time: {type: "time"},
  email: {type: "email", autocomplete: "off"},
  phone: {type: "tel", autocomplete: "off"},
  web: {type: "url", autocomplete: "off"},
};
// What these inputs of a browser can hold; any other value, such as an expression, is edited as text.
const READABLE = {
  date: /^(\d{4}-\d\d-\d\d)?$/,
  datetime: /^(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?)?$/,
  time: /^(\d\d:\d\d(:\d\d)?)?$/,
};

/** The value that a property has before anybody touches it. */
export function initial(field) {
  const one = (value) => {
    if (field.type === "bool") return {true: "Y", false: "N", 1: "Y", 0: "N"}[String(value)] ?? String(value ?? "");
    return String(value ?? "");
  };
  const value = field.default;
  const list = value === null || value === "" ? [] : typeof value === "object" ? Object.values(value) : [value];
  return field.multiple ? list.map(one) : one(list[0]);
}

/** Gives {element, values(), set(name, value), missing()}; `changed(name, value)` tells each change by the person. */
export function propertyForm(fields, given, changed) {
  const rows = fields.map((field) => row(field, given[field.name] ?? initial(field), changed));
  const byName = new Map(rows.map((each) => [each.field.name.toLowerCase(), each]));
  return {
    element: h("div", {class: "properties"},
      rows.length ? rows.map((each) => each.element) : h("p", {class: "hint"}, say("no_properties"))),
    values: () => Object.fromEntries(rows.map(({field, read}) => [field.name, read()])),
    /** A name is matched without regard to case, as the portal does. Gives the property's own name, null for none. */
    set(name, value) {
      const found = byName.get(name.toLowerCase());
      found?.write(value);
      return found?.field.name ?? null;
    },
    /** Marks what is required and empty; gives the first such control. */
    missing: () => rows.map((each) => each.check()).find((control) => control) ?? null,
  };
}

function row(field, value, changed) {
  const ids = {title: newId("title"), control: newId("property"), error: newId("error"), hint: newId("hint")};
  const error = h("p", {class: "error", id: ids.error, hidden: true});
  const hint = field.description || (field.type === "file" ? say("file_hint") : "");
  const about = [hint && ids.hint, ids.error].filter(Boolean).join(" ");
  const tell = () => {
    changed(field.name, control.read());
    if (!error.hidden) check();
  };
  const control = (field.multiple ? (field.options.length ? choices : several) : one)(field, ids.control, about, tell);
  control.write(value);
  const title = {class: field.required ? "title required" : "title", id: ids.title};
  const key = h("code", {class: "key", "aria-hidden": "true"}, `${field.name} · ${field.type}${field.multiple ? "[]" : ""}`);
  const below = [hint && h("p", {class: "hint", id: ids.hint}, hint), control.element, error];

  function check() {
    const missing = field.required && !(field.multiple ? control.read().length : control.read().trim());
    error.hidden = !missing;
    error.textContent = missing ? say("required_missing") : "";
    for (const each of control.inputs()) {
      if (missing) each.setAttribute("aria-invalid", "true");
      else each.removeAttribute("aria-invalid");
    }
    return missing ? control.inputs()[0] : null;
  }

  return {
    field,
    read: control.read,
    write(value) {
      control.write(field.multiple ? [value].flat().map(String) : String([value].flat()[0] ?? ""));
      if (!error.hidden) check();
    },
    check,
    element: h("div", {
      class: "property", "data-name": field.name,
      ...(field.multiple ? {role: "group", "aria-labelledby": ids.title, "aria-describedby": about} : {}),
    },
    h("div", {class: "caption"},
      field.multiple ? h("span", title, field.title || field.name)
        : h("label", {...title, htmlFor: ids.control}, field.title || field.name),
      key),
    below),
  };
}

/** The control of one value: an input, made anew where the value needs another kind of it. */
function single(field, value, attributes, tell) {
  const options = {
    bool: () => [["Y", say("yes")], ["N", say("no")]],
    user: () => [...PEOPLE, ["{=Document:CREATED_BY}", say("creator")]],
  }[field.type]?.() ?? field.options.map((option) => [option.value, option.title]);
  let input;
  if (options.length) {
    const known = value === "" || options.some(([key]) => key === value);
    input = select([["", say("not_set")], ...options, ...(known ? [] : [[value, value]])], value);
  } else if (field.type === "text") {
    input = h("textarea", {rows: 3, value});
  } else {
    const kind = READABLE[field.type]?.test(value) === false ? {type: "text"} : INPUTS[field.type] ?? {type: "text"};
    input = h("input", {...kind, value, spellcheck: "false"});
  }
  for (const [name, words] of Object.entries(attributes)) input.setAttribute(name, words);
  if (field.required) input.setAttribute("aria-required", "true");
  input.addEventListener("input", tell);
  return input;
}

function one(field, id, about, tell) {
  const element = h("div", {class: "one"});
  const input = () => element.firstChild;
  return {
    element,
    read: () => input().value,
    write: (value) => element.replaceChildren(single(field, value, {id, "aria-describedby": about}, tell)),
    inputs: () => [input()],
  };
}

function choices(field, id, about, tell) {
  const boxes = field.options.map((option) => h("input", {type: "checkbox", value: option.value, onchange: tell}));
  return {
    element: h("div", {class: "choices"}, boxes.map((box, index) => h("label", {}, box, field.options[index].title))),
    read: () => boxes.filter((box) => box.checked).map((box) => box.value),
    write: (values) => boxes.forEach((box) => { box.checked = values.includes(box.value); }),
    inputs: () => boxes,
  };
}

function several(field, id, about, tell) {
  const list = h("div", {class: "several"});
  const inputs = () => [...list.querySelectorAll("input, select, textarea")];
  const add = h("button", {type: "button", class: "plain small", onclick: () => {
    append("");
    inputs().at(-1).focus();
  }}, `+ ${say("add")}`, h("span", {class: "unseen"}, ` ${field.title || field.name}`));

  function append(value) {
    const input = single(field, value, {}, tell);
    const remove = h("button", {type: "button", class: "icon", title: say("remove"), onclick: () => {
      const at = inputs().indexOf(input);
      line.remove();
      if (!inputs().length) append("");
      number();
      inputs()[Math.min(at, inputs().length - 1)].focus();
      tell();
    }}, "×");
    const line = h("div", {class: "value"}, input, remove);
    list.append(line);
    number();
  }

  function number() {
    inputs().forEach((input, index) => {
      const name = say("value_number", {title: field.title || field.name, number: index + 1});
      input.setAttribute("aria-label", name);
      input.nextSibling.setAttribute("aria-label", `${say("remove")}: ${name}`);
    });
  }

  return {
    element: h("div", {}, list, add),
    read: () => inputs().map((input) => input.value).filter((value) => value !== ""),
    write(values) {
      list.replaceChildren();
      (values.length ? values : [""]).forEach(append);
    },
    inputs,
  };
}
