export type Token =
  | { readonly kind: "mark" | "name"; readonly text: string }
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "literal"; readonly value: unknown };

const pattern =
  /\s*(?:(?<name>[A-Za-z_][A-Za-z0-9_]*)|(?<number>-?\d{1,9})|"(?<quoted>(?:[^"\\]|\\.)*)"|`(?<json>[^`]*)`|'(?<raw>[^']*)'|(?<mark>\|\||&&|==|!=|<=|>=|[<>![\]().,:@]))/y;

/** The parts of an expression; undefined where there is something else in it. */
export function tokensOf(text: string): readonly Token[] | undefined {
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  let end = 0;
  while (text.slice(end).trim() !== "") {
    pattern.lastIndex = end;
    const groups = pattern.exec(text)?.groups;
    const token = groups === undefined ? undefined : tokenOf(groups);
    if (token === undefined) return undefined;
    tokens.push(token);
    end = pattern.lastIndex;
  }
  return tokens;
}

function tokenOf({
  name,
  number,
  quoted,
  json,
  raw,
  mark,
}: Readonly<Record<string, string | undefined>>): Token | undefined {
  if (name !== undefined) return { kind: "name", text: name };
  if (number !== undefined) return { kind: "number", value: Number(number) };
  if (raw !== undefined) return { kind: "literal", value: raw };
  if (mark !== undefined) return { kind: "mark", text: mark };
  try {
    if (quoted !== undefined) return { kind: "name", text: JSON.parse(`"${quoted}"`) as string };
    return { kind: "literal", value: JSON.parse(json ?? "") };
  } catch {
    return undefined;
  }
}
