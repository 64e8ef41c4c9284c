// Faults on demand: each with what it means.

import {ask, look} from "./control.js";
import {h, labelled, newId, repeat, select} from "./dom.js";
import {say} from "./texts.js";

const FAULTS = {
  overload: {error: "OVERLOAD_LIMIT", status: 503},
  query_limit: {error: "QUERY_LIMIT_EXCEEDED", status: 503},
  operating: {operating: 500},
  internal: {error: "INTERNAL_SERVER_ERROR", status: 500},
  expired: {error: "expired_token", status: 401},
  denied: {error: "ACCESS_DENIED", status: 403},
  grant: {error: "invalid_grant", status: 400},
  close: {close: true},
  lost: {close: true, after: true},
  delay: {delay_ms: 3000},
};
const METHODS = [
  "bizproc.event.send", "bizproc.activity.log", "bizproc.activity.list", "bizproc.activity.add",
  "bizproc.activity.update", "bizproc.activity.delete", "bizproc.robot.list", "bizproc.robot.add", "batch", "app.info",
  "user.admin", "event.bind", "oauth/token", "oauth/app.info", "*",
];

export function faultsView(main) {
  let now = null;
  const message = h("p", {class: "note", role: "status"});
  const set = h("ul", {class: "set-faults"});
  const queue = {};
  const payment = h("button", {type: "button", class: "plain"});
  main.append(h("div", {class: "heading"},
    h("div", {}, h("h1", {}, say("nav_faults")), h("p", {class: "lead"}, say("faults_lead")))),
  message, h("div", {class: "faults"}, answers(), queueServer(), life()));

  async function act(what, call) {
    try {
      await call();
      message.textContent = say("done", {what});
    } catch (error) {
      message.textContent = error.message;
    }
    document.dispatchEvent(new Event("portal-changed"));
    await refresh();
  }

  /** What the control call takes; it sets everything anew. */
  const send = (rest, queued) => ask("faults", {rest, queue: queued});

  function answers() {
    const names = newId("methods");
    const method = h("input", {list: names, value: METHODS[0], required: true, spellcheck: "false"});
    const meaning = h("p", {class: "hint", "aria-live": "polite"}, say("meaning_overload"));
    const fault = select(Object.keys(FAULTS).map((key) => [key, say(`fault_${key}`)]), "overload", () => {
      meaning.textContent = say(`meaning_${fault.value}`);
      if (fault.value === "grant") method.value = "oauth/token";
    });
    const times = h("input", {type: "number", min: 1, value: 2});
    return h("section", {class: "card"}, h("h2", {}, say("rest_faults")), h("p", {class: "lead"}, say("rest_faults_lead")),
      h("form", {class: "row", onsubmit: (event) => {
        event.preventDefault();
        const often = times.value === "" ? null : Number(times.value);
        act(say("fault"), () => send({...now.faults.rest, [method.value]: {...FAULTS[fault.value], times: often}}, now.faults.queue));
      }},
      labelled(say("method"), method, say("method_hint")), h("datalist", {id: names}, METHODS.map((value) => h("option", {value}))),
      labelled(say("fault"), fault), labelled(say("times"), times, say("times_hint")),
      h("button", {class: "primary"}, say("add"))), meaning, set);
  }

  function showSet() {
    const entries = Object.entries(now.faults.rest).filter(([, {times}]) => times !== 0);
    const text = JSON.stringify(entries);
    if (set.dataset.shown === text) return;
    set.dataset.shown = text;
    set.replaceChildren(...(entries.length ? entries.map(([method, fault]) => {
      const words = `${method}: ${say(`fault_${nameOf(fault)}`)}`;
      return h("li", {}, h("code", {}, method), h("span", {}, say(`fault_${nameOf(fault)}`)),
        h("small", {}, fault.times === null ? say("times_all") : say("times_left", {times: fault.times})),
        h("button", {type: "button", class: "icon", title: say("remove"), "aria-label": `${say("remove")}: ${words}`, onclick: () => {
          const {[method]: removed, ...others} = now.faults.rest;
          act(say("remove"), () => send(others, now.faults.queue));
        }}, "×"));
    }) : [h("li", {class: "empty"}, say("no_faults"))]));
  }

  function nameOf(fault) {
    return Object.keys(FAULTS).find((key) => ["error", "close", "after", "delay_ms", "operating"].every(
      (name) => (FAULTS[key][name] || null) === (fault[name] || null))) ?? "other";
  }

  function queueServer() {
    const apply = () => act(say("queue_faults"), () => send(now.faults.rest, {
      drop: share("drop"), repeat: share("repeat"), delay: share("delay"), delay_seconds: Number(queue.delay_seconds.value) || 0,
    }));
    const share = (name) => Number(queue[name].value) / 100;
    const slider = (name) => {
      const shown = h("output", {});
      queue[name] = h("input", {type: "range", min: 0, max: 100, step: 10, value: 0, onchange: apply, oninput: () => {
        shown.textContent = `${queue[name].value} %`;
      }});
      queue[name].shown = shown;
      const field = labelled(say(`queue_${name}`), queue[name]);
      field.append(shown);
      field.classList.add("slider");
      return field;
    };
    queue.delay_seconds = h("input", {type: "number", min: 0, value: 1, onchange: apply});
    return h("section", {class: "card"}, h("h2", {}, say("queue_faults")), h("p", {class: "lead"}, say("queue_lead")),
      ["drop", "repeat", "delay"].map(slider), labelled(say("queue_seconds"), queue.delay_seconds));
  }

  function showQueue() {
    for (const [name, value] of Object.entries(now.faults.queue)) {
      if (document.activeElement === queue[name]) continue;
      queue[name].value = name === "delay_seconds" ? value : Math.round(value * 100);
      if (queue[name].shown) queue[name].shown.textContent = `${queue[name].value} %`;
    }
  }

  function life() {
    const option = (words) => {
      const box = h("input", {type: "checkbox"});
      return [box, h("label", {class: "check"}, box, words)];
    };
    const [newToken, newTokenLabel] = option(say("option_new_token"));
    const [missing, missingLabel] = option(say("option_not_installed"));
    const [clean, cleanLabel] = option(say("option_clean"));
    const item = (means, doing, ...options) => h("li", {}, h("p", {}, means), options, doing);
    const button = (words, call) => h("button", {type: "button", class: "plain", onclick: () => act(words, call)}, words);
    payment.addEventListener("click", () => act(payment.textContent, () => ask("payment", {expired: !now.payment_expired})));
    const moved = async (back) => {
      const {url} = await ask("rename", {back});
      location.href = `${url}/#/faults`;
    };
    return h("section", {class: "card life"}, h("h2", {}, say("life")), h("ul", {},
      item(say("mean_expire"), button(say("do_expire"), () => ask("expire-tokens"))),
      item(say("mean_payment"), payment),
      item(say("mean_update"), button(say("do_update"), () => ask("update-app", {
        new_token: newToken.checked, stays_installed: !missing.checked})), newTokenLabel, missingLabel),
      item(say("mean_rename"), h("span", {class: "buttons"},
        button(say("do_rename"), () => moved(false)), button(say("do_rename_back"), () => moved(true)))),
      item(say("mean_uninstall"), button(say("do_uninstall"), () => ask("uninstall", {clean: clean.checked})), cleanLabel),
      item(say("mean_reset"), button(say("do_reset"), () => ask("reset")))));
  }

  async function refresh() {
    now = await look("portal");
    showSet();
    showQueue();
    payment.textContent = say(now.payment_expired ? "do_paid" : "do_unpaid");
  }

  return repeat(1000, refresh);
}
