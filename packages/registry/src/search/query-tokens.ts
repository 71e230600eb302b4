import { queryInvalid } from "../errors.ts";

/** A word of a filter or of an order. */
export interface QueryToken {
  /** `text`: in single quotes. `name`: bare, or with parts in double quotes or backticks. */
  readonly kind: "name" | "text" | "number" | "operator" | "open" | "close" | "comma";
  /** As it was written, quotes and all. */
  readonly raw: string;
  readonly start: number;
}

/** Longest filter, and longest order, in UTF-16 units. */
export const longestQuery = 65_536;

const space = /\s+/y;
const single = /'(?:[^']|'')*'/y;
const numeral = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\p{L}\p{N}_.])/uy;
const name =
  /(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`|[-+]?[\p{L}\p{N}_$@])(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`|[\p{L}\p{N}_$@.\-+/:#&])*/uy;
const operator = /[=!<>~]+/y;
// oxlint-disable-next-line no-control-regex -- the character is what is looked for.
const unsuitable = /\u0000|\p{Surrogate}/u;

const punctuation: Readonly<Record<string, QueryToken["kind"]>> = { "(": "open", ")": "close", ",": "comma" };

/** Throws `REGISTRY_QUERY_INVALID` for what has no words: a quote that is not closed, a character of no meaning. */
export function tokenize(query: string): readonly QueryToken[] {
  if (typeof query !== "string") throw new TypeError(`A filter or an order is a text, not ${typeof query}.`);
  if (query.length > longestQuery)
    throw queryInvalid(`A filter or an order has at most ${longestQuery} characters, not ${query.length}.`);
  if (unsuitable.test(query)) throw queryInvalid("A filter or an order holds a character that no text can hold.");
  const tokens: QueryToken[] = [];
  let position = 0;
  while (position < query.length) {
    const blank = matchAt(space, query, position);
    position += blank.length;
    if (position >= query.length) break;
    const token = tokenAt(query, position);
    tokens.push(token);
    position += token.raw.length;
  }
  return tokens;
}

function tokenAt(query: string, start: number): QueryToken {
  const mark = punctuation[query[start] as string];
  if (mark !== undefined) return { kind: mark, raw: query[start] as string, start };
  const kinds = [
    ["text", single],
    ["number", numeral],
    ["name", name],
    ["operator", operator],
  ] as const;
  for (const [kind, pattern] of kinds) {
    const raw = matchAt(pattern, query, start);
    if (raw !== "") return { kind, raw, start };
  }
  throw queryInvalid(`Invalid clause(s) in filter string: '${query.slice(start, start + 40)}'`);
}

function matchAt(pattern: RegExp, text: string, position: number): string {
  pattern.lastIndex = position;
  return pattern.exec(text)?.[0] ?? "";
}

/** A text without its quotes; a quote written twice stands for one. @returns undefined where it is not quoted as a whole. */
export function unquote(raw: string, quotes: string): string | undefined {
  const quote = raw[0] ?? "";
  if (quote === "" || !quotes.includes(quote) || raw.length < 2 || !raw.endsWith(quote)) return undefined;
  const inner = raw.slice(1, -1);
  const bare = inner.replaceAll(quote + quote, "");
  return bare.includes(quote) ? undefined : inner.replaceAll(quote + quote, quote);
}
