import type { Random } from "@millwright/contracts";
import { constraintsUnsatisfiable, spaceInvalid } from "./errors.ts";
import type { Params, Space } from "./space.ts";
import { fillActive } from "./space-conditions.ts";
import { walkParams } from "./space-polytope.ts";
import { sampleParameter } from "./space-scale.ts";

/** What is known before a trial runs: the sum of weight × value over the active numeric parameters lies within the bounds. JSON-safe. */
export interface LinearConstraint {
  readonly kind: "linear";
  readonly weights: Readonly<Record<string, number>>;
  /** Inclusive. */
  readonly atLeast?: number | undefined;
  /** Inclusive. */
  readonly atMost?: number | undefined;
}

/** Any other rule: pure, and the same in every process that works on the study. */
export interface RuleConstraint {
  readonly kind: "rule";
  /** Stands in the study's journal in place of the function. */
  readonly name: string;
  readonly allows: (params: Params) => boolean;
}

export type Constraint = LinearConstraint | RuleConstraint;

export function linear(
  weights: Readonly<Record<string, number>>,
  bounds: { readonly atLeast?: number | undefined; readonly atMost?: number | undefined },
): LinearConstraint {
  return { kind: "linear", weights, ...bounds };
}

export function rule(name: string, allows: (params: Params) => boolean): RuleConstraint {
  return { kind: "rule", name, allows };
}

/** Throws `TUNER_SPACE_INVALID` for a constraint that speaks of what the space has not, or of no bound. */
export function validateConstraints(space: Space, constraints: readonly Constraint[]): void {
  for (const constraint of constraints) {
    if (typeof constraint !== "object" || constraint === null)
      throw spaceInvalid("(constraint)", "it is no constraint");
    if (constraint.kind === "rule") {
      if (typeof constraint.name !== "string" || typeof constraint.allows !== "function")
        throw spaceInvalid(String(constraint.name), "its rule needs a name and a function");
    } else if (constraint.kind === "linear") validateLinear(space, constraint);
    else throw spaceInvalid("(constraint)", "its kind is none of linear and rule");
  }
}

function validateLinear(space: Space, { weights, atLeast = -Infinity, atMost = Infinity }: LinearConstraint): void {
  for (const [name, weight] of Object.entries(weights ?? {})) {
    const kind = Object.hasOwn(space, name) ? space[name]?.kind : undefined;
    if (kind !== "float" && kind !== "int") throw spaceInvalid(name, "a linear constraint needs a numeric parameter");
    if (!Number.isFinite(weight)) throw spaceInvalid(name, `its weight in a linear constraint is ${String(weight)}`);
  }
  const names = Object.keys(weights ?? {}).join(" + ") || "(constraint)";
  if (typeof atLeast !== "number" || typeof atMost !== "number" || !(atLeast <= atMost))
    throw spaceInvalid(names, `its constraint asks for ${String(atLeast)} to ${String(atMost)}`);
  if (atLeast === -Infinity && atMost === Infinity) throw spaceInvalid(names, "its constraint has no bound");
}

/** Whether all of them allow these values. */
export function isAllowed(constraints: readonly Constraint[] | undefined, params: Params): boolean {
  return constraints === undefined || constraints.every((constraint) => allows(constraint, params));
}

/** Sums such as 0.1 + 0.2 may pass a bound by their rounding. */
const slack = 1e-12;

function allows(constraint: Constraint, params: Params): boolean {
  if (constraint.kind === "rule") return constraint.allows(params);
  let sum = 0;
  let size = 0;
  for (const [name, weight] of Object.entries(constraint.weights)) {
    const value = params[name];
    if (typeof value !== "number") continue;
    sum += weight * value;
    size += Math.abs(weight * value);
  }
  return (
    sum >= (constraint.atLeast ?? -Infinity) - slack * size && sum <= (constraint.atMost ?? Infinity) + slack * size
  );
}

const mostDraws = 20_000;
/** Plain draws before linear constraints are met by a walk. */
const plainDraws = 50;
const mostWalks = 400;

/**
 * Uniform draws on each parameter's search scale, of what the constraints allow: independent of each other by rejection; where linear constraints leave too
 * little for that, by a walk inside of them. Inactive parameters are absent.
 * Throws `TUNER_CONSTRAINTS_UNSATISFIABLE` where nothing is found.
 */
export function drawParams(space: Space, random: Random, constraints: readonly Constraint[] = []): Params {
  const linear = constraints.filter((constraint) => constraint.kind === "linear");
  const valueOf = (name: string): Params[string] => sampleParameter(space[name] as Space[string], random);
  for (let draw = 0; draw < mostDraws; draw += 1) {
    const params = fillActive(space, valueOf);
    if (constraints.length === 0 || isAllowed(constraints, params)) return params;
    if (draw < plainDraws || draw >= plainDraws + mostWalks || linear.length === 0) continue;
    const walked = walkParams(space, random, linear);
    if (walked !== undefined && isAllowed(constraints, walked)) return walked;
  }
  throw constraintsUnsatisfiable(mostDraws);
}
