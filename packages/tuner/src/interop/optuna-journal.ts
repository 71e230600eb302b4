import type { JsonValue } from "@millwright/contracts";
import { importInvalid } from "../errors.ts";
import type { StudyRecord } from "../insight/record.ts";
import type { Direction, Trial } from "../trial.ts";
import type { ConversionLoss, ImportedStudy } from "./losses.ts";
import { type OptunaDistribution, toOptuna } from "./optuna-distributions.ts";
import { parsePythonJson, printPythonJson } from "./optuna-json.ts";
import { type OptunaTrial, importedStudy } from "./optuna-study.ts";

type Fields = Readonly<Record<string, JsonValue>>;

interface JournalStudy {
  readonly name: string;
  readonly directions: readonly Direction[];
  readonly trials: OptunaTrial[];
  deleted: boolean;
}

/** A trial that its study can still change. */
type Draft = { -readonly [Key in keyof OptunaTrial]: OptunaTrial[Key] };

/**
 * The studies in a journal file of Optuna (`JournalFileBackend`), deleted ones left out. An incomplete last line is left alone, as Optuna does.
 * Throws `TUNER_IMPORT_INVALID`, naming the line.
 */
export function readOptunaJournal(text: string): readonly ImportedStudy[] {
  const studies: JournalStudy[] = [];
  const trials: Draft[] = [];
  const lines = text.split("\n");
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    let entry: Fields;
    try {
      entry = parsePythonJson(line) as Fields;
    } catch (cause) {
      if (index === lines.length - 1) break;
      throw importInvalid(`line ${index + 1}`, "it is not JSON", cause);
    }
    try {
      applyEntry(entry, studies, trials);
    } catch (cause) {
      throw importInvalid(`line ${index + 1}`, cause instanceof Error ? cause.message : String(cause), cause);
    }
  }
  return studies
    .filter(({ deleted }) => !deleted)
    .map(({ name, directions, trials: own }) => importedStudy(name, directions, own));
}

function applyEntry(entry: Fields, studies: JournalStudy[], trials: Draft[]): void {
  const trial = (): Draft => known(trials[entry["trial_id"] as number], `trial ${textOf(entry["trial_id"])}`);
  switch (entry["op_code"]) {
    case 0:
      studies.push({
        name: textOf(entry["study_name"]),
        directions: (entry["directions"] as readonly number[]).map((each) => (each === 2 ? "maximize" : "minimize")),
        trials: [],
        deleted: false,
      });
      return;
    case 1:
      known(studies[entry["study_id"] as number], `study ${textOf(entry["study_id"])}`).deleted = true;
      return;
    case 4: {
      const made = createdTrial(entry);
      trials.push(made);
      known(studies[entry["study_id"] as number], `study ${textOf(entry["study_id"])}`).trials.push(made);
      return;
    }
    case 5: {
      const made = trial();
      const distribution = JSON.parse(textOf(entry["distribution"])) as OptunaDistribution;
      const param = { internal: entry["param_value_internal"] as number, distribution };
      made.params = { ...made.params, [textOf(entry["param_name"])]: param };
      return;
    }
    case 6: {
      const made = trial();
      made.state = entry["state"] as number;
      made.values = (entry["values"] as readonly number[] | null) ?? made.values;
      made.startedMs = timeOf(entry["datetime_start"]) ?? made.startedMs;
      made.endedMs = timeOf(entry["datetime_complete"]) ?? made.endedMs;
      return;
    }
    case 7: {
      const made = trial();
      made.intermediates = [...made.intermediates, [entry["step"] as number, entry["intermediate_value"] as number]];
      return;
    }
    case 8:
    case 9: {
      const made = trial();
      if (entry["op_code"] === 8) made.userAttributes = { ...made.userAttributes, ...(entry["user_attr"] as Fields) };
      else made.systemAttributes = { ...made.systemAttributes, ...(entry["system_attr"] as Fields) };
      return;
    }
    default:
    // Attributes of studies, and what later releases write beside trials.
  }
}

const textOf = (value: JsonValue | undefined): string =>
  typeof value === "string" ? value : JSON.stringify(value ?? null);

function known<Thing>(thing: Thing | undefined, name: string): Thing {
  if (thing === undefined) throw new RangeError(`it speaks of ${name}, which no line before made`);
  return thing;
}

function createdTrial(entry: Fields): Draft {
  const distributions = (entry["distributions"] ?? {}) as Readonly<Record<string, string>>;
  const internals = (entry["params"] ?? {}) as Readonly<Record<string, number>>;
  const value = entry["value"];
  const intermediates = (entry["intermediate_values"] ?? {}) as Readonly<Record<string, number>>;
  return {
    state: (entry["state"] as number | undefined) ?? 0,
    values:
      (entry["values"] as readonly number[] | null | undefined) ?? (typeof value === "number" ? [value] : undefined),
    params: Object.fromEntries(
      Object.entries(internals).map(([name, internal]) => [
        name,
        { internal, distribution: JSON.parse(distributions[name] ?? "null") as OptunaDistribution },
      ]),
    ),
    intermediates: Object.entries(intermediates).map(([step, each]) => [Number(step), each] as const),
    userAttributes: (entry["user_attrs"] ?? {}) as Fields,
    systemAttributes: (entry["system_attrs"] ?? {}) as Fields,
    startedMs: timeOf(entry["datetime_start"]),
    endedMs: timeOf(entry["datetime_complete"]),
  };
}

function timeOf(value: JsonValue | undefined): number | undefined {
  const at = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}

/** Optuna's numbers for our states; a paused trial counts as pruned there, one that waits as waiting. */
export const optunaState: Readonly<Record<Trial["state"], number>> = {
  completed: 1,
  pruned: 2,
  paused: 2,
  failed: 3,
  running: 4,
  waiting: 4,
};

/** A journal file of Optuna with one study: append it to none, or write it as a new file. `losses` says what Optuna has no place for. */
export function writeOptunaJournal(record: StudyRecord & { readonly name: string }): {
  readonly text: string;
  readonly losses: readonly ConversionLoss[];
} {
  const converted = Object.entries(record.space).map(([name, parameter]) => [name, toOptuna(name, parameter)] as const);
  const lines: unknown[] = [
    {
      op_code: 0,
      worker_id: "millwright",
      study_name: record.name,
      directions: record.directions.map((direction) => (direction === "maximize" ? 2 : 1)),
    },
  ];
  for (const trial of record.trials) lines.push(journalTrial(trial, Object.fromEntries(converted)));
  return {
    text: lines.map((line) => `${printPythonJson(line)}\n`).join(""),
    losses: converted.flatMap(([, { losses }]) => losses),
  };
}

function journalTrial(trial: Trial, space: Readonly<Record<string, ReturnType<typeof toOptuna>>>): unknown {
  const state = optunaState[trial.state];
  const waits = state === 4;
  const params = waits ? [] : Object.entries(trial.params);
  const { values } = trial;
  const last = trial.intermediates.at(-1)?.[1];
  const told = values ?? (state === 2 && last !== undefined && !Number.isNaN(last) ? [last] : undefined);
  return {
    op_code: 4,
    worker_id: "millwright",
    study_id: 0,
    datetime_start: waits ? null : isoOf(trial.startedMs),
    ...(waits ? {} : { datetime_complete: isoOf(trial.endedMs ?? trial.startedMs) }),
    state,
    ...(told === undefined ? {} : told.length === 1 ? { value: told[0] } : { values: told }),
    distributions: Object.fromEntries(params.map(([name]) => [name, JSON.stringify(space[name]?.distribution)])),
    params: Object.fromEntries(params.map(([name, value]) => [name, space[name]?.toInternal(value)])),
    user_attrs: trial.attributes ?? {},
    system_attrs: {
      ...(waits ? { fixed_params: trial.params } : {}),
      ...(trial.constraintValues === undefined ? {} : { constraints: trial.constraintValues }),
    },
    intermediate_values: Object.fromEntries(trial.intermediates.map(([step, value]) => [String(step), value])),
  };
}

const isoOf = (ms = 0): string => new Date(ms).toISOString();
