import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { categorical, float, int, openStudy, randomSampler, when } from "@millwright/tuner";
import {
  readOptunaDatabase,
  readOptunaJournal,
  writeOptunaDatabase,
  writeOptunaJournal,
} from "@millwright/tuner/interop";
import { DatabaseSync } from "@photostructure/sqlite";
import { expect, test } from "vitest";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import optuna; assert optuna.__version__ >= '5'"]).status === 0;
const missing = `${python} cannot import optuna 5: pip install optuna==5.0.0, and name that Python in MILLWRIGHT_PYTHON`;

const script = `
import json, sys, warnings
warnings.simplefilter("ignore")
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
folder = sys.argv[1]
said = []
for storage in (JournalStorage(JournalFileBackend(folder + "/study.journal")), f"sqlite:///{folder}/study.sqlite"):
    study = optuna.load_study(study_name="ours", storage=storage, sampler=optuna.samplers.TPESampler(seed=1, n_startup_trials=3))
    before = [
        {"state": t.state.name, "params": t.params, "values": t.values, "curve": sorted(t.intermediate_values.items()), "attributes": t.user_attrs}
        for t in study.trials
    ]
    best = study.best_trial.number
    def objective(trial):
        rate = trial.suggest_float("rate", 1e-4, 1, log=True)
        layers = trial.suggest_int("layers", 1, 8)
        kind = trial.suggest_categorical("kind", ["a", None, True, 3])
        extra = trial.suggest_float("extra", 0, 1) if kind == "a" else 0
        return rate + layers + extra
    study.optimize(objective, n_trials=5)
    said.append({"before": before, "best": best, "after": [[t.params, t.values] for t in study.trials]})
print(json.dumps(said))
`;

const space = {
  rate: float(1e-4, 1, { log: true }),
  layers: int(1, 8),
  kind: categorical(["a", null, true, 3]),
  extra: when("kind", ["a"], float(0, 1)),
};

interface Said {
  readonly before: readonly {
    readonly state: string;
    readonly params: object;
    readonly values: readonly number[] | null;
    readonly curve: unknown;
    readonly attributes: object;
  }[];
  readonly best: number;
  readonly after: readonly (readonly [object, readonly number[]])[];
}

test(
  "HT-30: the real Optuna loads what we write, goes on with it, and we read what it made",
  { timeout: 600_000 },
  async (context) => {
    context.skip(!found && process.env["CI"] !== "true", missing);
    const folder = await mkdtemp(join(tmpdir(), "millwright-optuna-"));
    try {
      await using study = await openStudy({
        name: "ours",
        space,
        direction: "minimize",
        sampler: randomSampler(),
        pruner: false,
      });
      await study.optimize(
        async ({ params: { rate, layers, extra = 0 }, report }) => {
          await report(0, layers);
          return { value: rate + layers + extra, attributes: { made: "here" } };
        },
        { trials: 10 },
      );
      await study.enqueue({ rate: 0.5, layers: 2, kind: true });
      const trials = await study.trials();
      const best = await study.best();
      const record = { name: "ours", space, directions: study.directions, trials };
      await writeFile(join(folder, "study.journal"), writeOptunaJournal(record).text);
      const database = new DatabaseSync(join(folder, "study.sqlite"));
      for (const statement of writeOptunaDatabase(record).statements) database.exec(statement);
      database.close();

      const { stdout } = await promisify(execFile)(python, ["-c", script, folder], { maxBuffer: 2 ** 24 });
      const said = JSON.parse(stdout) as readonly Said[];
      const again = new DatabaseSync(join(folder, "study.sqlite"));
      const [journal] = readOptunaJournal(await readFile(join(folder, "study.journal"), "utf8"));
      const [kept] = await readOptunaDatabase((sql) => again.prepare(sql).all());
      again.close();
      for (const [index, back] of [journal, kept].entries()) {
        const { before, best: theirBest, after } = said[index] as Said;
        expect(theirBest).toBe(best.number);
        for (const [number, trial] of trials.entries()) {
          const own = before[number];
          if (trial.state === "waiting") expect(own?.state).toBe("WAITING");
          else
            expect(own).toEqual({
              state: "COMPLETE",
              params: trial.params,
              values: trial.values,
              curve: trial.intermediates,
              attributes: trial.attributes,
            });
        }
        expect(after).toHaveLength(15);
        // The first that Optuna ran was the one enqueued here.
        expect(after[10]?.[0]).toEqual({ rate: 0.5, layers: 2, kind: true });
        expect(back?.trials.map(({ params, values }) => [params, values])).toEqual(after);
        expect(back?.space["extra"]?.conditions).toEqual([{ parameter: "kind", values: ["a"] }]);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
