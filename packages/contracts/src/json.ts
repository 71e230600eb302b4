/** A value that JSON can carry. Numbers outside JSON (NaN, infinities, −0, 64-bit integers) go through `encodeNumbers`. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: JsonValue;
}
