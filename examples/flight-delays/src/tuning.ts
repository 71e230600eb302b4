import type { DatasetRef } from "@millwright/contracts";
import type { FittedTransforms } from "@millwright/data";
import {
  float,
  int,
  medianPruner,
  type Objective,
  openStudy,
  type ParamsOf,
  type Space,
  type StudyOptions,
} from "@millwright/tuner";
import type { TrialReport } from "./report-data.ts";
import { batchSize, type NetworkParams, sampleOf, type TrainingBench, trainingModule } from "./training.ts";
import { fitTrees, type TreesParams, treesSearch } from "./trees.ts";

/** Of both kinds of model: the trials, and the best parameters of each. */
export interface Tuned {
  readonly trials: readonly TrialReport[];
  readonly best: { readonly network: NetworkParams; readonly trees: TreesParams };
}

interface Search extends TrainingBench {
  readonly train: DatasetRef;
  readonly validation: DatasetRef;
}

/** Searches the parameters of a network and of boosted trees on a part of the data; a third of the trials are trees. */
export async function tune(bench: TrainingBench, transforms: FittedTransforms): Promise<Tuned> {
  const { effort } = bench;
  const train = await sampleOf(bench, "train", effort.trialRows);
  const validation = await sampleOf(bench, "validation", Math.ceil(effort.trialRows / 3));
  const search = { ...bench, train, validation };
  const forTrees = Math.max(1, Math.floor(effort.trials / 3));
  const network = await tuneNetwork(search, transforms, effort.trials - forTrees);
  const trees = await tuneTrees(search, forTrees);
  return { trials: [...network.trials, ...trees.trials], best: { network: network.best, trees: trees.best } };
}

interface Found<Params> {
  readonly trials: readonly TrialReport[];
  readonly best: Params;
}

async function search<const S extends Space>(
  { database, signal, terminal }: TrainingBench,
  options: Pick<StudyOptions<S>, "name" | "space" | "pruner">,
  objective: Objective<S>,
  trials: number,
): Promise<Found<ParamsOf<S>>> {
  const { name } = options;
  await using study = await openStudy({
    ...options,
    direction: "minimize",
    database,
    seed: 2001,
    // Nobody else works in this folder: what a run that was killed had under way is soon begun again.
    leaseMs: 3_000,
  });
  await study.optimize(objective, {
    trials,
    parallelism: 2,
    signal,
    onTrial: ({ number, state, value, reason }) =>
      terminal.line(
        `   ${name}, trial ${number}: ${state}${value === undefined ? ` (${reason})` : `, log loss ${value.toFixed(4)}`}`,
      ),
  });
  const ended = (await study.trials()).map(({ number, state, value, params, intermediates }): TrialReport => ({
    study: name,
    number,
    state,
    value: value ?? intermediates.at(-1)?.[1],
    params,
    epochs: intermediates.length,
  }));
  return { trials: ended, best: (await study.best()).params };
}

function tuneNetwork(bench: Search, transforms: FittedTransforms, trials: number): Promise<Found<NetworkParams>> {
  const { train, validation, trainer, effort, signal, registry } = bench;
  const options = {
    name: "late",
    space: {
      units: int(16, 64, { step: 16 }),
      learningRate: float(3e-4, 1e-2, { log: true }),
      dropout: float(0, 0.3, { step: 0.05 }),
    },
    pruner: medianPruner({ startupTrials: 4 }),
  };
  const objective: Objective<(typeof options)["space"]> = async (trial) => {
    const run = await trainer.start(trainingModule, {
      params: trial.params,
      data: { train, validation },
      label: "late",
      transforms,
      epochs: effort.trialEpochs,
      batchSize,
      checkpoints: false,
      trial,
      tracker: registry,
      experiment: "late",
      progress: false,
      signal,
    });
    return (await run.result({ signal })).metrics["logLoss"] as number;
  };
  return search(bench, options, objective, trials);
}

function tuneTrees(bench: Search, trials: number): Promise<Found<TreesParams>> {
  const { train, validation, effort } = bench;
  const objective: Objective<(typeof treesSearch)["space"]> = async (trial) => {
    const { logLoss } = await fitTrees(bench, {
      name: `trees-trial-${trial.number}`,
      train,
      validation,
      params: trial.params,
      trees: effort.trialTrees,
      packed: false,
      causedBy: trial.eventId,
      signal: trial.signal,
      onProgress: async (step, value) => (await trial.report(step, value)) === "continue",
    });
    return logLoss;
  };
  return search(bench, treesSearch, objective, trials);
}
