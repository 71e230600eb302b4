import type { CallOptions } from "@millwright/contracts";
import { alertmanagerUnreachable } from "../errors.ts";

/** One Alertmanager; of a cluster, each of its members. */
export interface AlertmanagerTarget {
  /** `http://alertmanager:9093`, with its route prefix where it has one. */
  readonly url: string;
  /** Sent along: `{ authorization: "Bearer …" }`. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface AlertmanagerCallOptions {
  /** Default: the machine's own. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** How long an answer may take, milliseconds. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
}

export function checkTarget({ url }: AlertmanagerTarget): void {
  if (typeof url !== "string" || !/^https?:\/\//.test(url))
    throw new TypeError(`\`url\` is the http or https address of an Alertmanager, not ${JSON.stringify(url)}.`);
}

export function checkTimes(times: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(times))
    if (!(value > 0 && value <= 86_400_000))
      throw new RangeError(`\`${name}\` must be in (0, 86400000], not ${value}.`);
}

/** Calls its API v2. Throws `MONITOR_ALERTMANAGER_UNREACHABLE`, and the signal's reason. */
export async function callAlertmanager(
  path: string,
  { url, headers }: AlertmanagerTarget,
  {
    fetch = globalThis.fetch,
    timeoutMs = 10_000,
    signal,
    body,
  }: AlertmanagerCallOptions & CallOptions & { readonly body?: unknown },
): Promise<unknown> {
  signal?.throwIfAborted();
  const target = `${url.replace(/\/+$/, "")}/api/v2/${path}`;
  const timeout = AbortSignal.timeout(timeoutMs);
  let reply: Response;
  try {
    reply = await fetch(target, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    const text = await reply.text();
    if (!reply.ok)
      throw alertmanagerUnreachable(target, `it answers ${reply.status}: ${text.slice(0, 300)}`, reply.status);
    return text === "" ? undefined : (JSON.parse(text) as unknown);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof Error && "code" in error && error.code === "MONITOR_ALERTMANAGER_UNREACHABLE") throw error;
    throw alertmanagerUnreachable(target, error instanceof Error ? error.message : String(error), undefined, error);
  }
}
