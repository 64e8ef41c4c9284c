// A page of the application in its iframe: opened by a form, as a portal does, and answered when it calls BX24.

import {ask, rest, start} from "./control.js";
import {h} from "./dom.js";
import {PEOPLE} from "./property_form.js";
import {say} from "./texts.js";

const HEIGHTS = [60, 5000];

/** The field's names in the form are those of PROTOCOL.md section 2. */
function authOf(fields) {
  return {
    access_token: fields.AUTH_ID,
    refresh_token: fields.REFRESH_ID,
    expires_in: Number(fields.AUTH_EXPIRES),
    domain: start.domain,
    member_id: fields.member_id,
  };
}

/** Whom somebody chooses, as BX24.selectUser gives a person; never, where they choose nobody. */
function chosenPerson(title) {
  return new Promise((resolve) => {
    const dialog = h("dialog", {class: "card people", "aria-label": title || say("choose_person"), onclose: () => dialog.remove()},
      h("h2", {}, title || say("choose_person")),
      h("div", {class: "buttons"}, PEOPLE.map(([key, name]) => h("button", {type: "button", class: "plain", onclick: () => {
        const id = key.replace("user_", "");
        resolve({id, name, photo: "", position: say(id === "1" ? "administrator" : "employee"), url: `/company/personal/user/${id}/`});
        dialog.close();
      }}, name))),
      h("button", {type: "button", class: "plain small", onclick: () => dialog.close()}, say("cancel")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * opening: answer of the control call `frame`; `lang` and `userId` are the person's.
 * heard: {installFinish(), setPropertyValue(values), closeApplication()}, each optional.
 * Gives {element, open(), close()}; `open` is called once the element is in the page.
 */
export function appFrame({title, opening, lang, userId, height, heard = {}}) {
  const name = `${start.domain}|0|${new URL(opening.url).searchParams.get("APP_SID")}`;
  const origin = new URL(opening.url).origin;
  const frame = h("iframe", {title, name, class: "app-frame"});
  frame.style.height = `${height}px`;
  let auth = authOf(opening.fields);

  async function refreshed() {
    const token = await ask("token", {user_id: userId, admin: opening.admin});
    auth = {...auth, access_token: token.access_token, refresh_token: token.refresh_token};
    return auth;
  }

  const calls = {
    init: () => ({
      auth,
      lang,
      admin: opening.admin,
      placement: opening.fields.PLACEMENT,
      options: JSON.parse(opening.fields.PLACEMENT_OPTIONS),
    }),
    async callMethod({method, params}) {
      const answer = await rest(method, params, auth.access_token);
      return answer.error === "expired_token" ? rest(method, params, (await refreshed()).access_token) : answer;
    },
    refreshAuth: refreshed,
    async installFinish() {
      await ask("install-finish");
      heard.installFinish?.();
    },
    resizeWindow(size) {
      const wanted = Math.min(Math.max(Number(size.height) || 0, HEIGHTS[0]), HEIGHTS[1]);
      frame.style.height = `${wanted}px`;
      return {width: frame.clientWidth, height: wanted};
    },
    closeApplication: () => heard.closeApplication?.(),
    selectUser: ({title}) => chosenPerson(title),
    "placement.call": ({name: called, params}) => {
      if (called === "setPropertyValue") heard.setPropertyValue?.(params);
    },
  };
  const unanswered = new Set(["installFinish", "closeApplication", "placement.call"]);

  async function hear(event) {
    if (event.source !== frame.contentWindow || event.origin !== origin || !calls[event.data?.bx24]) return;
    const {bx24, id, args} = event.data;
    const value = await calls[bx24](args);
    if (!unanswered.has(bx24)) event.source?.postMessage({bx24Answer: id, value}, origin);
  }

  return {
    element: frame,
    open() {
      window.addEventListener("message", hear);
      const form = h("form", {method: "post", action: opening.url, target: name, hidden: true},
        Object.entries(opening.fields).map(([field, value]) => h("input", {type: "hidden", name: field, value})));
      frame.after(form);
      form.submit();
      form.remove();
    },
    close: () => window.removeEventListener("message", hear),
  };
}
