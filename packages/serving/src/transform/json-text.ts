/** A JSON value with the text of its scalars as it was written, so that what passes through is not changed: 64-bit ids, 1.0, 1e3. */
export type JsonText =
  | { readonly kind: "scalar"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly JsonText[] }
  | { readonly kind: "object"; readonly members: ReadonlyMap<string, JsonText> };

/** Beyond this nesting a value is no data, and would only exhaust the stack. */
const maxDepth = 200;

/** Throws SyntaxError where the text is no JSON. */
export function parseJsonText(text: string): JsonText {
  // Proves the text; what follows need not.
  JSON.parse(text);
  return readValue({ text, at: 0 }, 0);
}

interface Cursor {
  readonly text: string;
  at: number;
}

const space = /[ \t\r\n]*/y;
const scalar = /[^,\]}\s]+/y;
const string = /"(?:[^"\\]|\\.)*"/y;

function skip(cursor: Cursor): string {
  space.lastIndex = cursor.at;
  space.test(cursor.text);
  cursor.at = space.lastIndex;
  return cursor.text[cursor.at] ?? "";
}

function match(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text)?.[0] ?? "";
  cursor.at += found.length;
  return found;
}

function readValue(cursor: Cursor, depth: number): JsonText {
  if (depth > maxDepth) throw new SyntaxError(`it is nested more than ${maxDepth} deep`);
  const first = skip(cursor);
  if (first === "[") return { kind: "list", items: readItems(cursor, depth) };
  if (first === "{") return { kind: "object", members: readMembers(cursor, depth) };
  return { kind: "scalar", text: match(cursor, first === '"' ? string : scalar) };
}

function readItems(cursor: Cursor, depth: number): readonly JsonText[] {
  const items: JsonText[] = [];
  cursor.at += 1;
  while (skip(cursor) !== "]") {
    items.push(readValue(cursor, depth + 1));
    if (skip(cursor) === ",") cursor.at += 1;
  }
  cursor.at += 1;
  return items;
}

function readMembers(cursor: Cursor, depth: number): ReadonlyMap<string, JsonText> {
  const members = new Map<string, JsonText>();
  cursor.at += 1;
  while (skip(cursor) !== "}") {
    const name = JSON.parse(match(cursor, string)) as string;
    skip(cursor);
    cursor.at += 1;
    members.set(name, readValue(cursor, depth + 1));
    if (skip(cursor) === ",") cursor.at += 1;
  }
  cursor.at += 1;
  return members;
}

export function writeJsonText(value: JsonText): string {
  if (value.kind === "scalar") return value.text;
  if (value.kind === "list") return `[${value.items.map(writeJsonText).join(",")}]`;
  const members = [...value.members].map(([name, member]) => `${JSON.stringify(name)}:${writeJsonText(member)}`);
  return `{${members.join(",")}}`;
}
