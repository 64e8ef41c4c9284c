// Everything that went over the wire, newest first.

import {look} from "./control.js";
import {h, labelled, repeat} from "./dom.js";
import {exchange} from "./exchanges.js";
import {say} from "./texts.js";

const SHOWN = 200;

export function requestsView(main) {
  const list = h("div", {class: "card exchanges"});
  const empty = h("p", {class: "empty"}, say("no_requests"));
  const wanted = h("input", {type: "search", spellcheck: "false", oninput: sift});
  main.append(
    h("div", {class: "heading"},
      h("div", {}, h("h1", {}, say("nav_requests")), h("p", {class: "lead"}, say("requests_lead"))),
      h("div", {class: "tools"}, labelled(say("search"), wanted))),
    list);
  list.append(empty);
  let since = 0;

  function sift() {
    const words = wanted.value.toLowerCase();
    for (const each of list.querySelectorAll(":scope > .exchange")) {
      each.hidden = !each.textContent.toLowerCase().includes(words);
    }
  }

  return repeat(1000, async () => {
    const entries = await look("log", {since});
    if (!entries.length) return;
    since = entries.at(-1).n;
    empty.remove();
    list.prepend(...entries.slice(-SHOWN).reverse().map(exchange));
    [...list.children].slice(SHOWN).forEach((each) => each.remove());
    if (wanted.value) sift();
  });
}
