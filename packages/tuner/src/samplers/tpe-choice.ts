import type { Random } from "@millwright/contracts";
import type { Params, Space } from "../space.ts";
import { fillActive } from "../space-conditions.ts";
import type { AxisTable } from "./parzen-axes.ts";
import { type Candidate, type GroupModel, bestCandidate, createGroupModel } from "./tpe-candidates.ts";
import { parameterGroups } from "./tpe-groups.ts";
import type { TpeRules } from "./tpe-profile.ts";

/** Parameters put together from the groups' candidates, with the densities of these. */
export interface Choice {
  readonly params: Params;
  readonly logGood: number;
  readonly logBad: number;
}

/** What is chosen among. Rows are oldest first. */
export interface ChoiceRows {
  readonly finished: readonly Float64Array[];
  readonly below: readonly Float64Array[];
  readonly above: readonly Float64Array[];
}

type Build = (candidateOf: (model: GroupModel) => Candidate) => Choice;

/** Puts the groups' candidates together; groups that are inactive in a trial are not looked at. */
export interface Chooser {
  /** Of each group the best candidate. */
  best(): Choice;
  /** The best of whole candidates that are accepted, from the first of so many rounds that has any. */
  bestOf(rounds: number, accepts: (params: Params) => boolean): Choice | undefined;
}

export function createChooser(
  space: Space,
  table: AxisTable,
  rows: ChoiceRows,
  rules: TpeRules,
  random: Random,
): Chooser {
  const build = createBuild(space, table, rows, rules);
  return {
    best: () =>
      build((model) => {
        const drawn = bestCandidate(model.draw(rules.candidates, random));
        return rules.refinements === 0 ? drawn : model.refine(drawn, rules.refinements, random);
      }),
    bestOf(rounds, accepts) {
      for (let round = 0; round < rounds; round += 1) {
        const drawn = new Map<GroupModel, readonly Candidate[]>();
        let best: Choice | undefined;
        for (let index = 0; index < rules.candidates; index += 1) {
          const choice = build((model) => {
            const own = drawn.get(model) ?? model.draw(rules.candidates, random);
            drawn.set(model, own);
            return own[index] as Candidate;
          });
          if ((best === undefined || ratioOf(choice) > ratioOf(best)) && accepts(choice.params)) best = choice;
        }
        if (best !== undefined) return best;
      }
      return undefined;
    },
  };
}

const ratioOf = ({ logGood, logBad }: Choice): number => logGood - logBad;

function createBuild(space: Space, table: AxisTable, { finished, below, above }: ChoiceRows, rules: TpeRules): Build {
  const groups = parameterGroups(table, finished, rules.grouping);
  const groupOf = new Map(groups.flatMap((group) => group.map(({ name }) => [name, group] as const)));
  const byName = new Map(table.parameters.map((parameter) => [parameter.name, parameter]));
  const models = new Map<unknown, GroupModel>();
  const modelOf = (name: string): GroupModel | undefined => {
    const group = groupOf.get(name);
    if (group === undefined) return undefined;
    const model = models.get(group) ?? createGroupModel(group, below, above, table, rules);
    models.set(group, model);
    return model;
  };
  return (candidateOf) => {
    const chosen = new Map<GroupModel, Candidate>();
    const params = fillActive(space, (name) => {
      const model = modelOf(name);
      if (model !== undefined && !chosen.has(model)) chosen.set(model, candidateOf(model));
      const row = model === undefined ? [] : (chosen.get(model) as Candidate).row;
      return (byName.get(name) as AxisTable["parameters"][number]).decode(row);
    });
    let logGood = 0;
    let logBad = 0;
    for (const candidate of chosen.values()) {
      logGood += candidate.logGood;
      logBad += candidate.logBad;
    }
    return { params, logGood, logBad };
  };
}
