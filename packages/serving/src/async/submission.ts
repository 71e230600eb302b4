import { createHash } from "node:crypto";
import { canonicalJson } from "@millwright/contracts";
import { bodyTooLarge } from "../errors.ts";
import { keyReused } from "../cache/cache-errors.ts";
import { asyncInvalid } from "./async-errors.ts";
import type { AsyncSpec, JobRow } from "./async-job.ts";
import type { AsyncEndpointOptions, AsyncRequest } from "./async-options.ts";
import type { PayloadStore } from "./payload-store.ts";

export interface SubmissionSite {
  readonly payloads: PayloadStore;
  readonly maxPayloadBytes: number;
  /** A new id. */
  next(): string;
  readonly nowMs: number;
}

const longestTimeoutMs = 3_600_000;
const longestTtlMs = 31_536_000_000;

/** Checks a request, and keeps its body. @returns its row, and what takes the body away again. Throws as `submit` does. */
export async function rowOf(
  endpoint: string,
  request: AsyncRequest,
  options: AsyncEndpointOptions,
  site: SubmissionSite,
  signal: AbortSignal | undefined,
): Promise<{ readonly row: JobRow; discard(): Promise<void> }> {
  const asked = checked(request, options);
  const id = idOf(endpoint, request, site);
  const name = safeName(id);
  const folder = safeName(endpoint);
  const { payloads, nowMs } = site;
  const kept =
    request.inputLocation === undefined
      ? await keepBody(`${folder}/inputs/${name}-${site.next()}.in`, request.body ?? "", site, signal)
      : undefined;
  const inputLocation = kept?.location ?? (request.inputLocation as string);
  const spec: AsyncSpec = {
    ...asked,
    inputLocation,
    owned: kept !== undefined,
    outputLocation: payloads.locationOf(`${folder}/${name}.out`),
    failureLocation: payloads.locationOf(`${folder}/${name}-error.out`),
  };
  const { contentType, accept, attributes } = asked;
  const same = [endpoint, kept?.digest ?? inputLocation, contentType, accept ?? null, attributes ?? null];
  const row: JobRow = {
    id,
    endpoint,
    state: "waiting",
    priority: request.priority ?? 0,
    submitted_ms: nowMs,
    available_ms: nowMs,
    expires_ms: nowMs + asked.ttlMs,
    attempts: 0,
    fence: 0,
    lease_ms: 0,
    fingerprint: sha256(canonicalJson(same)),
    spec: JSON.stringify(spec),
    outcome: null,
    started_ms: null,
    ended_ms: null,
    notification_id: null,
    notified: 0,
    notify_ms: 0,
  };
  return { row, discard: async () => (kept === undefined ? undefined : payloads.delete(kept.location)) };
}

/** Throws `SERVING_IDEMPOTENCY_KEY_REUSED` where what is there asks for something else. */
export function checkSame(there: JobRow, row: JobRow, request: AsyncRequest): void {
  if (there.fingerprint !== row.fingerprint) throw keyReused(request.idempotencyKey ?? row.id);
}

type Checked = Omit<AsyncSpec, "inputLocation" | "owned" | "outputLocation" | "failureLocation">;

function checked(request: AsyncRequest, options: AsyncEndpointOptions): Checked {
  const { contentType = "application/json", accept, customAttributes } = request;
  const { timeoutMs = options.timeoutMs ?? 900_000, ttlMs = options.ttlMs ?? 21_600_000 } = request;
  checkNames(request);
  const headers = [contentType, accept ?? "", customAttributes ?? ""];
  if (!headers.every(isHeader)) {
    const remedy = "Give text of one line, of at most 1,024 ASCII characters.";
    throw asyncInvalid("`contentType`, `accept` or `customAttributes` is no value of a header", remedy);
  }
  if (!(timeoutMs >= 1 && timeoutMs <= longestTimeoutMs))
    throw asyncInvalid(`\`timeoutMs\` is ${String(timeoutMs)}`, "Give 1 to 3,600,000.");
  if (!(ttlMs >= 1 && ttlMs <= longestTtlMs))
    throw asyncInvalid(`\`ttlMs\` is ${String(ttlMs)}`, "Give 1 to 31,536,000,000, a year.");
  return {
    contentType,
    ...(accept === undefined ? {} : { accept }),
    ...(customAttributes === undefined ? {} : { attributes: customAttributes }),
    timeoutMs: Math.ceil(timeoutMs),
    ttlMs: Math.ceil(ttlMs),
    maxAttempts: options.maxAttempts ?? 3,
  };
}

function checkNames({ body, inputLocation, inferenceId, idempotencyKey, priority = 0 }: AsyncRequest): void {
  if ((body === undefined) === (inputLocation === undefined))
    throw asyncInvalid("it needs a body or an `inputLocation`, not both", "Give one of them.");
  if (inputLocation !== undefined && !(typeof inputLocation === "string" && /^.{1,1024}$/.test(inputLocation)))
    throw asyncInvalid("`inputLocation` is no location", "Give a URL of 1 to 1,024 characters.");
  if (inferenceId !== undefined && !isVisible(inferenceId, 64))
    throw asyncInvalid("`inferenceId` has not 1 to 64 visible ASCII characters", "Take another, or leave it out.");
  if (idempotencyKey !== undefined && !isVisible(idempotencyKey, 256))
    throw asyncInvalid("`idempotencyKey` has not 1 to 256 visible ASCII characters", "Take another.");
  if (!Number.isInteger(priority) || Math.abs(priority) > 1_000_000)
    throw asyncInvalid("`priority` is no whole number", "Give one within a million of 0.");
}

const isVisible = (text: unknown, most: number): boolean =>
  typeof text === "string" && text.length <= most && /^[\x21-\x7e]+$/.test(text);
const isHeader = (text: unknown): boolean =>
  typeof text === "string" && text.length <= 1024 && /^[\x20-\x7e]*$/.test(text);

function idOf(endpoint: string, { inferenceId, idempotencyKey }: AsyncRequest, site: SubmissionSite): string {
  if (inferenceId !== undefined) return inferenceId;
  if (idempotencyKey === undefined) return site.next();
  return `key-${sha256(canonicalJson([endpoint, idempotencyKey])).slice(0, 40)}`;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A part of a path on every system: as it is where it is one, else by its hash. */
export const safeName = (text: string): string =>
  /^[a-z0-9][a-z0-9-]{0,63}$/.test(text) && !/^(?:con|prn|aux|nul|com\d|lpt\d)$/.test(text)
    ? text
    : sha256(text).slice(0, 40);

async function keepBody(
  name: string,
  body: NonNullable<AsyncRequest["body"]>,
  { payloads, maxPayloadBytes }: SubmissionSite,
  signal: AbortSignal | undefined,
): Promise<{ readonly location: string; readonly digest: string }> {
  const location = payloads.locationOf(name);
  const hash = createHash("sha256");
  let size = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void> {
    for await (const piece of piecesOf(body)) {
      size += piece.length;
      if (size > maxPayloadBytes) throw bodyTooLarge(maxPayloadBytes);
      hash.update(piece);
      yield piece;
    }
  }
  await payloads.write(location, counted(), { signal });
  return { location, digest: hash.digest("hex") };
}

async function* piecesOf(body: NonNullable<AsyncRequest["body"]>): AsyncGenerator<Uint8Array, void> {
  if (typeof body === "string") yield Buffer.from(body, "utf8");
  else if (body instanceof Uint8Array) yield body;
  else if (typeof body === "object" && Symbol.asyncIterator in body) {
    for await (const piece of body) {
      if (!(piece instanceof Uint8Array))
        throw asyncInvalid("its body gives what are no bytes", "Give pieces of Uint8Array.");
      yield piece;
    }
  } else throw asyncInvalid("its body is neither text nor bytes", "Give text, a Uint8Array, or an iterable of those.");
}
