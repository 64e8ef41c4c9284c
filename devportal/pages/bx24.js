// The BX24 script: what a page of the application calls the portal with. It speaks to the portal's page by messages
// alone, so that it works under a Content-Security-Policy that lets the page connect to its own server only.
"use strict";
(() => {
  // A portal gives the iframe a name that tells whose it is: domain, protocol (0|1), APP_SID.
  const [domain = "", protocol = "0"] = window.name.split("|");
  const portal = domain ? `${protocol === "1" ? "https" : "http"}://${domain}` : null;
  const waiting = new Map();
  let asked = 0;
  let starting = null;
  let state = null;
  let authEnds = 0;

  function tell(call, args, answered) {
    if (!portal || window.parent === window) {
      console.warn(`BX24.${call}: this page is not inside a portal.`);
      return;
    }
    const id = ++asked;
    if (answered) waiting.set(id, answered);
    window.parent.postMessage({bx24: call, id, args}, portal);
  }

  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || event.origin !== portal || !event.data?.bx24Answer) return;
    const answered = waiting.get(event.data.bx24Answer);
    waiting.delete(event.data.bx24Answer);
    if (answered) answered(event.data.value);
  });

  function setAuth(auth) {
    state.auth = auth;
    authEnds = Date.now() + auth.expires_in * 1000;
  }

  function whenReady(callback) {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => callback(), {once: true});
    else callback();
  }

  function init(callback) {
    if (state) {
      if (callback) whenReady(callback);
      return;
    }
    if (starting) {
      if (callback) starting.push(callback);
      return;
    }
    starting = callback ? [callback] : [];
    tell("init", {}, (answer) => {
      state = answer;
      setAuth(answer.auth);
      whenReady(() => starting.forEach((each) => each()));
    });
  }

  class Failure {
    constructor(answer) {
      this.ex = {error: answer.error, error_description: answer.error_description};
      this.status = answer.status;
    }
    getError() { return this.ex; }
    getStatus() { return this.status; }
    toString() { return `${this.ex.error}: ${this.ex.error_description ?? ""} (${this.status})`; }
  }

  class Result {
    constructor(answer, method, params) {
      this.answer = answer;
      this.query = {method, data: params};
      this.status = answer.status;
    }
    data() { return this.answer.result; }
    time() { return this.answer.time; }
    error() { return this.answer.error === undefined ? undefined : new Failure(this.answer); }
    error_description() { return this.answer.error_description; }
    more() { return Number.isInteger(this.answer.next); }
    total() { return Number(this.answer.total ?? 0); }
    next(callback) {
      if (!this.more()) return false;
      callMethod(this.query.method, {...this.query.data, start: this.answer.next}, callback);
      return true;
    }
  }

  function callMethod(method, params, callback) {
    // What cannot be sent in a message, such as a function, is no parameter either.
    const sent = JSON.parse(JSON.stringify(params ?? {}));
    tell("callMethod", {method, params: sent}, (answer) => callback && callback(new Result(answer, method, sent)));
  }

  function pairs(name, value) {
    if (value === null || value === undefined) return [];
    if (typeof value === "object") return Object.entries(value).flatMap(([key, inner]) => pairs(`${name}[${key}]`, inner));
    return [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`];
  }

  function callBatch(calls, callback, halt) {
    const each = Object.entries(calls).map(([key, call]) => {
      const [method, params] = Array.isArray(call) ? call : [call.method, call.params];
      return {key, method, params: params ?? {}};
    });
    const cmd = Object.fromEntries(each.map(({key, method, params}) => {
      const query = Object.entries(params).flatMap(([name, value]) => pairs(name, value)).join("&");
      return [key, query ? `${method}?${query}` : method];
    }));
    tell("callMethod", {method: "batch", params: {halt: halt ? 1 : 0, cmd}}, (answer) => {
      if (!callback) return;
      if (answer.error !== undefined) return callback(new Result(answer, "batch", {}));
      const results = Array.isArray(calls) ? [] : {};
      for (const {key, method, params} of each) {
        const of = (part) => answer.result[part]?.[key];
        const error = of("result_error");
        // With halt, what comes after an error has neither.
        if (error === undefined && of("result") === undefined) continue;
        results[key] = new Result(
          {status: answer.status, result: of("result"), total: of("result_total"), next: of("result_next"), ...error},
          method, params);
      }
      callback(results);
    });
  }

  function scrollSize() {
    const {scrollWidth, scrollHeight} = document.documentElement;
    return {scrollWidth, scrollHeight: Math.max(scrollHeight, document.body?.scrollHeight ?? 0)};
  }

  function started(name) {
    if (!state) throw new Error(`BX24.${name}: call BX24.init first.`);
    return state;
  }

  window.BX24 = {
    init,
    ready: whenReady,
    installFinish: () => tell("installFinish", {}),
    callMethod,
    callBatch,
    getAuth() {
      const {auth} = started("getAuth");
      return authEnds > Date.now() ? {...auth, expires_in: Math.floor((authEnds - Date.now()) / 1000)} : false;
    },
    refreshAuth(callback) {
      tell("refreshAuth", {}, (auth) => {
        setAuth(auth);
        if (callback) callback(window.BX24.getAuth());
      });
    },
    getLang: () => started("getLang").lang,
    getDomain: () => domain,
    isAdmin: () => started("isAdmin").admin,
    resizeWindow: (width, height, callback) => tell("resizeWindow", {width, height}, callback),
    fitWindow: (callback) => tell("resizeWindow", {height: scrollSize().scrollHeight}, callback),
    getScrollSize: scrollSize,
    closeApplication: () => tell("closeApplication", {}),
    // A title may come first; a person who chooses nobody is not told of.
    selectUser(...args) {
      const callback = args.pop();
      tell("selectUser", {title: args[0] ?? ""}, callback);
    },
    placement: {
      info() {
        const {placement, options} = started("placement.info");
        return {placement, options};
      },
      // The callback of setPropertyValue is never called, as in a portal (PROTOCOL.md section 9).
      call: (name, params) => tell("placement.call", {name, params: JSON.parse(JSON.stringify(params ?? {}))}),
    },
  };
})();
