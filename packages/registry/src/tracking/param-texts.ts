import { type JsonValue, decodeNumbers } from "@millwright/contracts";

/**
 * A param as a search compares it. @param json The value as it is stored: JSON, with numbers that JSON lacks encoded.
 * @returns `text`: a text without its quotes, `NaN` and the infinities by their names, anything else as JSON; `number`: the finite number it is or
 * spells, or null.
 */
export function paramTexts(json: string): { readonly text: string; readonly number: number | null } {
  const value = decodeNumbers(JSON.parse(json)) as JsonValue;
  const text = typeof value === "string" ? value : typeof value === "number" ? plainNumber(value) : json;
  const isNumeric = typeof value === "number" || (typeof value === "string" && value.trim() !== "");
  const number = isNumeric ? Number(value) : Number.NaN;
  return { text, number: Number.isFinite(number) ? number : null };
}

const plainNumber = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));
