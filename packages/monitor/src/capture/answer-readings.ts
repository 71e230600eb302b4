import type { ClassName } from "../quality/classes.ts";
import type { QualityOptions } from "../quality/quality.ts";
import type { VariantState } from "./monitor-state.ts";

/** How an answer is read: as it was meant when it came, whatever order its classes have in a later model, or after a restart. */
export type AnswerReading = Pick<QualityOptions, "kind" | "classes" | "top" | "threshold">;

/** How answers of a model are read that came from `fromMs` on. */
export interface ModelReading {
  readonly endpoint: string;
  readonly digest: string;
  readonly fromMs: number;
  readonly reading: AnswerReading;
}

export interface ReadingsState {
  readonly models: readonly ModelReading[];
  /** Names of the classes of an endpoint, by which truths that are remembered are numbered. */
  readonly classes: readonly (readonly [endpoint: string, names: readonly ClassName[]])[];
}

/** Knows how answers are read, and numbers names of classes for as long as they are remembered. */
export interface AnswerReadings {
  /** Of answers that come now; undefined where those of the endpoint have no score. */
  now(endpoint: string): AnswerReading | undefined;
  /** Told of each answer that comes. */
  note(endpoint: string, digest: string): void;
  /** Of an answer that was found again. */
  at(endpoint: string, digest: string, timeMs: number): AnswerReading | undefined;
  /** The same number for the same name, whatever comes. */
  numberOf(endpoint: string, name: ClassName): number;
  nameOf(endpoint: string, number: number): ClassName | undefined;
  state(): ReadingsState;
  restore(state: ReadingsState): void;
}

/** Models of an endpoint of which is remembered how their answers are read: those that came last. */
const mostModels = 64;

/** @param startedMs When this process began: answers before it were read as its state tells. */
export function createAnswerReadings(
  quality: Readonly<Record<string, QualityOptions>>,
  startedMs: number,
): AnswerReadings {
  const current = new Map(Object.entries(quality).map(([endpoint, options]) => [endpoint, readingOf(options)]));
  const models = new Map<string, ModelReading[]>();
  const noted = new Map<string, Set<string>>();
  const names = new Map<string, ClassName[]>();
  const namesOf = (endpoint: string): ClassName[] => {
    const known = names.get(endpoint) ?? [...(current.get(endpoint)?.classes ?? [])];
    names.set(endpoint, known);
    return known;
  };
  const push = (model: ModelReading): void => {
    const own = models.get(model.endpoint) ?? [];
    models.set(model.endpoint, own);
    own.push(model);
    if (own.length > mostModels) own.shift();
  };
  const lastOf = (endpoint: string, digest: string, timeMs: number): AnswerReading | undefined =>
    models.get(endpoint)?.findLast((each) => each.digest === digest && each.fromMs <= timeMs)?.reading;
  return {
    now: (endpoint) => current.get(endpoint),
    note(endpoint, digest) {
      const own = noted.get(endpoint) ?? new Set();
      if (own.has(digest)) return;
      noted.set(endpoint, own.add(digest));
      const [reading, before] = [current.get(endpoint), lastOf(endpoint, digest, Number.POSITIVE_INFINITY)];
      if (reading === undefined || (before !== undefined && isAlike(reading, before))) return;
      push({ endpoint, digest, fromMs: before === undefined ? Number.NEGATIVE_INFINITY : startedMs, reading });
    },
    at: (endpoint, digest, timeMs) => lastOf(endpoint, digest, timeMs) ?? current.get(endpoint),
    numberOf(endpoint, name) {
      const known = namesOf(endpoint);
      const number = known.indexOf(name);
      return number >= 0 ? number : known.push(name) - 1;
    },
    nameOf: (endpoint, number) => namesOf(endpoint)[number],
    state: () => ({
      models: [...models.values()].flat(),
      classes: [...names].filter(([, { length }]) => length > 0),
    }),
    restore(state) {
      for (const [endpoint, known] of state.classes) names.set(endpoint, [...known]);
      for (const model of state.models) push(model);
    },
  };
}

const readingOf = ({ kind, classes, top, threshold }: QualityOptions): AnswerReading => ({
  kind,
  ...(classes === undefined ? {} : { classes: [...classes] }),
  ...(top === undefined ? {} : { top }),
  ...(threshold === undefined ? {} : { threshold }),
});

const isAlike = (a: AnswerReading, b: AnswerReading): boolean =>
  a.kind === b.kind &&
  a.top === b.top &&
  a.threshold === b.threshold &&
  a.classes?.length === b.classes?.length &&
  (a.classes ?? []).every((name, at) => name === b.classes?.[at]);

/**
 * What states before format 3 do not tell: the classes in the order in which the latest window that has labels counts them, since that is the order they had; elsewhere they are taken to be in the order
 * of now.
 */
export function readingsSeen(
  variants: readonly VariantState[],
  quality: Readonly<Record<string, QualityOptions>>,
): ReadingsState {
  const orders = new Map<string, { readonly startMs: number; readonly names: readonly ClassName[] }>();
  for (const { endpoint, windows } of variants)
    for (const { startMs, summary } of windows) {
      const names = summary.quality.classes?.names;
      if (names === undefined || startMs < (orders.get(endpoint)?.startMs ?? Number.NEGATIVE_INFINITY)) continue;
      orders.set(endpoint, { startMs, names });
    }
  const classesOf = (endpoint: string): readonly ClassName[] | undefined => orders.get(endpoint)?.names;
  return {
    classes: [...orders].map(([endpoint, { names }]) => [endpoint, names]),
    models: variants.flatMap(({ endpoint, model }): ModelReading[] => {
      const [options, classes] = [
        Object.hasOwn(quality, endpoint) ? quality[endpoint] : undefined,
        classesOf(endpoint),
      ];
      if (model === undefined || options?.kind !== "classes" || classes === undefined) return [];
      const reading = readingOf({ ...options, classes });
      return [{ endpoint, digest: model.digest, fromMs: Number.NEGATIVE_INFINITY, reading }];
    }),
  };
}
