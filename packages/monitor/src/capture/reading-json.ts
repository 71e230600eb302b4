import { decodeNumbers, encodeNumbers, type JsonValue } from "@millwright/contracts";
import type { ClassName } from "../quality/classes.ts";
import type { AnswerReading, ModelReading, ReadingsState } from "./answer-readings.ts";
import { listOf, numberOf, objectOf, textOf } from "./state-reading.ts";

/** Readings as JSON: each once, and of models which. @param indexOf The place of a reading in a table that `tableOfReadings` writes. */
export const readingsToJson = (
  { models, classes }: ReadingsState,
  indexOf: (reading: AnswerReading) => number,
): { readonly models: JsonValue; readonly classes: JsonValue } => ({
  models: encodeNumbers(
    models.map(({ endpoint, digest, fromMs, reading }) => [endpoint, digest, fromMs, indexOf(reading)]),
  ),
  classes: encodeNumbers(classes.map(([endpoint, names]) => [endpoint, [...names]])),
});

export const tableOfReadings = (readings: readonly AnswerReading[]): JsonValue =>
  encodeNumbers(readings as unknown as JsonValue);

export const parseTable = (json: unknown): readonly AnswerReading[] =>
  listOf(decodeNumbers(json as JsonValue)).map((each) => {
    const { kind, classes, top, threshold } = objectOf(each);
    if (kind !== "binary" && kind !== "regression" && kind !== "classes") throw new TypeError("answers are of no kind");
    if ((kind === "classes") !== (classes !== undefined)) throw new TypeError("answers of classes do not name them");
    return {
      kind,
      ...(classes === undefined ? {} : { classes: listOf(classes).map(nameOf) }),
      ...(top === undefined ? {} : { top: numberOf(top) }),
      ...(threshold === undefined ? {} : { threshold: numberOf(threshold) }),
    };
  });

/** Reads what `readingsToJson` wrote. Throws a `TypeError` that says what is wrong. */
export function parseReadings(models: unknown, classes: unknown, table: readonly AnswerReading[]): ReadingsState {
  return {
    models: listOf(decodeNumbers(models as JsonValue)).map((each): ModelReading => {
      const [endpoint, digest, fromMs, index] = listOf(each);
      const reading = table[numberOf(index)];
      if (reading === undefined) throw new TypeError("it is not told how answers of a model are read");
      return { endpoint: textOf(endpoint), digest: textOf(digest), fromMs: numberOf(fromMs), reading };
    }),
    classes: listOf(decodeNumbers(classes as JsonValue)).map((each) => {
      const [endpoint, names] = listOf(each);
      return [textOf(endpoint), listOf(names).map(nameOf)] as const;
    }),
  };
}

function nameOf(name: unknown): ClassName {
  if (typeof name !== "string" && typeof name !== "number" && typeof name !== "boolean")
    throw new TypeError("a class has no name");
  return name;
}
