// Processes, and what happens to one of them while it happens.

import {ask, look} from "./control.js";
import {h, repeat} from "./dom.js";
import {clock, exchange, milliseconds} from "./exchanges.js";
import {say} from "./texts.js";

const LISTED = 60;

const statusOf = ({status, is_timeout}) => (is_timeout ? "timeout" : status);

export function processView(main, wanted) {
  let shownList = "";
  let shownProcess = "";
  let since = 0;
  let id = wanted;

  const list = h("nav", {class: "card processes", "aria-label": say("nav_process")});
  const detail = h("div", {class: "detail"});
  main.append(h("div", {class: "heading"},
    h("div", {}, h("h1", {}, say("nav_process")), h("p", {class: "lead"}, say("process_lead")))),
  h("div", {class: "split"}, list, detail));
  const head = h("div", {class: "process-head"});
  const badge = h("span", {role: "status"});
  const events = h("ol", {class: "events"});
  const requests = h("div", {class: "exchanges"});

  function showList(processes) {
    list.replaceChildren(...(processes.length
      ? [h("ul", {}, processes.map((process) => h("li", {}, h("a", {
        href: `#/process/${process.id}`, "aria-current": process.id === id ? "true" : null,
      },
      h("span", {class: `dot ${statusOf(process)}`}),
      h("strong", {}, process.code),
      h("small", {}, `${process.document_id[2]} · ${clock(process.started * 1000).slice(0, 8)}`),
      h("span", {class: "status-word"}, say(`status_${statusOf(process)}`))))))]
      : [h("p", {class: "empty"}, say("no_processes")), h("a", {class: "button plain", href: "#/designer"}, say("to_designer"))]));
  }

  function showProcess(process) {
    const took = process.finished && say("in_ms", {ms: milliseconds((process.finished - process.started) * 1000)});
    if (!detail.contains(head)) {
      detail.replaceChildren(
        h("section", {class: "card", "aria-label": say("log")}, head, events),
        h("section", {class: "card"}, h("h2", {}, say("requests_of")), requests));
    }
    const focused = head.contains(document.activeElement) ? document.activeElement.dataset.action : null;
    badge.className = `badge ${statusOf(process)}`;
    badge.textContent = [say(`status_${statusOf(process)}`), took].filter(Boolean).join(" ");
    head.replaceChildren(
      h("div", {}, h("h2", {}, process.code), h("code", {}, process.id)),
      badge,
      h("div", {class: "actions"},
        process.status === "waiting" && h("button", {type: "button", class: "plain small", "data-action": "end", onclick: () => ask("terminate", {process: id}).then(refresh)}, say("terminate")),
        h("button", {type: "button", class: "plain small", "data-action": "again", onclick: () => again(process)}, say("again"))));
    if (focused) (head.querySelector(`[data-action=${focused}]`) ?? head.querySelector("button")).focus();
    events.replaceChildren(...happened(process));
  }

  async function again(process) {
    const {processes: [next]} = await ask("run", {
      code: process.code,
      document_type: process.document_type,
      document_id: process.document_id[2],
      properties: process.properties,
      timeout: process.timeout,
      wait: process.use_subscription === "Y",
    });
    location.hash = `#/process/${next}`;
  }

  async function refresh() {
    const processes = await look("processes", {limit: LISTED});
    id ||= processes[0]?.id ?? "";
    const now = JSON.stringify([processes, id]);
    if (now !== shownList) {
      shownList = now;
      showList(processes);
    }
    if (!id) return;
    let process;
    try {
      process = await look(`process/${id}`);
    } catch {
      detail.replaceChildren(h("p", {class: "card empty"}, say("process_gone")));
      return;
    }
    const seen = JSON.stringify(process);
    if (seen !== shownProcess) {
      shownProcess = seen;
      showProcess(process);
    }
    const entries = await look("log", {since, about: id});
    if (entries.length) since = entries.at(-1).n;
    requests.append(...entries.map(exchange));
  }

  return repeat(500, refresh);
}

function happened(process) {
  const items = [event("begin", process.started * 1000, say("started"), [
    h("span", {class: "soft"}, say("started_on", {document: process.document_id[2]})),
    Object.keys(process.properties).length > 0 && h("dl", {class: "pairs"},
      Object.entries(process.properties).map(([name, value]) => [h("dt", {}, name), h("dd", {}, words(value))]))])];
  for (const delivery of process.delivery) {
    const status = delivery.status ?? delivery.error ?? say("no_answer");
    items.push(event(delivery.state === "delivered" ? "good" : delivery.state === "queued" ? "busy" : "bad", null,
      say(`delivery_${delivery.state}`), delivery.ms !== null
      && h("span", {class: "soft"}, say("after_ms", {status, ms: milliseconds(delivery.ms)}))));
  }
  for (const line of process.log) items.push(event("line", line.at * 1000, line.message));
  if (process.status === "waiting") {
    items.push(event("busy", null, say("waiting_now")));
    return items;
  }
  const returned = Object.entries(process.returned);
  const answered = returned.length > 0;
  if (answered) items.push(event("good", process.finished * 1000, say("app_answered"), values(returned)));
  const state = statusOf(process);
  items.push(event(state === "completed" ? "good" : "bad", process.finished * 1000,
    say(`done_${state}`), process.error && h("span", {class: "fault"}, process.error)));
  return items;
}

function event(kind, at, title, ...more) {
  return h("li", {class: `event ${kind}`},
    h("div", {class: "event-line"}, h("strong", {}, title), at && h("time", {}, clock(at))), more);
}

const words = (value) => (Array.isArray(value) ? value.join("\n") : String(value)) || "–";

function values(returned) {
  return h("div", {class: "scrolls", tabindex: "0", role: "region", "aria-label": say("returned")}, h("table", {},
    h("thead", {}, h("tr", {}, ["name", "type", "value"].map((key) => h("th", {scope: "col"}, say(key))))),
    h("tbody", {}, returned.map(([name, taken]) => h("tr", {"data-name": name},
      h("th", {scope: "row"}, name),
      h("td", {}, h("code", {}, `${taken.type}${taken.multiple ? "[]" : ""}`)),
      h("td", {}, typed(taken), taken.fault && h("p", {class: "fault"}, taken.fault)))))));
}

function typed({typed: value, raw, fault}) {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) {
    return fault ? h("span", {class: "soft"}, say("raw_value", {value: JSON.stringify(raw)})) : h("span", {class: "soft"}, say("empty"));
  }
  if (typeof value === "string" && /^https?:\/\//.test(value)) {
    return h("a", {href: value, target: "_blank", rel: "noreferrer"}, value);
  }
  const plain = typeof value === "string" ? value : JSON.stringify(value);
  const sent = typeof raw === "string" ? raw : JSON.stringify(raw);
  return [h("span", {class: "typed"}, plain), sent !== plain && h("small", {class: "soft"}, ` ${say("raw_value", {value: sent})}`)];
}
