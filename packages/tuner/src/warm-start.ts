import type { CallOptions } from "@millwright/contracts";
import {
  dataDiffers,
  metricDiffers,
  parametersDiffer,
  parentUnfinished,
  parentsInvalid,
  staticChanges,
  warmStartRecursive,
} from "./execute/errors.ts";
import { lossOf } from "./outcome.ts";
import type { Choice, Params, Space } from "./space.ts";
import type { Direction, Trial } from "./trial.ts";

/** What a study is about, beyond its space. */
export interface StudySubject {
  /** The objective's name. */
  readonly metric: string;
  /** Hyperparameters that are the same in all trials, by name. Default: none. */
  readonly static?: Readonly<Record<string, Choice>> | undefined;
  /** Digest or name of the data. */
  readonly data?: string | undefined;
  /** Digest or name of the algorithm's code. */
  readonly algorithm?: string | undefined;
}

/** A study that another begins from. JSON-safe. */
export interface WarmStartParent extends StudySubject {
  readonly name: string;
  /** Whether nothing of it goes on any more. */
  readonly isFinished: boolean;
  readonly direction: Direction;
  readonly space: Space;
  readonly trials: readonly Trial[];
  /** The studies that it began from itself. Default: none. */
  readonly parents?: readonly string[] | undefined;
}

/** SageMaker's warm start, with its restrictions. */
export interface WarmStart extends StudySubject {
  /** `identical-data-and-algorithm`: the parents' values are the study's own. `transfer-learning`: only their order counts. */
  readonly type: "identical-data-and-algorithm" | "transfer-learning";
  /** 1 to 5, all finished. */
  readonly parents: readonly WarmStartParent[];
}

/** What is known from elsewhere: parameters and how good they were. Less is better. */
export interface PriorStudy {
  readonly name: string;
  readonly points: readonly { readonly params: Params; readonly loss: number }[];
}

const mostParents = 5;
const mostStaticChanges = 10;

/**
 * Describes a study as a parent of others: it is finished where no trial runs, waits or is paused.
 * @param study A study, or anything with these members.
 */
export async function warmStartParent(
  study: {
    readonly name: string;
    readonly space: Space;
    readonly direction: Direction;
    trials(options?: CallOptions): Promise<readonly Trial[]>;
  },
  subject: StudySubject & Pick<WarmStartParent, "parents">,
  { signal }: CallOptions = {},
): Promise<WarmStartParent> {
  signal?.throwIfAborted();
  const { name, space, direction } = study;
  const trials = await study.trials({ signal });
  const isFinished = trials.every(({ state }) => state === "completed" || state === "pruned" || state === "failed");
  return { ...subject, name, space, direction, trials, isFinished };
}

/**
 * Checks SageMaker's restrictions on warm starts and gives what the parents know, in terms of the study's space.
 * Throws `TUNER_WARM_START_PARENTS_INVALID` unless there are 1 to 5; `TUNER_WARM_START_PARENT_UNFINISHED`; `TUNER_WARM_START_METRIC_DIFFERS` for another objective or direction;
 * `TUNER_WARM_START_PARAMETERS_DIFFER` for another number of hyperparameters, static ones included, or another type of one; `TUNER_WARM_START_STATIC_CHANGES` where more than 10
 * became static or tunable; `TUNER_WARM_START_RECURSIVE` where a parent has a parent of its own that is not named, or is the study itself; `TUNER_WARM_START_DATA_DIFFERS`.
 * @see https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-warm-start.html
 */
export function priorOfParents(
  study: { readonly name: string; readonly space: Space; readonly direction: Direction },
  warmStart: WarmStart,
): readonly PriorStudy[] {
  const { parents, type } = warmStart;
  if (type !== "identical-data-and-algorithm" && type !== "transfer-learning")
    throw new RangeError(
      `The type of a warm start is ${String(type)}; there are identical-data-and-algorithm and transfer-learning.`,
    );
  if (!Array.isArray(parents) || parents.length < 1 || parents.length > mostParents)
    throw parentsInvalid(study.name, Array.isArray(parents) ? parents.length : 0, mostParents);
  const all = parents as readonly WarmStartParent[];
  const names = new Set(all.map(({ name }) => name));
  for (const parent of all) {
    checkParent(study, warmStart, parent);
    const missing = (parent.parents ?? []).find((name) => !names.has(name) || name === study.name);
    if (parent.name === study.name || missing !== undefined)
      throw warmStartRecursive(study.name, parent.name, missing ?? parent.name);
  }
  return all.map((parent) => priorOf(study, parent));
}

function checkParent(
  { name, space, direction }: { readonly name: string; readonly space: Space; readonly direction: Direction },
  { type, metric, static: fixed = {}, data, algorithm }: WarmStart,
  parent: WarmStartParent,
): void {
  if (!parent.isFinished) throw parentUnfinished(name, parent.name);
  if (parent.metric !== metric || parent.direction !== direction)
    throw metricDiffers(name, parent.name, `${direction} ${metric}`, `${parent.direction} ${parent.metric}`);
  const before = { ...parent.static };
  const [count, had] = [
    Object.keys(space).length + Object.keys(fixed).length,
    Object.keys(parent.space).length + Object.keys(before).length,
  ];
  if (count !== had)
    throw parametersDiffer(name, parent.name, `it has ${count} hyperparameters, and the parent ${had}`);
  for (const [each, parameter] of Object.entries(space)) {
    const kind = Object.hasOwn(parent.space, each) ? parent.space[each]?.kind : parameter.kind;
    if (kind !== parameter.kind)
      throw parametersDiffer(name, parent.name, `"${each}" is of the kind ${parameter.kind}, and was ${kind}`);
  }
  const becameTunable = Object.keys(space).filter((each) => !Object.hasOwn(parent.space, each));
  const becameStatic = Object.keys(parent.space).filter((each) => !Object.hasOwn(space, each));
  const unknown = [
    ...becameTunable.filter((each) => !Object.hasOwn(before, each)),
    ...becameStatic.filter((each) => !Object.hasOwn(fixed, each)),
  ][0];
  if (unknown !== undefined)
    throw parametersDiffer(name, parent.name, `"${unknown}" is a hyperparameter of one of them alone`);
  const changes = becameTunable.length + becameStatic.length;
  if (changes > mostStaticChanges) throw staticChanges(name, parent.name, changes, mostStaticChanges);
  const isSame = data === parent.data && algorithm === parent.algorithm;
  if (type === "identical-data-and-algorithm" && (data === undefined || algorithm === undefined || !isSame))
    throw dataDiffers(name, parent.name);
}

/** The parent's completed trials; what it had fixed counts as the parameter of each. */
function priorOf({ direction }: { readonly direction: Direction }, parent: WarmStartParent): PriorStudy {
  const points = parent.trials.flatMap((trial) => {
    const loss = trial.state === "completed" ? lossOf(trial, direction) : undefined;
    return loss === undefined || Number.isNaN(loss) ? [] : [{ params: { ...parent.static, ...trial.params }, loss }];
  });
  return { name: parent.name, points };
}
