import { inputInvalid } from "../errors.ts";
import { checkRule, createRule, type RuleName, type RuleParameters } from "./create-rule.ts";
import type { RuleFinding, TrainingRule } from "./training-rule.ts";

/**
 * What is done where a rule fires, besides telling of it: `stop` ends the run with a package, `fail` ends it with `TRAINER_RULE_FIRED`, `snapshot`
 * writes a checkpoint and what was observed into the run's `snapshots` folder, `mark` notes it in the tracked run's params; the learning rate is
 * multiplied by a factor below 1.
 */
export type RuleAction = "stop" | "fail" | "snapshot" | "mark" | { readonly lowerLearningRate: number };

interface UseOptions {
  /** In their order. Default: none; that it fired is told in any case. */
  readonly actions?: readonly RuleAction[] | undefined;
  /** Steps between two observations, from the first step on. Default: 500, as SageMaker's. */
  readonly everySteps?: number | undefined;
  /** How often it may fire in a run. Default: 1. */
  readonly times?: number | undefined;
}

/** A built-in rule with what it is to do. JSON. */
export type BuiltInRuleUse = {
  readonly [Name in RuleName]: UseOptions & {
    readonly rule: Name;
    readonly parameters?: RuleParameters[Name] | undefined;
  };
}[RuleName];

/** A rule with what it is to do: a built-in one, or one's own. */
export type RuleUse = BuiltInRuleUse | (UseOptions & { readonly rule: TrainingRule });

/** A rule has fired. */
export interface FiredRule extends RuleFinding {
  readonly rule: string;
  readonly epoch: number;
  /** What was done. */
  readonly actions: readonly RuleAction[];
  /** The folder of the snapshot, where one was taken. */
  readonly snapshot?: string | undefined;
}

export const ruleOf = (use: RuleUse): TrainingRule =>
  typeof use.rule === "string" ? createRule(use.rule, use.parameters) : use.rule;

/** Throws `TRAINER_INPUT_INVALID`. @param own Whether rules of one's own may be among them. */
export function checkRuleUses(uses: unknown, { own }: { readonly own: boolean }): void {
  if (!Array.isArray(uses)) throw inputInvalid("rules", uses, "a list of rules");
  for (const [index, use] of (uses as readonly Partial<RuleUse>[]).entries()) {
    const at = `rules[${index}]`;
    if (typeof use !== "object" || use === null) throw inputInvalid(at, use, 'an object such as { rule: "Overfit" }');
    const { rule, actions = [], everySteps = 1, times = 1 } = use;
    if (own && isRule(rule)) {
      if ("parameters" in use) throw inputInvalid(`${at}.parameters`, use.parameters, "absent for a rule of one's own");
    } else checkRule(rule, ("parameters" in use ? use.parameters : undefined) ?? {}, `${at}.rule`);
    if (!Array.isArray(actions)) throw inputInvalid(`${at}.actions`, actions, "a list");
    for (const action of actions as readonly RuleAction[]) checkAction(action, `${at}.actions`);
    if (!Number.isInteger(everySteps) || everySteps < 1)
      throw inputInvalid(`${at}.everySteps`, everySteps, "a whole number from 1");
    if (!Number.isInteger(times) || times < 1) throw inputInvalid(`${at}.times`, times, "a whole number from 1");
  }
}

const isRule = (rule: unknown): rule is TrainingRule =>
  typeof rule === "object" &&
  rule !== null &&
  "update" in rule &&
  typeof rule.update === "function" &&
  "verdict" in rule &&
  typeof rule.verdict === "function" &&
  "empty" in rule &&
  "needs" in rule &&
  Array.isArray(rule.needs) &&
  "name" in rule &&
  typeof rule.name === "string";

function checkAction(action: unknown, at: string): void {
  if (typeof action === "string" && ["stop", "fail", "snapshot", "mark"].includes(action)) return;
  const factor: unknown =
    typeof action === "object" && action !== null && "lowerLearningRate" in action
      ? action.lowerLearningRate
      : undefined;
  if (!(typeof factor === "number" && factor > 0 && factor < 1))
    throw inputInvalid(
      at,
      action,
      '"stop", "fail", "snapshot", "mark" or { lowerLearningRate: a number between 0 and 1 }',
    );
}
