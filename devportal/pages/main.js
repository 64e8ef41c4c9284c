// The page around the views: heading, language, and which view is shown.

import {look, start} from "./control.js";
import {h, repeat, select} from "./dom.js";
import {LANGUAGES, language, say, setLanguage} from "./texts.js";
import {appView} from "./app_view.js";
import {designerView} from "./designer_view.js";
import {faultsView} from "./faults_view.js";
import {processView} from "./process_view.js";
import {requestsView} from "./requests_view.js";

const VIEWS = {app: appView, designer: designerView, process: processView, requests: requestsView, faults: faultsView};
const FIRST = "designer";

let leave = () => {};
let marks = () => {};

function show(focused = true) {
  const [, name = "", argument = ""] = location.hash.match(/^#\/(\w*)\/?(.*)$/) ?? [];
  const view = VIEWS[name] ? name : FIRST;
  leave();
  document.documentElement.lang = language();
  document.title = `${say(`nav_${view}`)} · ${start.domain}`;
  const main = h("main", {tabindex: "-1", id: "main", class: `view view-${view}`});
  document.body.replaceChildren(header(view), main);
  leave = VIEWS[view](main, decodeURIComponent(argument)) ?? (() => {});
  marks();
  if (focused) main.focus({preventScroll: true});
}

function header(view) {
  const installed = h("span", {class: "chip", role: "status"});
  const faults = h("span", {class: "mark", hidden: true});
  marks = () => mark(installed, faults);
  const languages = select(LANGUAGES, language(), (event) => {
    setLanguage(event.target.value);
    show(false);
    document.querySelector(".languages select").focus();
  });
  languages.setAttribute("aria-label", say("language"));
  return h("header", {class: "top"},
    h("a", {class: "skip", href: "#main", onclick: (event) => {
      event.preventDefault();
      document.getElementById("main").focus();
    }}, say("skip")),
    h("div", {class: "brand"},
      h("img", {src: "/pages/icon.svg", alt: "", width: 28, height: 28}),
      h("span", {}, h("strong", {}, say("brand")), h("small", {}, start.domain))),
    h("nav", {"aria-label": say("views")},
      Object.keys(VIEWS).map((each) => h("a", {
        href: `#/${each}`,
        "aria-current": each === view ? "page" : null,
      }, say(`nav_${each}`), each === "faults" && faults))),
    h("div", {class: "state"}, installed,
      start.portals.length > 1 && otherPortals(),
      h("span", {class: "languages"}, languages)));
}

function otherPortals() {
  const portals = select(start.portals.map(({number, url}) => [url, `${say("portal")} ${number}`]),
    start.portals[start.portal - 1].url, (event) => {
      location.href = `${event.target.value}/${location.hash}`;
    });
  portals.setAttribute("aria-label", say("portal"));
  return portals;
}

let now = null;

function mark(installed, faults) {
  const state = !now ? "lost" : now.payment_expired ? "unpaid" : now.installed ? "installed" : "missing";
  installed.dataset.state = state;
  installed.textContent = say(`state_${state}`);
  faults.hidden = !now || !areSet(now.faults);
  faults.textContent = say("faults_on");
}

function areSet({rest, queue}) {
  return Object.values(rest).some(({times}) => times === null || times > 0)
    || queue.drop > 0 || queue.repeat > 0 || queue.delay > 0;
}

window.addEventListener("hashchange", () => show());
document.addEventListener("portal-changed", refresh);
show(false);
repeat(1500, refresh);

async function refresh() {
  try {
    now = await look("portal");
  } catch {
    now = null;
  }
  marks();
}
