// Requests with their answers, each to be unfolded.

import {h} from "./dom.js";
import {say} from "./texts.js";

const ENDS = {to_portal: ["app", "portal"], to_oauth: ["app", "oauth"], to_app: ["portal", "app"]};

export function exchange(entry) {
  const [from, to] = ENDS[entry.direction];
  const url = new URL(entry.url);
  const good = entry.status >= 200 && entry.status < 400;
  return h("details", {class: "exchange", "data-n": entry.n, "data-direction": entry.direction},
    h("summary", {},
      h("span", {class: "ends"}, `${say(`end_${from}`)} → ${say(`end_${to}`)}`),
      h("code", {class: "path"}, `${entry.method} ${url.pathname}`),
      h("span", {class: `status ${good ? "good" : "bad"}`}, entry.status ?? say("no_answer")),
      h("span", {class: "ms"}, milliseconds(entry.ms))),
    h("div", {class: "exchange-body"},
      h("p", {class: "when"}, `${clock(entry.at)} · `, h("code", {}, entry.url)),
      h("p", {class: "part"}, say("request")),
      parsed(entry.request.parsed) ?? text(entry.request.raw),
      h("p", {class: "part"}, say("answer")),
      text(pretty(entry.answer)),
      entry.request.raw && parsed(entry.request.parsed) && h("details", {class: "raw"},
        h("summary", {}, say("raw")), text(entry.request.raw))));
}

export const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

export const clock = (at) => {
  const date = new Date(at);
  return `${date.toLocaleTimeString("de-DE")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
};

function text(words) {
  return h("pre", {tabindex: "0"}, words || "–");
}

function pretty(words) {
  try {
    return JSON.stringify(JSON.parse(words), null, 2);
  } catch {
    return words;
  }
}

/** A form's fields, one a line, as they are nested. */
function parsed(fields) {
  const lines = flattened(fields, "");
  if (!lines.length) return null;
  return h("dl", {class: "pairs"}, lines.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value === "" ? "–" : value)]));
}

function flattened(value, name) {
  if (value === null || typeof value !== "object") return name ? [[name, String(value ?? "null")]] : [];
  return Object.entries(value).flatMap(([key, inner]) => flattened(inner, name ? `${name}[${key}]` : key));
}
