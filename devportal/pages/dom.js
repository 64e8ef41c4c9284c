// Elements, made by hand.

/** h("p", {class: "note", onclick: f}, "text", child): null and false are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (["value", "checked", "htmlFor", "textContent"].includes(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let made = 0;

export const newId = (word) => `${word}-${++made}`;

/** A label with its control below; the control gets the label's name. */
export function labelled(words, control, hint = null) {
  control.id ||= newId("field");
  const hintId = hint ? newId("hint") : null;
  if (hintId) control.setAttribute("aria-describedby", hintId);
  return h("div", {class: "field"},
    h("label", {htmlFor: control.id}, words),
    control,
    hint && h("p", {class: "hint", id: hintId}, hint));
}

export function select(options, value, onchange = null) {
  const element = h("select", {onchange}, options.map(([key, words]) => h("option", {value: key}, words)));
  element.value = value;
  return element;
}

/** Call at once and then every so many milliseconds, while the page is seen. Gives what ends it. */
export function repeat(milliseconds, call) {
  let ended = false;
  let timer = 0;
  const turn = async () => {
    if (!document.hidden) await call().catch(() => {});
    if (!ended) timer = setTimeout(turn, milliseconds);
  };
  turn();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
