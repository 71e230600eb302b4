import type { Aggregate } from "../definition/aggregate.ts";
import type { TimeWindow } from "./time-window.ts";

/** What is wrong with an aggregate, and how it is mended. */
export type AggregateProblem = readonly [problem: string, remedy: string];

/** Aggregates of values that cannot be added up. */
const LISTED = {
  utf8: ["distinct", "first", "last", "firstValue", "lastValue"],
  timestamp: ["distinct", "first", "last", "firstValue", "lastValue", "min", "max"],
} as const;
const WORDS = { utf8: "text", timestamp: "timestamp" } as const;

/** @returns undefined where nothing is wrong. */
export function aggregateProblem(
  name: string,
  aggregate: Aggregate,
  inputs: Readonly<Record<string, string>>,
): AggregateProblem | undefined {
  const { kind, input, windowMs, window, amount, share, approximate } = aggregate;
  if (!(windowMs > 0 && Number.isFinite(windowMs))) {
    const example = kind === "count" ? "count(hours(1))" : `${kind}("${input ?? "column"}", …, hours(1))`;
    return [
      `the window of "${name}" is ${typeof windowMs === "number" ? `${windowMs} ms` : String(windowMs)}`,
      `Give milliseconds above 0, or a window such as \`tumbling(days(1))\`, as the last argument: \`${example}\`.`,
    ];
  }
  if (input !== undefined && !Object.hasOwn(inputs, input)) {
    return [`"${name}" is of "${input}"`, "Declare it under `inputs` with its type."];
  }
  const type = inputs[input ?? ""];
  if ((type === "utf8" || type === "timestamp") && !(LISTED[type] as readonly string[]).includes(kind)) {
    const word = WORDS[type];
    return [`"${name}" is the ${kind} of the ${word} "${input}"`, `Of a ${word} there are ${LISTED[type].join(", ")}.`];
  }
  if ((kind === "first" || kind === "last") && !(Number.isSafeInteger(amount) && amount! >= 1)) {
    return [`"${name}" has ${amount} values`, "Give a whole number from 1."];
  }
  if (kind === "quantile" && !(share! >= 0 && share! <= 1)) {
    return [`"${name}" is the quantile of the share ${share}`, "Give a share in [0, 1]."];
  }
  if (approximate === true && (window === undefined || window.kind === "session")) {
    return [`"${name}" is approximate in a window without tiles`, "Use `sliding` with `slideMs`, or `tumbling`."];
  }
  return window === undefined ? undefined : windowProblem(name, window);
}

function windowProblem(name: string, window: TimeWindow): AggregateProblem | undefined {
  const lengths: Readonly<Record<string, number>> =
    window.kind === "session"
      ? { gapMs: window.gapMs, longestMs: window.longestMs }
      : window.kind === "sliding"
        ? { lengthMs: window.lengthMs, slideMs: window.slideMs }
        : { lengthMs: window.lengthMs };
  for (const [what, ms] of Object.entries(lengths)) {
    if (!(ms > 0 && Number.isSafeInteger(ms * 1000))) {
      return [`${what} of "${name}" is ${ms}`, "Give milliseconds above 0, in whole microseconds."];
    }
  }
  if (window.kind === "tumbling") {
    if (!Number.isSafeInteger(window.offsetMs * 1000)) {
      return [`offsetMs of "${name}" is ${window.offsetMs}`, "Give milliseconds, in whole microseconds."];
    }
    if (window.which !== "last" && window.which !== "current") {
      return [`"${name}" asks for the ${String(window.which)} window`, `Ask for "last" or "current".`];
    }
  }
  if (window.kind === "session" && window.longestMs < window.gapMs) {
    return [`longestMs of "${name}" is ${window.longestMs}, less than its gap`, "Give at least gapMs."];
  }
  return undefined;
}
