// The document that a process runs on: its kind, and the few fields that expressions can name.

import {start} from "./control.js";
import {say} from "./texts.js";

/** Kinds of documents by the name they have in `bizproc.document_types`; `numbered` where the type ends with a number. */
export const KINDS = Object.entries(start.documentTypes).map(([name, type]) => {
  const kind = name.replace(/ \(.*\)$/, "");
  return {kind, title: () => say(`kind_${kind}`), type, numbered: /_\d+$/.test(type[2])};
});

export const kindOf = (name) => KINDS.find(({kind}) => kind === name) ?? KINDS.find(({kind}) => kind === "Deal");

export function typeOf({type, numbered}, number) {
  return numbered ? [type[0], type[1], type[2].replace(/\d+$/, number)] : type;
}

/** The third part of the document's id (PROTOCOL.md section 7): in CRM it begins with the type. */
export function idOf(type, number) {
  return type[0] === "crm" ? `${type[2]}_${number}` : String(number);
}

export function fieldsOf({kind, type}) {
  const named = {Contact: ["NAME", "LAST_NAME"]}[kind] ?? [type[0] === "crm" ? "TITLE" : "NAME"];
  const amount = ["Lead", "Deal", "Quote", "Invoice", "Smart process"].includes(kind) ? ["OPPORTUNITY"] : [];
  return ["ID", ...named, ...amount, "CREATED_BY"];
}

const TYPES = {ID: "int", OPPORTUNITY: "double", CREATED_BY: "user"};

/** `document_fields` of a settings dialog. */
export function describedFields(names) {
  return Object.fromEntries(names.map((name) => [name, {Name: say(`field_${name}`), Type: TYPES[name] ?? "string"}]));
}

/** The text with {=Document:FIELD} replaced, for the fields that are known here. */
export function evaluated(text, document) {
  return text.replace(/\{=Document:(\w+)\}/g, (whole, name) => document[name] ?? whole);
}
