/**
 * The one text of a JSON value, by RFC 8785 (JSON Canonicalization Scheme): keys in UTF-16 code-unit order, no white space, numbers as
 * ECMAScript writes them. Properties that are `undefined` are left out, as `JSON.stringify` does.
 * @throws TypeError for what JSON cannot carry: NaN, infinities, bigint, functions, symbols, lone surrogates, cycles, `undefined` in an array,
 * objects other than plain ones (a `Date`, a `Map`, a typed array).
 */
export function canonicalJson(value: unknown): string {
  return write(value, "$", []);
}

function write(value: unknown, path: string, above: readonly object[]): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return writeString(value, path);
  if (typeof value === "number") return writeNumber(value, path);
  if (typeof value !== "object") throw new TypeError(`JSON cannot carry the ${typeof value} at ${path}.`);
  if (above.includes(value)) throw new TypeError(`JSON cannot carry the cycle at ${path}.`);
  const nested = [...above, value];
  if (Array.isArray(value)) {
    return `[${Array.from(value, (item, index) => write(item, `${path}[${index}]`, nested)).join(",")}]`;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  // An object from another realm has another Object.prototype, whose own prototype is null as well.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new TypeError(`JSON cannot carry the ${value.constructor.name} at ${path}.`);
  }
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, member]) => `${writeString(key, path)}:${write(member, `${path}.${key}`, nested)}`);
  return `{${members.join(",")}}`;
}

function writeString(text: string, path: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new TypeError(`JSON cannot carry the lone surrogate at ${path}.`);
  return JSON.stringify(text);
}

function writeNumber(number: number, path: string): string {
  if (!Number.isFinite(number)) throw new TypeError(`JSON cannot carry ${number} at ${path}; use encodeNumbers first.`);
  return JSON.stringify(number);
}
