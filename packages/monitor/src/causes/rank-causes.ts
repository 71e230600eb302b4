import type { MillwrightEvent } from "@millwright/contracts";
import { causesInvalid } from "../errors.ts";
import { createKinship } from "./kinship.ts";

/** What is to be explained. */
export interface Effect {
  /** As alerts name it: `endpoint/late/variant/main`. */
  readonly subject: string;
  readonly kind: "drift" | "missing" | "quality" | "latency" | "errors";
  /** Features that have drifted, or are missing. Default: none is known. */
  readonly columns?: readonly string[] | undefined;
  /** When it was noticed, UTC milliseconds. */
  readonly noticedMs: number;
  /** The earliest that it can have begun: the start of the window that it was noticed in. Default: `noticedMs`. */
  readonly beganMs?: number | undefined;
}

export interface RankCausesOptions {
  /**
   * What happened, in the order of time; some weeks of it, so that what happens every hour is known to. Lineage (`made`, `from`) is read off all of them.
   */
  readonly events: readonly MillwrightEvent[];
  /** What a column is made from, by the names that events use: feature views, jobs, pipelines. Default: what the events of feature views and services tell. */
  readonly upstream?: ((column: string) => readonly string[]) | undefined;
  /** How long before the effect a cause may lie. Default: 7 days. */
  readonly lookBackMs?: number | undefined;
  /** Most causes. Default: 10. */
  readonly limit?: number | undefined;
}

/** Something that may be why. */
export interface Cause {
  /** `event`: this happened. `silence`: what used to happen did not. */
  readonly kind: "event" | "silence";
  readonly type: string;
  readonly subject: string;
  /** When it happened; of silence, when it last did. */
  readonly timeMs: number;
  /** The event; of silence, the last one. */
  readonly eventId: MillwrightEvent["id"];
  /** In nats: what is compared. */
  readonly score: number;
  /** The score's share among all that were ranked, in [0, 1]: no probability, for the cause may be none of them. */
  readonly share: number;
  /** Why, for people: one sentence each. */
  readonly because: readonly string[];
}

const dayMs = 86_400_000;
const resolutionMs = 60_000;

/** How well each kind of event explains each kind of effect, in nats. */
const explains: Readonly<Record<Effect["kind"], Readonly<Record<string, number>>>> = {
  drift: { "feature.": 1.5, "pipeline.": 1, "job.": 1, "deployment.": 0.5, "model.": 0 },
  missing: { "feature.": 1.5, "pipeline.": 1.5, "job.": 1.5, "deployment.": 0, "model.": -1 },
  quality: { "deployment.": 1.5, "model.": 1, "feature.": 1, "pipeline.": 0.5, "job.": 0.5 },
  latency: { "deployment.": 2, "model.": 0.5, "feature.": 0, "pipeline.": -1, "job.": 0 },
  errors: { "deployment.": 2, "model.": 0.5, "feature.": 0.5, "pipeline.": -1, "job.": 0 },
};

/** What only tells of effects, or changes nothing that answers. */
const consequences = /^(?:drift|alert|slo|audit|budget|trial|run)\./;
const failures = /(?:failed|rolled-back|stopped|killed)$/;

interface Stream {
  readonly type: string;
  readonly subject: string;
  readonly events: readonly MillwrightEvent[];
  readonly times: readonly number[];
}

/**
 * Ranks what happened before an effect by how well it explains it: how surprising it is that such an event lies so near (−ln of the chance that one of its kind
 * falls so near by accident, at the rate at which they came before), how near of kin its subject is to what drifted by names and lineage, whether its kind
 * can have such an effect, and whether it changed anything. What used to come and stopped is a candidate too. Pure. Throws `MONITOR_CAUSES_INVALID`.
 */
export function rankCauses(effect: Effect, options: RankCausesOptions): readonly Cause[] {
  const { events, lookBackMs = 7 * dayMs, limit = 10 } = options;
  const { noticedMs, beganMs = noticedMs } = effect;
  if (!(beganMs <= noticedMs)) throw causesInvalid(`it began at ${beganMs}, after it was noticed at ${noticedMs}`);
  if (!(lookBackMs > 0)) throw causesInvalid(`lookBackMs is ${lookBackMs}, and must be over 0`);
  if (!Object.hasOwn(explains, effect.kind)) throw causesInvalid(`"${String(effect.kind)}" is no kind of effect`);
  const kin = createKinship(effect, events, options.upstream);
  const span = { fromMs: beganMs - lookBackMs, toMs: noticedMs, beganMs };
  const causes = streamsOf(events, noticedMs)
    .filter(({ type }) => !consequences.test(type))
    .flatMap((stream) => [...happened(stream, effect, kin, span), ...silent(stream, effect, kin, span)]);
  const ranked = causes.toSorted((a, b) => b.score - a.score || b.timeMs - a.timeMs);
  const most = ranked[0]?.score ?? 0;
  const all = ranked.reduce((sum, { score }) => sum + Math.exp(score - most), 0);
  return ranked.slice(0, limit).map((cause) => ({ ...cause, share: Math.exp(cause.score - most) / all }));
}

type Candidate = Omit<Cause, "share">;
type Kinship = ReturnType<typeof createKinship>;
interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  readonly beganMs: number;
}

/** Events of one type about one subject, the oldest first. */
function streamsOf(events: readonly MillwrightEvent[], toMs: number): readonly Stream[] {
  const streams = new Map<string, { type: string; subject: string; events: MillwrightEvent[]; times: number[] }>();
  for (const event of events) {
    const timeMs = Date.parse(event.time);
    if (!(timeMs <= toMs)) continue;
    const { type, subject = "" } = event;
    const key = JSON.stringify([type, subject]);
    const stream = streams.get(key) ?? { type, subject, events: [], times: [] };
    streams.set(key, stream);
    stream.events.push(event);
    stream.times.push(timeMs);
  }
  return [...streams.values()];
}

function happened(stream: Stream, effect: Effect, kin: Kinship, { fromMs, toMs, beganMs }: Span): readonly Candidate[] {
  const { type, subject, events, times } = stream;
  const first = times[0] ?? toMs;
  return events.flatMap((event, at): readonly Candidate[] => {
    const timeMs = times[at] as number;
    if (timeMs < fromMs || timeMs > toMs) return [];
    // What lies within the window may have begun it: then it is as near as can be.
    const lagMs = Math.max(0, beganMs - timeMs);
    const others = events.length - 1;
    const rate = (others + 0.5) / Math.max(dayMs, toMs - first);
    const surprise = -Math.log(-Math.expm1(-rate * (lagMs + (toMs - beganMs) + resolutionMs)));
    const change = changeOf(events, at);
    const kinship = kin.of(event);
    const failed = failures.test(type) || event.data["state"] === "failed";
    const score =
      surprise + kinship.nats + priorOf(effect, type) + change.nats + (failed ? 0.5 : 0) - lagMs / (2 * dayMs);
    const because = [
      `It happened ${shownSpan(lagMs)} before${others === 0 ? ", and never before in the time that is known" : `; the like came ${shownRate(rate)}`}.`,
      kinship.because,
      ...(change.because === undefined ? [] : [change.because]),
    ];
    return [{ kind: "event", type, subject, timeMs, eventId: event.id, score, because }];
  });
}

/** What came regularly and has not come since: the chance that it would have been silent for so long. */
function silent(
  { type, subject, events, times }: Stream,
  effect: Effect,
  kin: Kinship,
  { fromMs, toMs, beganMs }: Span,
): readonly Candidate[] {
  const last = events.at(-1);
  const timeMs = times.at(-1);
  const [first] = times;
  if (last === undefined || timeMs === undefined || first === undefined || times.length < 4 || failures.test(type))
    return [];
  if (timeMs < fromMs || timeMs > beganMs) return [];
  const meanMs = (timeMs - first) / (times.length - 1);
  const gaps = times.slice(1).map((time, at) => time - (times[at] as number));
  const longest = Math.max(...gaps);
  const silenceMs = toMs - timeMs;
  // Regular streams do not leave out a turn by accident: their gaps say how regular they are.
  if (!(silenceMs > 1.5 * longest && meanMs > 0)) return [];
  const kinship = kin.of(last);
  const surprise = Math.min(12, silenceMs / meanMs);
  const score = surprise + kinship.nats + priorOf(effect, type);
  const because = [
    `It came every ${shownSpan(meanMs)}, and not once in the last ${shownSpan(silenceMs)}.`,
    kinship.because,
  ];
  return [{ kind: "silence", type, subject, timeMs, eventId: last.id, score, because }];
}

function priorOf(effect: Effect, type: string): number {
  const found = Object.entries(explains[effect.kind]).find(([family]) => type.startsWith(family));
  return found?.[1] ?? 0;
}

/** Whether the event says something else than the one before it did: another digest, schema or version. */
function changeOf(
  events: readonly MillwrightEvent[],
  at: number,
): { readonly nats: number; readonly because?: string | undefined } {
  const told = ["digest", "schema", "model", "version", "code"];
  const [before, now] = [events[at - 1]?.data, events[at]?.data];
  if (before === undefined || now === undefined) return { nats: 0 };
  const known = told.filter((key) => Object.hasOwn(now, key) && Object.hasOwn(before, key));
  if (known.length === 0) return { nats: 0 };
  const changed = known.filter((key) => JSON.stringify(now[key]) !== JSON.stringify(before[key]));
  return changed.length === 0
    ? { nats: -2, because: "It says the same as the one before it." }
    : { nats: 1.5, because: `It changed ${changed.join(" and ")}.` };
}

const units = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
] as const;

function shownSpan(durationMs: number): string {
  const [size, unit] = units.find(([length]) => durationMs >= 2 * length) ?? [60_000, "min"];
  return `${Math.round(durationMs / size)} ${unit}`;
}

const shownRate = (rate: number): string => `once in ${shownSpan(1 / rate)}`;
