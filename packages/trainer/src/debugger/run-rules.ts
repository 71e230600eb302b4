import { isDeepStrictEqual } from "node:util";
import type { JsonObject, JsonValue } from "@millwright/contracts";
import type { CheckpointPart } from "../checkpoint-file.ts";
import type { Tensor } from "../define-training.ts";
import { callbackFailed } from "../errors.ts";
import type { LoopOptions } from "../loop-options.ts";
import { readTensors, tensorsOf } from "../model-state.ts";
import {
  defaultTolerance,
  type Observation,
  observeLoss,
  type ObservedTensor,
  type TensorCollection,
} from "./observation.ts";
import { type FiredRule, type RuleAction, ruleOf, type RuleUse } from "./rule-use.ts";
import { type StepWatch, TensorWatch } from "./tensor-watch.ts";
import type { RuleFinding, TrainingRule } from "./training-rule.ts";

interface Used {
  readonly rule: TrainingRule;
  readonly actions: readonly RuleAction[];
  readonly everySteps: number;
  readonly times: number;
  state: JsonValue;
  fired: number;
}

/** A finding with what is to be done about it. */
export interface DueRule {
  readonly finding: RuleFinding;
  readonly rule: string;
  readonly actions: readonly RuleAction[];
  readonly observation: Observation;
}

/** The rules of a run, with their states. */
export class RunRules {
  readonly #used: readonly Used[];
  readonly #watch: TensorWatch;
  readonly #tf: LoopOptions["tf"];
  #fired: readonly FiredRule[] = [];
  /** Whether the loss and the gradients of each step are looked at before it is taken. */
  readonly guardsSteps: boolean;
  /** Whether validation is to say its loss. */
  readonly wantsValidation: boolean;

  constructor(
    uses: readonly RuleUse[],
    { tf, ready, onDevice = false }: Pick<LoopOptions, "tf" | "ready" | "onDevice">,
  ) {
    this.#tf = tf;
    this.#used = uses.map((use) => {
      const rule = ruleOf(use);
      const { actions = [], everySteps = 500, times = 1 } = use;
      return { rule, actions, everySteps, times, state: rule.empty, fired: 0 };
    });
    this.guardsSteps = this.#used.some(isGuard);
    this.wantsValidation = this.#used.some(({ rule }) => rule.needs.includes("losses"));
    this.#watch = new TensorWatch({ tf, ready, onDevice, ...watchParameters(uses) });
  }

  /** All that have fired, first first. */
  get fired(): readonly FiredRule[] {
    return this.#fired;
  }

  note(fired: FiredRule): void {
    this.#fired = [...this.#fired, fired];
  }

  /** What is looked at in the step; undefined for nothing. @param index Of the step, from 0. */
  begin(index: number, rows: Parameters<TensorWatch["begin"]>[0]): StepWatch | undefined {
    const due = this.#dueAt(index);
    if (due.length === 0) return undefined;
    const needs = new Set<TensorCollection>(due.flatMap(({ rule }) => rule.needs));
    return this.#watch.begin(
      rows,
      needs,
      due.some(({ rule }) => rule.firstSteps !== undefined),
    );
  }

  /** Shows the rules whose turn it is what was seen of a step. */
  async observe(index: number, watch: StepWatch, timeMs: number): Promise<readonly DueRule[]> {
    return this.#show(this.#dueAt(index), { step: index + 1, mode: "train", timeMs, tensors: await watch.read() });
  }

  /** The step's loss or gradients are no numbers, and it was not taken. */
  exploded(index: number, timeMs: number): readonly DueRule[] {
    const tensor: ObservedTensor = { ...observeLoss("train", Number.NaN), name: "train or a gradient" };
    return this.#show(this.#used.filter(isGuard), { step: index + 1, mode: "train", timeMs, tensors: [tensor] });
  }

  /** After an epoch. */
  observeEpoch(
    step: number,
    losses: Readonly<Record<"train" | "validation", number>>,
    timeMs: number,
  ): readonly DueRule[] {
    const tensors = [observeLoss("train", losses.train), observeLoss("validation", losses.validation)];
    const rules = this.#used.filter(({ rule }) => rule.needs.includes("losses") && rule.firstSteps === undefined);
    return this.#show(rules, { step, mode: "validation", timeMs, tensors });
  }

  save(): JsonObject {
    const states = this.#used.map(({ rule, state, fired }) => ({ rule: rule.name, state, fired }));
    return { states, fired: this.#fired } as unknown as JsonObject;
  }

  /** Weights of the last observation, for a checkpoint. */
  parts(): Promise<readonly CheckpointPart[]> {
    return readTensors(this.#watch.previous, "observed");
  }

  restore(saved: JsonValue | undefined, parts: readonly CheckpointPart[], own: boolean): void {
    const { states = [], fired = [] } = (saved ?? {}) as unknown as {
      readonly states?: readonly { readonly rule: string; readonly state: JsonValue; readonly fired: number }[];
      readonly fired?: readonly FiredRule[];
    };
    if (own) this.#fired = fired;
    for (const [index, used] of this.#used.entries()) {
      const found = states[index];
      if (found?.rule !== used.rule.name) continue; // other rules than it was saved with begin anew
      used.state = found.state;
      if (own) used.fired = found.fired;
    }
    this.#watch.restore(tensorsOf(this.#tf, parts, "observed") as Tensor[]);
  }

  dispose(): void {
    this.#watch.dispose();
  }

  #dueAt(index: number): readonly Used[] {
    return this.#used.filter(({ rule, everySteps }) =>
      rule.firstSteps === undefined ? index % everySteps === 0 : index < rule.firstSteps,
    );
  }

  #show(rules: readonly Used[], observation: Observation): readonly DueRule[] {
    return rules.flatMap((used) => {
      const { rule, actions, times } = used;
      used.state = stateAfter(rule, used.state, observation);
      const finding = rule.verdict(used.state);
      if (finding === undefined || used.fired >= times) return [];
      used.fired += 1;
      return [{ finding, rule: rule.name, actions, observation }];
    });
  }
}

const isGuard = ({ rule, actions }: Used): boolean =>
  rule.name === "ExplodingTensor" && actions.some((action) => action === "stop" || action === "fail");

/** Throws `TRAINER_CALLBACK_FAILED` where a rule of one's own throws, or its state is not JSON. */
function stateAfter(rule: TrainingRule, state: JsonValue, observation: Observation): JsonValue {
  try {
    const next = rule.update(state, observation);
    const copy = JSON.parse(JSON.stringify(next)) as JsonValue;
    if (!isDeepStrictEqual(withoutUndefined(next), copy))
      throw new TypeError("what it holds does not come back from JSON as it is");
    return copy;
  } catch (error) {
    throw callbackFailed(rule.name, "update", error);
  }
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.fromEntries(entries.map(([key, part]) => [key, withoutUndefined(part)]));
}

/** What the built-in rules say of how tensors are to be looked at. */
function watchParameters(
  uses: readonly RuleUse[],
): Pick<ConstructorParameters<typeof TensorWatch>[0], "tolerance" | "bounds"> {
  let tolerance = defaultTolerance;
  const bounds: Partial<Record<TensorCollection, readonly [number, number]>> = {};
  for (const use of uses) {
    if (use.rule === "UnchangedTensor") {
      const { rtol = tolerance.rtol, atol = tolerance.atol, equalNan = tolerance.equalNan } = use.parameters ?? {};
      tolerance = { rtol, atol, equalNan };
    } else if (use.rule === "SaturatedActivation") {
      const { thresholdTanh, thresholdSigmoid } = use.parameters ?? {};
      if (thresholdTanh !== undefined) bounds.tanh_input = thresholdTanh;
      if (thresholdSigmoid !== undefined) bounds.sigmoid_input = thresholdSigmoid;
    }
  }
  return { tolerance, bounds };
}
