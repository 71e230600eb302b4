import type { CallOptions, Dataset, Digest, EventId, EventLog, EventType } from "@millwright/contracts";
import type { Trial } from "../trial.ts";
import { splitLeaked, splitSealed, splitTooEarly } from "./errors.ts";

export interface SealTestSplitOptions extends CallOptions {
  /** What people call it. */
  readonly name: string;
  /** Where each look at it is written down: of a database, where it shall hold in all processes and after restarts. */
  readonly events: EventLog;
  /** While trials of these run or wait, the split cannot be read. Default: none. */
  readonly studies?: readonly StudyWithTrials[] | undefined;
}

interface StudyWithTrials {
  readonly name: string;
  trials(options?: CallOptions): Promise<readonly Trial[]>;
}

export interface EvaluateOptions extends CallOptions {
  /** Why it is read once more; stands in the audit event. Without it a second access is refused. */
  readonly again?: string | undefined;
}

/** One look at a sealed split. */
export interface SplitAccess {
  readonly eventId: EventId;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly purpose: string;
  /** From 1. */
  readonly access: number;
  readonly again?: string | undefined;
}

/** Data that is looked at once, at the end. */
export interface SealedTestSplit {
  readonly name: string;
  /** SHA-256 of schema and rows: what the events speak of, whatever the split is called. */
  readonly digest: Digest;
  /**
   * Hands the rows to `work`, once: an access counts from the moment it is asked for, also where the work then fails. A second one is written down as `audit.test-split-read-again` and refused with
   * `TUNER_TEST_SPLIT_SEALED`, or, with `again`, allowed. Throws `TUNER_TEST_SPLIT_TOO_EARLY` while a study goes on.
   * @param purpose What is evaluated, such as a model's digest.
   */
  evaluate<Result>(
    purpose: string,
    work: (test: Dataset) => Promise<Result> | Result,
    options?: EvaluateOptions,
  ): Promise<Result>;
  /** For data that is to be tuned on, by role. Throws `TUNER_TEST_SPLIT_LEAKED` where it is the test split, and writes `audit.test-split-leaked`. */
  assertUnseen(data: Readonly<Record<string, Pick<Dataset, "digest">>>, options?: CallOptions): Promise<void>;
  /** All accesses so far, of all processes, those refused included; in order. */
  accesses(options?: CallOptions): Promise<readonly SplitAccess[]>;
}

const sealed = "audit.test-split-sealed";
const read = "audit.test-split-read";
const readAgain = "audit.test-split-read-again";
const leaked = "audit.test-split-leaked";

/**
 * Seals a test split: searches are scored on validation data, and the test is evaluated once, on what was chosen. Cawley and Talbot, "On over-fitting in model selection and
 * subsequent selection bias in performance evaluation", JMLR 11 (2010).
 */
export async function sealTestSplit(dataset: Dataset, options: SealTestSplitOptions): Promise<SealedTestSplit> {
  const { name, events, studies = [], signal } = options;
  signal?.throwIfAborted();
  if (typeof name !== "string" || name === "") throw new TypeError("A test split needs a name.");
  const digest = await dataset.digest({ signal });
  const subject = `test-split/${digest}`;
  const tell = async (
    type: EventType,
    data: object,
    causationid?: EventId,
    call: CallOptions = {},
  ): Promise<EventId> => {
    const made = { kind: "dataset", id: digest, name } as const;
    const cause = causationid === undefined ? {} : { causationid };
    const draft = {
      source: "millwright/tuner",
      type,
      subject,
      ...cause,
      data: { from: [made], name, digest, ...data },
    };
    return (await events.append([draft], call))[0]?.event.id as EventId;
  };
  const accesses = async (call: CallOptions = {}): Promise<readonly SplitAccess[]> => {
    const found: SplitAccess[] = [];
    for await (const { event } of events.read({ types: [read], signal: call.signal })) {
      if (event.subject !== subject) continue;
      const { purpose, again } = event.data as unknown as Pick<SplitAccess, "purpose" | "again">;
      const why = again === undefined ? {} : { again };
      found.push({ eventId: event.id, time: event.time, purpose, access: found.length + 1, ...why });
    }
    return found;
  };
  await tell(sealed, {}, undefined, { signal });
  return {
    name,
    digest,
    accesses,
    async evaluate(purpose, work, { again, signal: asking } = {}) {
      asking?.throwIfAborted();
      if (typeof purpose !== "string" || typeof work !== "function")
        throw new TypeError("A test split is evaluated for a purpose, a text, by a function of the rows.");
      await assertEnded(name, studies, asking);
      const why = again === undefined ? {} : { again };
      const own = await tell(read, { purpose, ...why }, undefined, { signal: asking });
      // The log has one order for all processes: whoever stands first in it was first.
      const access = (await accesses({ signal: asking })).findIndex(({ eventId }) => eventId === own) + 1;
      if (access > 1) {
        await tell(readAgain, { purpose, access, allowed: again !== undefined, ...why }, own);
        if (again === undefined) throw splitSealed(name, access);
      }
      return work(dataset);
    },
    assertUnseen: async (data, { signal: asking } = {}) => {
      const role = await roleOf(digest, data, asking);
      if (role === undefined) return;
      await tell(leaked, { role });
      throw splitLeaked(name, role);
    },
  };
}

/** Under which role the data is the split; `undefined` where it is not among it. */
async function roleOf(
  digest: Digest,
  data: Readonly<Record<string, Pick<Dataset, "digest">>>,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  for (const [role, each] of Object.entries(data)) if ((await each.digest({ signal })) === digest) return role;
  return undefined;
}

async function assertEnded(
  name: string,
  studies: readonly StudyWithTrials[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const study of studies) {
    const trials = await study.trials({ signal });
    const unfinished = trials.filter(({ state }) => state === "running" || state === "waiting").length;
    if (unfinished > 0) throw splitTooEarly(name, study.name, unfinished);
  }
}
