import type { CallOptions, NumericValue } from "@millwright/contracts";
import { queryInvalid } from "../errors.ts";
import { type Condition, parseFilter } from "./filter.ts";
import type { SearchGrammar } from "./grammar.ts";
import { type OrderTerm, parseOrder } from "./order.ts";
import { type PagePosition, readPageToken, writePageToken } from "./page-token.ts";
import type { SearchPage } from "./search-page.ts";

/** What a search looks for, and which page of it. */
export interface SearchOptions extends CallOptions {
  /** Comparisons joined by AND and OR, as the guide of the registry describes them. Default: everything. */
  readonly filter?: string | undefined;
  /** Fields, each with `ASC` or `DESC` behind it. Records without a field come last, NaN just before them. */
  readonly orderBy?: readonly string[] | undefined;
  /** Most records of a page, 1 to 50,000. Default: 100. */
  readonly limit?: number | undefined;
  /** `nextPageToken` of the page before, of the same query. */
  readonly pageToken?: string | undefined;
}

/** A query understood. */
export interface ParsedSearch {
  readonly condition: Condition | undefined;
  readonly order: readonly OrderTerm[];
  readonly limit: number;
  readonly after: PagePosition | undefined;
  /** The token of the page after. */
  tokenOf(page: SearchPage<object>): string | undefined;
}

const mostRecords = 50_000;

/**
 * Throws `REGISTRY_QUERY_INVALID`, and `REGISTRY_PAGE_TOKEN_INVALID` for a token of another query.
 * @param query What else makes it another list: what is searched, and where.
 */
export function parseSearch(options: SearchOptions, grammar: SearchGrammar, query: NumericValue): ParsedSearch {
  const { filter = "", orderBy = [], limit = 100, pageToken } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > mostRecords)
    throw queryInvalid(`The limit of a page is an integer from 1 to ${mostRecords}, not ${String(limit)}.`);
  const condition = parseFilter(filter, grammar);
  const order = parseOrder(orderBy, grammar);
  const whole = [grammar.language, filter, [...orderBy], query];
  return {
    condition,
    order,
    limit,
    after: pageToken === undefined ? undefined : readPageToken(pageToken, whole),
    tokenOf: ({ next }) => (next === undefined ? undefined : writePageToken(next, whole)),
  };
}
