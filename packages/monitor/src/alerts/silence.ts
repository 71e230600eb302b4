import type { Clock, IdSource } from "@millwright/contracts";
import { silenceInvalid, silenceUnknown } from "../errors.ts";
import { type AlertLabels, type AlertMatch, matcherOf } from "./alert-labels.ts";

/** For a time, alerts that match are not told. It always has an end, and somebody who answers for it. */
export interface Silence {
  readonly id: string;
  readonly match: AlertMatch;
  readonly owner: string;
  readonly comment: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface SilenceOptions {
  /** Which alerts: `{ alertname: "latency", endpoint: "late" }`. */
  readonly match: AlertMatch;
  readonly owner: string;
  /** Default: none. */
  readonly comment?: string | undefined;
  /** Default: now. */
  readonly fromMs?: number | undefined;
  readonly untilMs: number;
}

/** Silences that others keep, such as an Alertmanager. */
export interface SilenceSource {
  silences(options?: { readonly signal?: AbortSignal | undefined }): Promise<readonly Silence[]>;
}

export interface KeptSilence {
  readonly silence: Silence;
  readonly matches: (labels: AlertLabels) => boolean;
}

export const isActive = ({ silence: { fromMs, untilMs } }: KeptSilence, nowMs: number): boolean =>
  fromMs <= nowMs && nowMs < untilMs;

export interface SilenceBook {
  /** Throws `MONITOR_SILENCE_INVALID`. */
  add(options: SilenceOptions): Silence;
  /** Ends it now. Throws `MONITOR_SILENCE_UNKNOWN`. */
  end(id: string): Silence;
  /** One that was made before: a later one of the same id replaces it. Throws `MONITOR_SILENCE_INVALID`. */
  put(silence: Silence): void;
  /** Those of other places, which replace what was known from there; what cannot be read of them is left out. */
  putForeign(place: SilenceSource, silences: readonly Silence[]): void;
  /** Those that are not over. */
  all(nowMs: number): readonly KeptSilence[];
}

/** The first time after `nowMs` at which one that matches some of the labels begins or ends. */
export function nextTimeOf(
  silences: readonly KeptSilence[],
  labels: readonly AlertLabels[],
  nowMs: number,
): number | undefined {
  const times = silences
    .filter(({ matches }) => labels.some(matches))
    .flatMap(({ silence: { fromMs, untilMs } }) => [fromMs, untilMs])
    .filter((timeMs) => timeMs > nowMs);
  return times.length === 0 ? undefined : Math.min(...times);
}

export function createSilenceBook(clock: Clock, ids: IdSource): SilenceBook {
  const kept = new Map<string, KeptSilence>();
  const foreign = new Map<SilenceSource, readonly KeptSilence[]>();
  const put = (silence: Silence): void => void kept.set(silence.id, keptOf(silence));
  return {
    put,
    add({ match, owner, comment = "", fromMs = clock.nowMs(), untilMs }) {
      const silence = { id: ids.next(), match, owner, comment, fromMs, untilMs };
      if (!(untilMs > clock.nowMs())) throw silenceInvalid(`it would end at ${untilMs}, which is past`);
      put(silence);
      return silence;
    },
    end(id) {
      const found = kept.get(id);
      const nowMs = clock.nowMs();
      if (found === undefined || found.silence.untilMs <= nowMs) throw silenceUnknown(id);
      const ended = { ...found.silence, fromMs: Math.min(found.silence.fromMs, nowMs), untilMs: nowMs };
      kept.delete(id);
      return ended;
    },
    putForeign: (place, silences) => void foreign.set(place, silences.flatMap(readable)),
    all(nowMs) {
      for (const [id, { silence }] of kept) if (silence.untilMs <= nowMs) kept.delete(id);
      const others = [...foreign.values()].flat().filter(({ silence }) => silence.untilMs > nowMs);
      return [...kept.values(), ...others];
    },
  };
}

function keptOf(silence: Silence): KeptSilence {
  const { owner, comment, fromMs, untilMs, match } = silence;
  if (typeof owner !== "string" || owner === "") throw silenceInvalid("it has no owner");
  if (typeof comment !== "string") throw silenceInvalid("its comment is no text");
  if (!Number.isFinite(untilMs) || !Number.isFinite(fromMs)) throw silenceInvalid("it has no end, or no beginning");
  if (typeof match !== "object" || match === null) throw silenceInvalid("it does not say which alerts it is about");
  return { silence, matches: matcherOf(match) };
}

function readable(silence: Silence): readonly KeptSilence[] {
  try {
    return [keptOf(silence)];
  } catch {
    return [];
  }
}
