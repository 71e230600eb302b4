import { isRecord } from "./message.ts";
import { invalid } from "./refusal.ts";

/** Where a page begins. Throws a refusal for a token that was not given out. */
export function offsetOf(token: string | undefined): number {
  if (token === undefined || token === "") return 0;
  try {
    const value: unknown = JSON.parse(Buffer.from(token, "base64").toString("utf8"));
    if (isRecord(value) && Number.isSafeInteger(value["offset"]) && (value["offset"] as number) >= 0)
      return value["offset"] as number;
  } catch {
    // It is told below.
  }
  throw invalid("Invalid page token, could not base64-decode");
}

/** What a page of a list is answered with: its part, and the token of the next where there is one. */
export function pageOf<Item>(
  items: readonly Item[],
  offset: number,
  size: number,
): { readonly page: readonly Item[]; readonly next: { readonly next_page_token?: string } } {
  const end = offset + size;
  return { page: items.slice(offset, end), next: end < items.length ? { next_page_token: tokenOf(end) } : {} };
}

export const tokenOf = (offset: number): string => Buffer.from(JSON.stringify({ offset })).toString("base64");

/** A list under its name; none where it is empty, as the protocol has it. */
export const listed = <Item>(name: string, items: readonly Item[]): Readonly<Record<string, readonly Item[]>> =>
  items.length === 0 ? {} : { [name]: items };
