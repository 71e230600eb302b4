import type { Clock, Logger } from "@millwright/contracts";
import type { AsyncInstruments } from "./async-instruments.ts";
import { type JobRow, jobOf, outcomeOf, specOf } from "./async-job.ts";
import type { AsyncInferenceOptions, AsyncNotification } from "./async-options.ts";
import type { JobTable } from "./job-table.ts";

export interface NotifierSite {
  readonly table: JobTable;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly instruments: AsyncInstruments;
  readonly pollMs: number;
  readonly notify: AsyncInferenceOptions["notify"];
}

/** How long one may take to be told, before it is told again. */
const againMs = 30_000;
/** After a failure. */
const repeatMs = 1_000;

/** Tells of ends until they were taken. */
export class Notifier {
  readonly #site: NotifierSite;
  readonly #leave = new AbortController();
  #wake = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(site: NotifierSite) {
    this.#site = site;
  }

  /** Without anybody to tell it leaves the telling to other processes. */
  start(): void {
    if (this.#site.notify === undefined) return;
    this.#loop = this.#run();
  }

  wake(): void {
    this.#wake.abort();
  }

  /** Whom nobody told of yet is told of by whoever opens the queue next. */
  async stop(): Promise<void> {
    this.#leave.abort();
    this.wake();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, pollMs, logger } = this.#site;
    while (!this.#leave.signal.aborted) {
      this.#wake = new AbortController();
      const { signal } = this.#wake;
      try {
        while (!this.#leave.signal.aborted && (await this.#tellOne()));
      } catch (error) {
        logger.warn({ error }, "the notifications of async requests could not be read");
      }
      if (!this.#leave.signal.aborted) await clock.sleep(pollMs, { signal }).catch(() => undefined);
    }
  }

  async #tellOne(): Promise<boolean> {
    const { table, clock, notify, instruments, logger } = this.#site;
    const row = await table.nextToNotify(clock.nowMs(), clock.nowMs() + againMs);
    if (row?.notification_id == null) return false;
    try {
      await notify?.(notificationOf(row), { signal: this.#leave.signal });
    } catch (error) {
      instruments.notificationFailed(row.endpoint);
      logger.warn({ endpoint: row.endpoint, id: row.id, error }, "an end was not taken notice of, and is told again");
      await table.postpone(row.id, row.notification_id, clock.nowMs() + repeatMs);
      return true;
    }
    await table.notified(row.id, row.notification_id);
    return true;
  }
}

/** As SageMaker's topics for success and error tell it. */
export function notificationOf(row: JobRow): AsyncNotification {
  const job = jobOf(row);
  const spec = specOf(row);
  const { contentType, errorCode } = outcomeOf(row);
  const completed = row.state === "completed";
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    id: row.notification_id ?? "",
    outcome: completed ? "success" : "error",
    job: { ...job, notified: true },
    message: {
      eventVersion: "1.0",
      eventSource: "aws:sagemaker",
      eventName: "InferenceResult",
      eventTime: time(row.ended_ms ?? row.submitted_ms),
      receivedTime: time(row.submitted_ms),
      invocationStatus: completed ? "Completed" : "Failed",
      ...(completed ? {} : { failureReason: errorCode ?? row.state }),
      requestParameters: {
        contentType: spec.contentType,
        endpointName: row.endpoint,
        inputLocation: spec.inputLocation,
        ...(spec.accept === undefined ? {} : { accept: spec.accept }),
      },
      responseParameters: completed
        ? { contentType: contentType ?? "application/octet-stream", outputLocation: spec.outputLocation }
        : { failureLocation: spec.failureLocation },
      inferenceId: row.id,
    },
  };
}
