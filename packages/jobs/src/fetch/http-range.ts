import type { Digest } from "@millwright/contracts";

/** The part of the platform's `fetch` that is called. */
export type HttpFetch = (
  url: string,
  init: {
    readonly headers: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
    readonly redirect: "follow";
  },
) => Promise<HttpResponse>;

export interface HttpResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: ReadableStream<Uint8Array> | null;
}

/** What a response says of the bytes it brings. */
export interface ContentSpan {
  /** Of its first byte. */
  readonly start: number;
  /** Bytes of the whole file; undefined where it is not said. */
  readonly total: number | undefined;
  /** Whether the server gives parts at all. */
  readonly ranged: boolean;
}

/** What tells one content of an address from another. */
export interface Validators {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

export const validatorsOf = ({ headers }: HttpResponse): Validators => {
  const [etag, lastModified] = [headers.get("etag") ?? undefined, headers.get("last-modified") ?? undefined];
  return { ...(etag === undefined ? {} : { etag }), ...(lastModified === undefined ? {} : { lastModified }) };
};

/** Whether two responses are of one content, as far as they say. */
export const sameContent = (a: Validators, b: Validators): boolean =>
  a.etag !== undefined && b.etag !== undefined
    ? a.etag === b.etag
    : a.lastModified === b.lastModified || a.lastModified === undefined || b.lastModified === undefined;

/** What `If-Range` may be: a strong ETag, or a date (RFC 9110, 13.1.5). */
export const ifRangeOf = ({ etag, lastModified }: Validators): string | undefined =>
  etag !== undefined && !etag.startsWith("W/") ? etag : etag === undefined ? lastModified : undefined;

/** @returns undefined where the response says it brings something else than it was asked for. */
export function spanOf({ status, headers }: HttpResponse, start: number): ContentSpan | undefined {
  if (status === 200) {
    const length = headers.get("content-length");
    const encoded = (headers.get("content-encoding") ?? "identity") !== "identity";
    return {
      start: 0,
      total: length === null || encoded || !/^\d+$/.test(length) ? undefined : Number(length),
      ranged: false,
    };
  }
  const found = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get("content-range") ?? "");
  if (status !== 206 || found === null || Number(found[1]) !== start) return undefined;
  return { start, total: found[3] === "*" ? undefined : Number(found[3]), ranged: true };
}

/** The digest of the response's own bytes, where it has one (RFC 9530). */
export function contentDigestOf({ headers }: HttpResponse): Digest | undefined {
  const found = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):/.exec(headers.get("content-digest") ?? "")?.[1];
  return found === undefined ? undefined : (`sha256:${Buffer.from(found, "base64").toString("hex")}` as Digest);
}

/** Milliseconds that the server asks to wait (RFC 9110, 10.2.3); 0 where it does not. */
export function retryAfterMs({ headers }: HttpResponse, nowMs: number): number {
  const asked = headers.get("retry-after");
  if (asked === null) return 0;
  const seconds = Number(asked);
  const wait = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(asked) - nowMs;
  return Number.isFinite(wait) ? Math.max(0, wait) : 0;
}
