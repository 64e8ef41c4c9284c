// The control API of the portal that this page belongs to (docs/devportal.md).

export const start = JSON.parse(document.body.dataset.start);

async function read(answer) {
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

export async function ask(name, what = {}) {
  return read(await fetch(`/_dev/${name}`, {method: "POST", body: JSON.stringify({portal: start.portal, ...what})}));
}

export async function look(name, query = {}) {
  return read(await fetch(`/_dev/${name}?${new URLSearchParams({portal: start.portal, ...query})}`));
}

/** A REST call as the application makes it: what the portal answers, with its status. */
export async function rest(method, params, token) {
  const answer = await fetch(`/rest/${method}`, {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({...params, auth: token}),
  });
  return {status: answer.status, ...(await answer.json())};
}
