import type { Clock, IdSource, JobLimits } from "@millwright/contracts";
import type { JobTelemetry } from "./devices/job-telemetry.ts";
import type { Executor } from "./executor.ts";
import type { EventJournal } from "./event-journal.ts";
import type { Slot, Slots } from "./slots.ts";
import type { StateEvents } from "./state-events.ts";
import type { InterruptionNotice, NoticeOptions } from "./supervision/interruption-notice.ts";
import type { WarmPool } from "./supervision/warm-pool.ts";

/** What all jobs of a launcher share. */
export interface Supervisor {
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly slots: Slots;
  readonly executor: Executor;
  /** What measures an attempt. */
  readonly watch: (slot: Slot, limits: JobLimits | undefined, journal: EventJournal) => JobTelemetry;
  /** Whether a job sees the devices that are lent to it and no others. */
  readonly exclusiveDevices: boolean;
  readonly parentEnvironment: Readonly<Record<string, string | undefined>>;
  readonly retryDelayMs: number;
  readonly memoryPollMs: number;
  /** Told of every state after it is durable; undefined while there is no log. */
  events: StateEvents | undefined;
  /** Processes that wait for another job. */
  readonly warm: WarmPool;
  readonly notice: InterruptionNotice;
  readonly noticeOptions: NoticeOptions;
}
