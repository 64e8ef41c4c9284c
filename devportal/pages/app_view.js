// The application in its iframe: its install page while it is not installed, else its own page.

import {appFrame} from "./app_frame.js";
import {ask, look} from "./control.js";
import {h, labelled, select} from "./dom.js";
import {language, say} from "./texts.js";

const PEOPLE = {1: "Ada", 2: "Erika"};
// The address of the last app, which an emptied portal does not know any more.
const KEPT = "devportal-app";

export function appView(main) {
  let frame = null;
  let userId = 1;
  let opened = 0;
  const place = h("div", {class: "card frame-card"});
  const message = h("p", {class: "note", role: "status"});
  const person = select(
    Object.entries(PEOPLE).map(([id, name]) => [id, `${name} (${say(id === "1" ? "administrator" : "employee")})`]),
    "1", (event) => {
      userId = Number(event.target.value);
      open();
    });
  main.append(
    h("div", {class: "heading"},
      h("div", {}, h("h1", {}, say("nav_app")), h("p", {class: "lead"}, say("app_lead"))),
      h("div", {class: "tools"},
        labelled(say("opened_by"), person),
        h("button", {type: "button", class: "plain", onclick: () => open()}, say("reload")))),
    message, place);

  async function open(address = null) {
    const mine = ++opened;
    const portal = await look("portal");
    const appUrl = address ?? portal.app_url;
    if (!appUrl) return askAddress();
    sessionStorage.setItem(KEPT, appUrl);
    const installs = !portal.installed || address !== null;
    message.textContent = installs ? say("installing") : "";
    const opening = await ask("frame", {
      ...(installs ? {app_url: appUrl} : {}), user_id: userId, lang: language(),
    });
    // Somebody may have gone on, or opened it once more, meanwhile.
    if (mine !== opened || !place.isConnected) return;
    frame?.close();
    frame = appFrame({
      title: say("app_frame"), opening, userId, lang: language(), height: Math.max(560, innerHeight - 220),
      heard: {
        installFinish() {
          document.dispatchEvent(new Event("portal-changed"));
          message.textContent = say("installed_now");
        },
        closeApplication() {
          frame.close();
          place.replaceChildren(h("p", {class: "empty"}, say("app_closed")));
        },
      },
    });
    place.replaceChildren(frame.element);
    frame.open();
  }

  function askAddress() {
    const address = h("input", {type: "url", required: true, value: sessionStorage.getItem(KEPT) ?? "http://127.0.0.1:5000", spellcheck: "false"});
    message.textContent = "";
    place.replaceChildren(h("form", {class: "narrow", onsubmit: (event) => {
      event.preventDefault();
      open(address.value.replace(/\/+$/, "")).catch(fail);
    }}, labelled(say("app_address"), address, say("app_address_hint")),
    h("button", {class: "primary"}, say("install"))));
  }

  function fail(error) {
    message.textContent = error.message;
  }

  open().catch(fail);
  return () => frame?.close();
}
