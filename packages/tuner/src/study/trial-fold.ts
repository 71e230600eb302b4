import type { Attributes, CompletedResult, JournalEntry, Told, TrialEntry, TrialResult } from "../journal.ts";
import type { Trial } from "../trial.ts";

/** The trial that an entry begins. */
export function trialOf(entry: TrialEntry): Trial {
  const { kind: _kind, suggestedAfter: _after, result, timeMs, intermediates = [], ...rest } = entry;
  const trial: Trial = { ...rest, state: "waiting", intermediates, attempts: 0 };
  return result === undefined ? trial : { ...withResult(trial, result), startedMs: timeMs, endedMs: timeMs };
}

/** What an entry about one trial makes of it. */
export type TrialChange = Exclude<JournalEntry, { kind: "study" | "attributes" | "trial" }>;

export function afterEntry(trial: Trial, entry: TrialChange): Trial {
  switch (entry.kind) {
    case "params": {
      const { partial: _partial, ...rest } = trial;
      const { params, parameters, explanation } = entry;
      return {
        ...rest,
        params: { ...trial.params, ...params },
        ...(parameters === undefined ? {} : { parameters: { ...trial.parameters, ...parameters } }),
        ...(explanation === undefined ? {} : { explanation: { ...trial.explanation, ...explanation } }),
      };
    }
    case "note":
      return { ...trial, attributes: noted(trial.attributes, entry.attributes) };
    case "begin":
      return {
        ...trial,
        ...toldOf(entry),
        state: "running",
        worker: entry.worker,
        startedMs: entry.timeMs,
        attempts: trial.attempts + 1,
      };
    case "report":
      return {
        ...trial,
        intermediates: withReport(trial.intermediates, entry.step, entry.value),
        checkpoint: entry.checkpoint ?? trial.checkpoint,
      };
    case "end": {
      const ended = entry.result.state === "paused" ? {} : { endedMs: entry.timeMs };
      return { ...withResult(trial, entry.result), ...toldOf(entry), ...ended };
    }
    case "spend":
      return trial;
    case "reclaim":
      return { ...trial, ...toldOf(entry), state: "waiting", ...failureOf(trial, entry) };
  }
}

function failureOf(trial: Trial, { failure, reason }: Extract<TrialChange, { kind: "reclaim" }>): Partial<Trial> {
  if (failure === undefined) return {};
  if (failure === "worker-lost") return { losses: (trial.losses ?? 0) + 1 };
  return { failure, reason, retries: (trial.retries ?? 0) + 1 };
}

function withResult(trial: Trial, result: TrialResult): Trial {
  if (result.state === "completed") {
    const { reason: _reason, failure: _failure, ...rest } = trial;
    return { ...rest, state: "completed", ...outcomeOf(trial, result) };
  }
  const { state, reason } = result;
  if (result.state !== "failed") {
    const { verdict } = result;
    return { ...trial, state, reason, ...(verdict === undefined ? {} : { verdict }) };
  }
  const { failure = "throw", imputed } = result;
  return { ...trial, state, reason, failure, ...(imputed === undefined ? {} : { imputed }) };
}

function outcomeOf(trial: Trial, { value, values, constraints, attributes, cost }: CompletedResult): Partial<Trial> {
  return {
    ...(value === undefined ? {} : { value }),
    values: values ?? [value as number],
    ...(constraints === undefined ? {} : { constraintValues: constraints }),
    ...(attributes === undefined ? {} : { attributes: noted(trial.attributes, attributes) }),
    ...(cost === undefined ? {} : { cost }),
  };
}

/** Notes by name, the newer ones in place of the older; null takes one back. */
export function noted(before: Attributes | undefined, notes: Attributes): Attributes {
  return Object.fromEntries(Object.entries({ ...before, ...notes }).filter(([, value]) => value !== null));
}

const toldOf = ({ eventId }: Told): Told => (eventId === undefined ? {} : { eventId });

/** A trial begun again reports earlier steps again: its last word counts. */
function withReport(intermediates: Trial["intermediates"], step: number, value: number): Trial["intermediates"] {
  return [...intermediates.filter(([at]) => at < step), [step, value]];
}
