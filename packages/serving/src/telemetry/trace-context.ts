import { type IdSource, hashSeed } from "@millwright/contracts";

/** W3C Trace Context, level 1: a trace, the span in it that calls, and flags (bit 0: sampled). */
export interface TraceContext {
  /** 32 lower-case hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** 16 of them. */
  readonly spanId: string;
  /** Two of them. */
  readonly flags: string;
}

/** @returns `undefined` for what is no `traceparent`, which then begins a trace of its own; of later versions what level 1 knows. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const parts = text === undefined ? null : /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/.exec(text);
  if (parts === null) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", rest] = parts;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, flags };
}

export const formatTraceparent = ({ traceId, spanId, flags }: TraceContext): string =>
  `00-${traceId}-${spanId}-${flags}`;

/** What stands under the caller's span: the same trace, a span of our own. @returns `undefined` for what is no `traceparent`. */
export function childTraceparent(text: string, ids: IdSource): string | undefined {
  const parent = parseTraceparent(text);
  return parent === undefined ? undefined : formatTraceparent({ ...parent, spanId: spanIdOf(ids.next()) });
}

/** The random end of a UUID; of other ids their hash. */
function spanIdOf(id: string): string {
  const digits = id.replaceAll("-", "");
  if (/^[\da-f]{32}$/.test(digits)) return digits.slice(16);
  const high = hashSeed(id, 1);
  return `${hex8(high)}${hex8(hashSeed(id, high) | 1)}`;
}

const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
