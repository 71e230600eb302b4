import { type CallOptions, type Clock, isFinalJobState } from "@millwright/contracts";
import type { Mask } from "../environment.ts";
import type { EventJournal } from "../event-journal.ts";
import type { NumberedEvent } from "../event-window.ts";
import type { JobRecord } from "../job-record.ts";
import { createLineSink } from "../line-sink.ts";
import type { WorkerPhase } from "../protocol.ts";
import { LineTail } from "../supervision/out-of-memory.ts";
import type { AttemptName, Cluster, LogPart } from "./cluster.ts";
import { type OutputFrame, readLine } from "./job-lines.ts";
import type { Heard } from "./verdict.ts";

/** Most characters of a line; of a longer one the beginning is kept. */
const longestLine = 16_384;
const batchLength = 256;

type Positions = Map<"stdout" | "stderr", string>;

/** Where reading the output of the attempt that runs goes on, by what is on disk of it. */
export function positionsIn(events: readonly NumberedEvent[]): Positions {
  const positions: Positions = new Map();
  for (const { event, at } of events) {
    if (event.kind === "state" && (event.state === "starting" || isFinalJobState(event.state))) positions.clear();
    const [stream, ...position] = at?.split("|") ?? [];
    if (stream === "stdout" || stream === "stderr") positions.set(stream, position.join("|"));
  }
  return positions;
}

export interface RemoteLogOptions {
  readonly cluster: Cluster;
  readonly record: Pick<JobRecord, "spec">;
  readonly journal: EventJournal;
  readonly clock: Clock;
  readonly mask: Mask;
  /** Where another process of ours left off reading; empty for an attempt that begins. */
  readonly positions: Positions;
  readonly mark: string;
  readonly onPhase: (phase: WorkerPhase) => void;
}

/** Reads the output of one attempt: its lines into the journal, its frames to where they belong. */
export class RemoteLog {
  readonly heard: Heard = {};
  /** Of the module, as it last said. */
  rssBytes = 0;
  /** Grows with everything that is read. */
  lives = 0;
  readonly #options: RemoteLogOptions;
  readonly #positions: Positions;
  readonly #tail = new LineTail();
  readonly #resumed: boolean;

  constructor(options: RemoteLogOptions) {
    this.#options = options;
    this.#positions = new Map(options.positions);
    this.#resumed = options.positions.size > 0;
  }

  /** Reads what came since the last time. Throws what the cluster throws. */
  async read(attempt: AttemptName, ended: boolean, options: CallOptions): Promise<void> {
    const { cluster, journal } = this.#options;
    let batch: LogPart[] = [];
    for await (const part of cluster.readLog(attempt, this.#positions, ended, options)) {
      batch.push(part);
      if (batch.length < batchLength) continue;
      this.#take(batch);
      batch = [];
      await journal.room();
    }
    this.#take(batch);
    // What the last frames said was read before this process was there: a second look shows it again.
    if (ended && this.#resumed && this.heard.exit === undefined)
      for await (const { line } of cluster.readLog(attempt, new Map(), ended, options))
        this.#hear(readLine(line, this.#options.mark).frame);
    this.heard.lines = this.#tail.text;
  }

  /** In one go, so that a batch comes to the disk as one write: a crash leaves its lines and their metrics together. */
  #take(batch: readonly LogPart[]): void {
    const { journal, clock, mask, record, mark } = this.#options;
    let at: string | undefined;
    const sink = createLineSink({
      journal: { push: (event) => journal.push(event, at) },
      clock,
      mask,
      metrics: record.spec.metrics ?? [],
    });
    for (const { stream, line, position } of batch) {
      at = `${stream}|${position}`;
      const { text, frame } = readLine(line, mark);
      if (text !== undefined) this.#tail.push(text);
      if (text !== undefined) sink.take(stream, text.slice(0, longestLine), text.length > longestLine);
      if (frame !== undefined) this.#follow(frame, at);
      this.#positions.set(stream, position);
      this.lives += 1;
    }
    sink.flush();
  }

  #follow(frame: OutputFrame, at: string): void {
    const { journal, clock, onPhase } = this.#options;
    this.#hear(frame);
    if (frame.type === "hello") onPhase("training");
    else if (frame.type === "phase") onPhase(frame.state);
    else if (frame.type === "heartbeat") this.rssBytes = frame.rssBytes;
    else if (frame.type === "message") journal.push({ kind: "message", body: frame.body, timeMs: clock.nowMs() }, at);
    else if (frame.type === "metric") {
      const { type: _, value, ...metric } = frame;
      journal.push({ kind: "metric", ...metric, value: Number(value), timeMs: clock.nowMs() }, at);
    }
  }

  #hear(frame: OutputFrame | undefined): void {
    const { mask } = this.#options;
    if (frame?.type === "result") this.heard.result ??= { value: frame.value };
    else if (frame?.type === "failure") this.heard.failure ??= { ...frame.error, message: mask(frame.error.message) };
    else if (frame?.type === "interrupted" || frame?.type === "notice") this.heard.interruption ??= frame.reason;
    else if (frame?.type === "size") this.heard.size = frame.size;
    else if (frame?.type === "written") this.heard.written ??= mask(frame.text);
    else if (frame?.type === "exit") this.heard.exit ??= { code: frame.code, overTime: frame.overTime };
  }
}
