import type { CapturedLabel } from "@millwright/contracts";
import { type QualityOptions, truthOf } from "../quality/quality.ts";
import { rowOutcome } from "../quality/row-outcome.ts";
import type { AnswerReadings } from "./answer-readings.ts";
import type { Answer } from "./waiting-answers.ts";

/** What a label tells, as facts keep it; undefined where it tells nothing of such an answer. */
export function truthIn(
  { endpoint, reading }: Answer,
  value: CapturedLabel["value"],
  { classes = [], positive, output }: QualityOptions,
  readings: AnswerReadings,
): number | undefined {
  if (reading.kind !== "classes") return truthOf(value, { ...reading, output, positive });
  const isClass = classes.includes(value) || reading.classes?.includes(value);
  return isClass === true ? readings.numberOf(endpoint, value) : undefined;
}

/** What is counted of a row whose truth is known; undefined where there is no such row. */
export function outcomeOf(
  { endpoint, scores, reading }: Answer,
  row: number,
  truth: number,
  readings: AnswerReadings,
): ReturnType<typeof rowOutcome> {
  const { classes } = reading;
  if (classes === undefined) return rowOutcome(scores, row, truth, reading);
  const name = readings.nameOf(endpoint, truth);
  if (name === undefined) return undefined;
  const place = classes.indexOf(name);
  return rowOutcome(scores, row, place < 0 ? classes.length : place, reading, name);
}
