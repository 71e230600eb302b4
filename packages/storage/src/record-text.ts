import type { JsonValue } from "@millwright/contracts";

/** A value as it is stored. Refuses what JSON would silently change. */
export function recordText(value: JsonValue): string {
  const text = JSON.stringify(value, (_, member: unknown) => {
    if (typeof member === "number" && (!Number.isFinite(member) || Object.is(member, -0))) {
      throw new RangeError(`JSON cannot carry ${Object.is(member, -0) ? "-0" : member}: use encodeNumbers first.`);
    }
    return member;
  }) as string | undefined;
  if (text === undefined) throw new TypeError("undefined is no JSON value; delete the record instead.");
  return text;
}

/** Two keys with lone surrogates would be stored as the same bytes. */
export function checkKey(key: string): void {
  if (/\p{Surrogate}/u.test(key)) throw new RangeError("A key must be well-formed Unicode.");
}
