import { type Amount, type JsonValue, type TrialHandle, decodeNumbers, encodeNumbers } from "@millwright/contracts";

/** What runs a trial elsewhere says. JSON-safe: numbers that JSON has no word for are encoded. */
export type TrialCall =
  /** It runs, and waits for its trial. */
  | { readonly kind: "ready"; readonly attempt: number }
  | {
      readonly kind: "report";
      readonly attempt: number;
      readonly call: number;
      readonly step: JsonValue;
      readonly value: JsonValue;
      readonly checkpoint?: string | undefined;
      readonly cost?: Amount | undefined;
    };

/** What it is answered. */
export type TrialAnswer =
  | { readonly kind: "trial"; readonly attempt: number; readonly trial: TrialDescription }
  | { readonly kind: "verdict"; readonly attempt: number; readonly call: number; readonly verdict: string }
  | { readonly kind: "refused"; readonly attempt: number; readonly call: number; readonly reason: string };

/** A trial without its methods. JSON-safe. */
export interface TrialDescription {
  readonly id: string;
  readonly number: number;
  readonly params: Readonly<Record<string, JsonValue>>;
  readonly eventId?: string | undefined;
  readonly checkpoint?: string | undefined;
}

/** The study's end of a trial that runs elsewhere: remembers the newest checkpoint, so that another attempt goes on from there. */
export interface TrialServer {
  /** Takes what the other end says. Rejects with nothing: what a report fails of is answered. */
  take(call: TrialCall): Promise<void>;
}

export function serveTrial(trial: TrialHandle<unknown>, answer: (answer: TrialAnswer) => void): TrialServer {
  let { checkpoint } = trial;
  return {
    async take(call) {
      const { attempt } = call;
      if (call.kind === "ready") return answer({ kind: "trial", attempt, trial: describe(trial, checkpoint) });
      try {
        const { step, value } = call;
        checkpoint = call.checkpoint ?? checkpoint;
        const verdict = await trial.report(decodeNumbers(step) as number, decodeNumbers(value) as number, {
          checkpoint: call.checkpoint,
          cost: call.cost,
        });
        answer({ kind: "verdict", attempt, call: call.call, verdict });
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        answer({ kind: "refused", attempt, call: call.call, reason });
      }
    },
  };
}

function describe(
  { id, number, params, eventId }: TrialHandle<unknown>,
  checkpoint: string | undefined,
): TrialDescription {
  return {
    id,
    number,
    params: params as TrialDescription["params"],
    ...(eventId === undefined ? {} : { eventId }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
}

/** The other end: the trial as the objective sees it there. */
export interface RemoteTrial {
  /** Says that it runs. @returns its trial, once it was told of it. */
  begin(signal: AbortSignal): Promise<TrialHandle>;
  /** Takes what the study answers. */
  take(answer: TrialAnswer): void;
}

/** @param attempt What tells this run's calls from those of one before. */
export function createRemoteTrial(attempt: number, post: (call: TrialCall) => void): RemoteTrial {
  const waiting = new Map<number, { resolve: (verdict: never) => void; reject: (error: Error) => void }>();
  let calls = 0;
  let told: (trial: TrialDescription) => void = () => {};
  const description = new Promise<TrialDescription>((resolve) => (told = resolve));
  return {
    async begin(signal) {
      post({ kind: "ready", attempt });
      const { checkpoint, eventId, ...trial } = await description;
      return {
        ...trial,
        signal,
        checkpoint,
        eventId: eventId as TrialHandle["eventId"],
        report(step, value, options = {}) {
          calls += 1;
          const call = calls;
          const { checkpoint: saved, cost } = options;
          const more = {
            ...(saved === undefined ? {} : { checkpoint: saved }),
            ...(cost === undefined ? {} : { cost }),
          };
          const verdict = new Promise<never>((resolve, reject) => waiting.set(call, { resolve, reject }));
          post({ kind: "report", attempt, call, step: encodeNumbers(step), value: encodeNumbers(value), ...more });
          return verdict;
        },
      };
    },
    take(answer) {
      if (answer.attempt !== attempt) return;
      if (answer.kind === "trial") return told(answer.trial);
      const caller = waiting.get(answer.call);
      waiting.delete(answer.call);
      if (answer.kind === "verdict") caller?.resolve(answer.verdict as never);
      else caller?.reject(new RangeError(answer.reason));
    },
  };
}

/** What a module of an objective exports as its default. Throws TypeError. */
export async function importObjective(url: string): Promise<(trial: TrialHandle) => unknown> {
  const module = (await import(url)) as { readonly default?: unknown };
  if (typeof module.default !== "function")
    throw new TypeError(`The default export of ${url} is ${typeof module.default}, not a function of a trial.`);
  return module.default as (trial: TrialHandle) => unknown;
}
