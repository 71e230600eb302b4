import type { DatePart, FittedStep } from "@millwright/data";
import type { Graph, Value } from "./graph.ts";

type DateParts = Extract<FittedStep, { readonly kind: "dateParts" }>;

/** Arithmetic on doubles, whole numbers below 2^53 exactly. */
export interface Arithmetic {
  readonly add: (a: Value | number, b: Value | number) => Value;
  readonly subtract: (a: Value | number, b: Value | number) => Value;
  readonly multiply: (a: Value | number, b: Value | number) => Value;
  readonly divide: (a: Value | number, b: Value | number) => Value;
  /** ⌊a / b⌋. */
  readonly floored: (a: Value | number, b: number) => Value;
  readonly choose: (condition: Value, yes: Value | number, no: Value | number) => Value;
}

export function arithmeticOf(graph: Graph): Arithmetic {
  const binary =
    (op: string) =>
    (a: Value | number, b: Value | number): Value =>
      graph.node(op, [a, b]);
  const divide = binary("Div");
  return {
    add: binary("Add"),
    subtract: binary("Sub"),
    multiply: binary("Mul"),
    divide,
    floored: (a, b) => graph.node("Floor", [divide(a, b)]),
    choose: (condition, yes, no) => graph.node("Where", [condition, yes, no]),
  };
}

/** The farthest that a Date reaches, in milliseconds (ECMA-262, "Time Values and Time Range"). */
const farthestMs = 8.64e15;

/** The parts of a date; all of them doubles, and without meaning where `missing` is true. */
export interface CalendarGraph {
  readonly missing: Value;
  part(part: DatePart): Value;
}

export function calendarOf(graph: Graph, value: Value, unit: DateParts["unit"]): CalendarGraph {
  const { add, subtract, multiply, floored } = arithmeticOf(graph);
  const ms = unit === "microsecond" ? floored(value, 1000) : wholeMs(graph, multiply(value, 86_400_000));
  // NaN is within no range.
  const missing = graph.node("Not", [graph.node("LessOrEqual", [graph.node("Abs", [ms]), farthestMs])]);
  const days = floored(ms, 86_400_000);
  const msOfDay = subtract(ms, multiply(days, 86_400_000));
  const hour = floored(msOfDay, 3_600_000);
  return {
    missing,
    part(part) {
      if (part === "hour") return hour;
      if (part === "minute") return floored(subtract(msOfDay, multiply(hour, 3_600_000)), 60_000);
      if (part !== "weekday") return civilPart(graph, days, part);
      // 1970 began on a Thursday.
      const sinceMonday = add(days, 3);
      return add(subtract(sinceMonday, multiply(floored(sinceMonday, 7), 7)), 1);
    },
  };
}

/** A Date cuts parts of a millisecond off towards zero. */
const wholeMs = (graph: Graph, ms: Value): Value =>
  graph.node("Mul", [graph.node("Sign", [ms]), graph.node("Floor", [graph.node("Abs", [ms])])]);

/**
 * Year, month and day of a day since 1970 in the proleptic Gregorian calendar, in eras of 400 years from March on (Howard Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
 */
function civilPart(graph: Graph, days: Value, part: "year" | "month" | "day" | "yearDay"): Value {
  const { add, subtract, multiply, floored, choose } = arithmeticOf(graph);
  const shifted = add(days, 719_468);
  const era = floored(shifted, 146_097);
  const dayOfEra = subtract(shifted, multiply(era, 146_097));
  const leaps = add(subtract(floored(dayOfEra, 36_524), floored(dayOfEra, 1460)), dayOfEra);
  const yearOfEra = floored(subtract(leaps, floored(dayOfEra, 146_096)), 365);
  const daysBefore = subtract(add(multiply(yearOfEra, 365), floored(yearOfEra, 4)), floored(yearOfEra, 100));
  const dayFromMarch = subtract(dayOfEra, daysBefore);
  const monthFromMarch = floored(add(multiply(dayFromMarch, 5), 2), 153);
  if (part === "day") return add(subtract(dayFromMarch, floored(add(multiply(monthFromMarch, 153), 2), 5)), 1);
  // January and February belong to the year that began in the March before.
  const early = graph.node("GreaterOrEqual", [monthFromMarch, 10]);
  if (part === "month") return choose(early, subtract(monthFromMarch, 9), add(monthFromMarch, 3));
  const marchYear = add(yearOfEra, multiply(era, 400));
  if (part === "year") return choose(early, add(marchYear, 1), marchYear);
  const before = subtract(marchYear, 1);
  const isLeap = [4, -100, 400].map((each) =>
    multiply(Math.sign(each), subtract(floored(marchYear, Math.abs(each)), floored(before, Math.abs(each)))),
  );
  const afterMarch = add(
    dayFromMarch,
    add(
      60,
      isLeap.reduce((sum, each) => add(sum, each)),
    ),
  );
  return choose(early, subtract(dayFromMarch, 305), afterMarch);
}
