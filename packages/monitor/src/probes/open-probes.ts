import {
  type CallOptions,
  type Clock,
  type Logger,
  type Meter,
  abortable,
  silentLogger,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import type { Finding } from "../alerts/alert-book.ts";
import type { AlertRule } from "../alerts/alert-rule.ts";
import { probesInvalid } from "../errors.ts";
import { subjectOf } from "../slo/slo.ts";
import type { Probe } from "./probe.ts";

/** What came of asking once. */
export interface ProbeResult extends Pick<Probe, "name" | "endpoint" | "variant" | "region"> {
  /** `wrong`: an answer came, and it is not the one that is known to be right. `unanswered`: none came in time, or a refusal. */
  readonly outcome: "right" | "wrong" | "unanswered";
  /** What is wrong; absent where it is right. */
  readonly problem?: string | undefined;
  readonly timeMs: number;
  readonly latencyMs: number;
}

export interface ProbesOptions {
  readonly probes: readonly Probe[];
  /** How often each is asked; the probes of a round are spread over it. Default: 60,000. */
  readonly everyMs?: number | undefined;
  /** How long an answer may take. Default: 5,000. */
  readonly timeoutMs?: number | undefined;
  /** Whether rounds are made by themselves. Default: true; otherwise only by `run`. */
  readonly scheduled?: boolean | undefined;
  /** Told of each result: count it for an objective, `({ outcome }) => monitor.count("answers", outcome === "right" ? 1 : 0, 1)`. */
  readonly onResult?: ((result: ProbeResult) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly meter?: Meter | undefined;
}

export interface ProbeAlertOptions {
  /** Default: `probe`. */
  readonly name?: string | undefined;
  /** Results in a row that are not right before it fires. Default: 2. */
  readonly failures?: number | undefined;
  /** Default: `page`. */
  readonly severity?: Finding["severity"] | undefined;
}

/** Asks questions whose answers are known, over and over. */
export interface Probes extends AsyncDisposable {
  /** Asks all of them now, one after another. */
  run(options?: CallOptions): Promise<readonly ProbeResult[]>;
  /** The last result of each that was asked, by name. */
  results(): ReadonlyMap<string, ProbeResult>;
  /**
   * A rule for `openMonitor`: fires for an endpoint, variant and region whose probes went wrong several times in a row, resolves with the first right answer of each.
   * Without a result for three rounds it says `unknown`. Throws `MONITOR_PROBES_INVALID`.
   */
  alert(options?: ProbeAlertOptions): AlertRule;
}

interface Tracked {
  readonly probe: Probe;
  last: ProbeResult | undefined;
  /** Results in a row that were not right. */
  failures: number;
}

/** Throws `MONITOR_PROBES_INVALID`. */
export function openProbes(options: ProbesOptions): Probes {
  const { probes, everyMs = 60_000, scheduled = true, clock = systemClock } = options;
  checkProbes(options);
  const tracked = probes.map((probe): Tracked => ({ probe, last: undefined, failures: 0 }));
  const ask = createAsking(options, clock);
  const stopped = new AbortController();
  const rounds = async (): Promise<void> => {
    while (!stopped.signal.aborted)
      for (const each of tracked) {
        await ask(each, stopped.signal);
        await clock.sleep(everyMs / tracked.length, { signal: stopped.signal }).catch(() => {});
        if (stopped.signal.aborted) return;
      }
  };
  const working = scheduled && tracked.length > 0 ? rounds() : undefined;
  return {
    async run({ signal } = {}) {
      const results: ProbeResult[] = [];
      for (const each of tracked) {
        signal?.throwIfAborted();
        results.push(await ask(each, signal ?? stopped.signal));
      }
      signal?.throwIfAborted();
      return results;
    },
    results: () => new Map(tracked.flatMap(({ probe, last }) => (last === undefined ? [] : [[probe.name, last]]))),
    alert: ({ name = "probe", failures = 2, severity = "page" } = {}) => {
      if (!(Number.isInteger(failures) && failures >= 1))
        throw probesInvalid(`failures is ${failures}, and must be a whole number from 1`);
      return {
        name,
        evaluate: ({ nowMs }) =>
          [...byPlace(tracked)].map(([subject, group]) => ({
            ...findingOf(group, { failures, oldestMs: nowMs - 3 * everyMs }),
            subject,
            severity,
          })),
      };
    },
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await working;
    },
  };
}

function checkProbes({ probes, everyMs = 1, timeoutMs = 1 }: ProbesOptions): void {
  const names = probes.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw probesInvalid(`two are named "${twice}"`);
  for (const [key, value] of Object.entries({ everyMs, timeoutMs }))
    if (!(value > 0 && Number.isFinite(value))) throw probesInvalid(`${key} is ${value}, and must be over 0`);
}

/** `endpoint/late/variant/main/region/eu`. */
const placeOf = ({ endpoint, variant, region }: Probe): string =>
  region === undefined ? subjectOf(endpoint, variant) : `${subjectOf(endpoint, variant)}/region/${region}`;

function byPlace(tracked: readonly Tracked[]): ReadonlyMap<string, readonly Tracked[]> {
  const places = new Map<string, Tracked[]>();
  for (const each of tracked) {
    const place = placeOf(each.probe);
    places.set(place, [...(places.get(place) ?? []), each]);
  }
  return places;
}

function createAsking(
  { timeoutMs = 5000, onResult, logger = silentLogger, meter = silentMeter }: ProbesOptions,
  clock: Clock,
): (each: Tracked, signal: AbortSignal) => Promise<ProbeResult> {
  const labelNames = ["endpoint", "variant", "region", "outcome"];
  const counted = meter.counter("millwright_monitor_probes_total", {
    help: "Probes that were asked, by what came of them.",
    labelNames,
  });
  const timed = meter.histogram("millwright_monitor_probe_seconds", {
    help: "How long answers to probes took.",
    labelNames: labelNames.slice(0, 3),
  });
  return async (each, stop) => {
    const { ask: _, ...place } = each.probe;
    const timeMs = clock.nowMs();
    const startMs = clock.monotonicMs();
    const answer = await answerOf(each.probe, { timeoutMs, clock, stop });
    const result: ProbeResult = { ...place, ...answer, timeMs, latencyMs: clock.monotonicMs() - startMs };
    // A probe that was stopped tells nothing of the endpoint.
    if (stop.aborted) return result;
    each.last = result;
    each.failures = result.outcome === "right" ? 0 : each.failures + 1;
    const labels = { endpoint: place.endpoint, variant: place.variant ?? "", region: place.region ?? "" };
    counted.add(1, { ...labels, outcome: result.outcome });
    timed.observe(result.latencyMs / 1000, labels);
    if (result.outcome !== "right") logger.warn({ ...result }, "A probe was not answered as it should be.");
    try {
      onResult?.(result);
    } catch (error) {
      logger.error({ probe: place.name, error: String(error) }, "A probe's result could not be told.");
    }
    return result;
  };
}

async function answerOf(
  probe: Probe,
  { timeoutMs, clock, stop }: { readonly timeoutMs: number; readonly clock: Clock; readonly stop: AbortSignal },
): Promise<Pick<ProbeResult, "outcome" | "problem">> {
  const asking = new AbortController();
  const late = clock.sleep(timeoutMs, { signal: asking.signal }).then(
    () => asking.abort(new RangeError(`No answer came within ${timeoutMs} ms.`)),
    () => {},
  );
  const end = (): void => asking.abort(stop.reason);
  stop.addEventListener("abort", end, { once: true });
  try {
    const problem = await abortable(probe.ask({ signal: asking.signal }), asking.signal);
    return problem === undefined ? { outcome: "right" } : { outcome: "wrong", problem };
  } catch (error) {
    return { outcome: "unanswered", problem: error instanceof Error ? error.message : String(error) };
  } finally {
    stop.removeEventListener("abort", end);
    asking.abort();
    await late;
  }
}

function findingOf(
  group: readonly Tracked[],
  { failures, oldestMs }: { readonly failures: number; readonly oldestMs: number },
): Pick<Finding, "state" | "value" | "threshold" | "summary"> {
  const heard = group.filter(({ last }) => last !== undefined && last.timeMs >= oldestMs);
  const worst = heard.toSorted((a, b) => b.failures - a.failures)[0];
  if (worst?.last === undefined) return { state: "unknown", summary: "No probe was asked of late." };
  const { probe, last } = worst;
  const wrong = { value: worst.failures, threshold: failures };
  if (worst.failures === 0) return { ...wrong, state: "ok", summary: `${heard.length} probes were answered right.` };
  const summary = `The probe "${probe.name}" was ${last.outcome} ${worst.failures} times in a row: ${last.problem ?? ""}`;
  return { ...wrong, state: worst.failures >= failures ? "firing" : "unknown", summary };
}
