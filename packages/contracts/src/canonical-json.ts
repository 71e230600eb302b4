/**
 * The one text of a JSON value, by RFC 8785 (JSON Canonicalization Scheme): keys in UTF-16 code-unit order, no white space, numbers as
 * ECMAScript writes them. Properties that are `undefined` are left out, as `JSON.stringify` does.
 * @throws TypeError for what JSON cannot carry: NaN, infinities, bigint, functions, symbols, lone surrogates, cycles, `undefined` in an array,
 * objects other than plain ones (a `Date`, a `Map`, a typed array).
 */
export function canonicalJson(value: unknown): string {
  return write(value, { objects: [], keys: [] });
}

/** The objects that a value stands in, and under which keys. */
interface Place {
  readonly objects: object[];
  readonly keys: (string | number)[];
}

const pathOf = ({ keys }: Place): string =>
  keys.reduce<string>((path, key) => path + (typeof key === "number" ? `[${key}]` : `.${key}`), "$");

function write(value: unknown, place: Place): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return writeString(value, place);
  if (typeof value === "number") return writeNumber(value, place);
  if (typeof value !== "object") throw new TypeError(`JSON cannot carry the ${typeof value} at ${pathOf(place)}.`);
  const { objects } = place;
  if (objects.includes(value)) throw new TypeError(`JSON cannot carry the cycle at ${pathOf(place)}.`);
  objects.push(value);
  const text = Array.isArray(value) ? writeArray(value, place) : writeObject(value, place);
  objects.pop();
  return text;
}

function writeArray(items: readonly unknown[], place: Place): string {
  let list = "";
  for (let index = 0; index < items.length; index += 1) {
    place.keys.push(index);
    list += index === 0 ? write(items[index], place) : `,${write(items[index], place)}`;
    place.keys.pop();
  }
  return `[${list}]`;
}

function writeObject(value: object, place: Place): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  // An object from another realm has another Object.prototype, whose own prototype is null as well.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw new TypeError(`JSON cannot carry the ${value.constructor.name} at ${pathOf(place)}.`);
  let members = "";
  // Code units are what the default order goes by.
  for (const key of Object.keys(value).toSorted()) {
    const member = (value as Readonly<Record<string, unknown>>)[key];
    if (member === undefined) continue;
    const name = writeString(key, place);
    place.keys.push(key);
    members += `${members === "" ? "" : ","}${name}:${write(member, place)}`;
    place.keys.pop();
  }
  return `{${members}}`;
}

function writeString(text: string, place: Place): string {
  if (/\p{Surrogate}/u.test(text)) throw new TypeError(`JSON cannot carry the lone surrogate at ${pathOf(place)}.`);
  return JSON.stringify(text);
}

function writeNumber(number: number, place: Place): string {
  if (!Number.isFinite(number))
    throw new TypeError(`JSON cannot carry ${number} at ${pathOf(place)}; use encodeNumbers first.`);
  return JSON.stringify(number);
}
