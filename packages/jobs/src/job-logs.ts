import { type CallOptions, readTraceparent } from "@millwright/contracts";
import type { EventJournal } from "./event-journal.ts";
import type { JobRecord } from "./job-record.ts";

/** A line of a job's output, with what it takes to find it again among those of others. */
export interface LogLine {
  readonly timeMs: number;
  readonly stream: "stdout" | "stderr";
  /** At most 16,384 characters, without its line break; secrets are masked. */
  readonly line: string;
  readonly jobId: string;
  /** From 1. */
  readonly attempt: number;
  /** Of the `traceparent` of the job's spec: 32 hexadecimal digits. */
  readonly traceId?: string | undefined;
}

export interface LogOptions extends CallOptions {
  /** Whether to go on with the coming lines until the job ends. Default: false, which ends with the lines there are. */
  readonly follow?: boolean | undefined;
  /** Begins with the newest lines of this number. Default: all that are kept. */
  readonly tail?: number | undefined;
}

/** Gives the lines of a job. */
export async function* walkLogs(
  record: Pick<JobRecord, "spec" | "states">,
  journal: Pick<EventJournal, "walkNumbered">,
  { follow = false, tail, signal }: LogOptions,
): AsyncGenerator<LogLine> {
  const job = { record, journal };
  let from = 0;
  if (tail !== undefined) {
    const newest: (readonly [number, LogLine])[] = [];
    for await (const [sequence, line] of linesOf(job, from, false, signal)) {
      newest.push([sequence, line]);
      if (newest.length > 2 * tail + 64) newest.splice(0, newest.length - tail);
      from = sequence + 1;
    }
    if (tail > 0) for (const [, line] of newest.slice(-tail)) yield line;
    if (!follow) return;
  }
  for await (const [, line] of linesOf(job, from, follow, signal)) yield line;
}

async function* linesOf(
  {
    record,
    journal,
  }: { readonly record: Pick<JobRecord, "spec" | "states">; readonly journal: Pick<EventJournal, "walkNumbered"> },
  from: number,
  follow: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly [number, LogLine]> {
  const { id: jobId, traceparent } = record.spec;
  const traceId = traceparent === undefined ? undefined : readTraceparent(traceparent)?.traceId;
  for await (const { sequence, event } of journal.walkNumbered({ from, follow, signal })) {
    if (event.kind !== "log") continue;
    const { timeMs, stream, line } = event;
    const attempt = record.states.findLast((state) => state.sequence < sequence)?.attempts ?? 0;
    const trace = traceId === undefined ? {} : { traceId };
    yield [sequence, { timeMs, stream, line, jobId, attempt: Math.max(1, attempt), ...trace }];
  }
}
