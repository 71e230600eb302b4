import type { CallOptions, Clock } from "@millwright/contracts";
import { transformInvalid } from "./errors.ts";
import type { TransformCost } from "./slis.ts";

/** When a job may run, every day; from 22:00 to 06:00 is over midnight. */
export interface TransformWindow {
  /** `"22:00"`. */
  readonly from: string;
  /** `"06:00"`; no chunk is begun from then on. */
  readonly to: string;
  /** IANA name. Default: `"UTC"`. */
  readonly timeZone?: string | undefined;
}

/** How fast and how dear a job may be. */
export interface PaceOptions {
  /** Records that are begun in a second, on the average since the job was started. Default: no limit. */
  readonly maxRecordsPerSecond?: number | undefined;
  /** What running costs. Default: nothing. */
  readonly cost?: TransformCost | undefined;
  /** The job stops before it costs more, with what its earlier starts did; started again with more, it goes on. Default: no limit. */
  readonly maxCostUsd?: number | undefined;
  /** Outside it the job waits. Default: always. */
  readonly window?: TransformWindow | undefined;
}

const clockTime = /^([01]\d|2[0-3]):([0-5]\d)$/;

/** Minutes since midnight. Throws `SERVING_TRANSFORM_INVALID`. */
function minutesOf(text: string): number {
  const found = clockTime.exec(text);
  if (found === null)
    throw transformInvalid(`${JSON.stringify(text)} of \`window\` is no time of day`, 'Write it as "22:00".');
  return Number(found[1]) * 60 + Number(found[2]);
}

/** Throws `SERVING_TRANSFORM_INVALID`. */
export function checkPace({ maxRecordsPerSecond = 1, maxCostUsd = 0, window }: PaceOptions): void {
  if (!(maxRecordsPerSecond > 0))
    throw transformInvalid(`\`maxRecordsPerSecond\` is ${maxRecordsPerSecond}`, "Give more than 0.");
  if (!(maxCostUsd >= 0)) throw transformInvalid(`\`maxCostUsd\` is ${maxCostUsd}`, "Give 0 or more.");
  if (window === undefined) return;
  if (minutesOf(window.from) === minutesOf(window.to))
    throw transformInvalid("`window` begins when it ends", "Leave it out to run always.");
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: window.timeZone ?? "UTC" });
  } catch {
    throw transformInvalid(`${JSON.stringify(window.timeZone)} is no time zone`, 'Give a name as "Europe/Vienna".');
  }
}

/** What is known of a chunk before it begins. */
export interface ChunkSize {
  readonly records: number;
  readonly invocations: number;
}

/** Lets chunks begin when they may. */
export class Pace {
  readonly #options: PaceOptions;
  readonly #clock: Clock;
  readonly #dayTime: Intl.DateTimeFormat;
  /** When the records that were let go before are paid for, monotonic. */
  #freeAtMs: number | undefined;
  #waitedMs = 0;
  #underWayUsd = 0;
  #slowestMs = 0;

  constructor(options: PaceOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    const timeZone = options.window?.timeZone ?? "UTC";
    this.#dayTime = new Intl.DateTimeFormat("en-GB", {
      timeZone,
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
  }

  /** How long chunks were kept waiting by the window: not a part of how fast the job is. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Waits until a chunk may begin. @returns why it may not, where the ceiling is reached. */
  async admit(
    chunk: ChunkSize,
    costUsd: () => number,
    isStopping: () => boolean,
    { signal }: CallOptions,
  ): Promise<string | undefined> {
    const { maxRecordsPerSecond } = this.#options;
    await this.#untilOpen(isStopping, signal);
    const dear = this.#isTooDear(chunk, costUsd);
    if (dear !== undefined) return dear;
    this.#underWayUsd += this.#costOf(chunk);
    if (maxRecordsPerSecond === undefined) return undefined;
    const now = this.#clock.monotonicMs();
    const atMs = Math.max(now, this.#freeAtMs ?? now);
    this.#freeAtMs = (this.#freeAtMs ?? now) + (chunk.records / maxRecordsPerSecond) * 1000;
    if (atMs > now) await this.#clock.sleep(atMs - now, { signal });
    return undefined;
  }

  /** A chunk that was let go is over. */
  settle(chunk: ChunkSize): void {
    this.#underWayUsd -= this.#costOf(chunk);
  }

  /** How long a chunk took, in this start or one before. */
  learn(durationMs: number): void {
    this.#slowestMs = Math.max(this.#slowestMs, durationMs);
  }

  /** What chunks cost by what they are, and not by how long they take. */
  #costOf({ records, invocations }: ChunkSize): number {
    const { perInvocation = 0, perThousandRecords = 0 } = this.#options.cost ?? {};
    return perInvocation * invocations + (perThousandRecords * records) / 1000;
  }

  /** What is under way, and this chunk with it, is taken to last as long as the slowest so far. */
  #isTooDear(chunk: ChunkSize, costSoFar: () => number): string | undefined {
    const { maxCostUsd, cost } = this.#options;
    if (maxCostUsd === undefined) return undefined;
    const costUsd = costSoFar();
    const timeUsd = ((cost?.perHour ?? 0) * this.#slowestMs) / 3_600_000;
    const expected = costUsd + this.#underWayUsd + this.#costOf(chunk) + timeUsd;
    // Sums of decimal prices are not exact: a ceiling that is just met is not passed.
    if (expected <= maxCostUsd * (1 + 1e-9)) return undefined;
    return `it has cost ${Number(costUsd.toPrecision(6))} US dollars of ${maxCostUsd}`;
  }

  async #untilOpen(isStopping: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    const { window } = this.#options;
    if (window === undefined) return;
    const [from, to] = [minutesOf(window.from), minutesOf(window.to)];
    const startedMs = this.#clock.monotonicMs();
    for (;;) {
      const now = minutesOf(this.#dayTime.format(this.#clock.nowMs()));
      const isOpen = from < to ? now >= from && now < to : now >= from || now < to;
      if (isOpen || isStopping()) break;
      // Not all at once: clocks are changed, machines sleep.
      await this.#clock.sleep(30_000, { signal });
    }
    this.#waitedMs += this.#clock.monotonicMs() - startedMs;
  }
}
