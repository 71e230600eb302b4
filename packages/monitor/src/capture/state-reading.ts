/** What parsers of states ask of JSON: each throws a `TypeError` for what is something else. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("an object is missing");
  return value as Readonly<Record<string, unknown>>;
}

export function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError("a list is missing");
  return value as readonly unknown[];
}

export function textOf(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("a text is missing");
  return value;
}

export function numberOf(value: unknown): number {
  if (typeof value !== "number") throw new TypeError("a number is missing");
  return value;
}

export function tuple(value: unknown, length: number): readonly number[] {
  const items = listOf(value).map(numberOf);
  if (items.length !== length) throw new TypeError(`a list has ${items.length} numbers, not ${length}`);
  return items;
}
