import { createContext, Script } from "node:vm";
import type { MetricDefinition } from "@millwright/contracts";
import { specInvalid } from "./errors.ts";

/** A number that was found in a line. */
export interface FoundMetric {
  readonly name: string;
  readonly value: number;
  readonly step?: number | undefined;
  readonly epoch?: number | undefined;
}

export interface MetricReader {
  /** Every match of every definition in the lines, in their order. */
  read(lines: readonly string[]): readonly FoundMetric[];
}

const mostDefinitions = 40;
/** Most characters of a line that are looked at. */
const longestLine = 4_096;
/** Most matches of one definition in one line. */
const mostMatches = 64;
/** How long a batch of lines may take, and then one definition on one line, before that definition is given up. */
const batchMs = 250;
const lineMs = 100;

/** The names of a regular expression's capturing groups in their order; undefined for a group without one. */
function groupsOf(source: string): readonly (string | undefined)[] {
  const groups: (string | undefined)[] = [];
  const parts = /\\.|\[(?:\\.|[^\]\\])*\]|\((?:\?<([A-Za-z_]\w*)>|(?!\?))/gs;
  for (const [part, name] of source.matchAll(parts)) if (part.startsWith("(")) groups.push(name);
  return groups;
}

interface Compiled {
  readonly name: string;
  readonly pattern: RegExp;
  /** Numbers of the groups. */
  readonly value: number;
  readonly step: number;
  readonly epoch: number;
}

/** Python's ways of writing what JavaScript writes otherwise. */
function compile({ name, regex }: MetricDefinition): Compiled | undefined {
  const flags = /^\(\?([ims]+)\)/.exec(regex);
  const source = regex
    .slice(flags?.[0].length ?? 0)
    .replaceAll("(?P<", "(?<")
    .replaceAll(/\(\?P=(\w+)\)/g, "\\k<$1>")
    .replaceAll("\\A", "^")
    .replaceAll("\\Z", "$");
  const pattern = new RegExp(source, `g${[...new Set(flags?.[1] ?? "")].join("")}`);
  const groups = groupsOf(source);
  const named = groups.indexOf("value");
  const value = named === -1 ? groups.findIndex((group) => group !== "step" && group !== "epoch") : named;
  if (value === -1) return undefined;
  return { name, pattern, value: value + 1, step: groups.indexOf("step") + 1, epoch: groups.indexOf("epoch") + 1 };
}

/** Throws `JOBS_SPEC_INVALID`. */
function compileAll(definitions: readonly MetricDefinition[]): readonly Compiled[] {
  if (!Array.isArray(definitions) || definitions.length > mostDefinitions)
    throw specInvalid("metrics", definitions, `at most ${mostDefinitions} definitions`);
  return (definitions as readonly MetricDefinition[]).map((definition, index) => {
    const { name, regex } = definition ?? {};
    if (typeof name !== "string" || name === "" || name.length > 255)
      throw specInvalid(`metrics.${index}.name`, name, "a text of 1 to 255 characters");
    const rule = "a regular expression of 1 to 500 characters with a group for the value";
    if (typeof regex !== "string" || regex === "" || regex.length > 500)
      throw specInvalid(`metrics.${index}.regex`, regex, rule);
    let compiled: Compiled | undefined;
    try {
      compiled = compile(definition);
    } catch (error) {
      throw specInvalid(`metrics.${index}.regex`, regex, `${rule} (${error instanceof Error ? error.message : ""})`);
    }
    if (compiled === undefined) throw specInvalid(`metrics.${index}.regex`, regex, rule);
    return compiled;
  });
}

/** Throws `JOBS_SPEC_INVALID`. */
export const checkMetrics = (definitions: readonly MetricDefinition[]): void => void compileAll(definitions);

/** A number as Python's `float()` takes it; undefined where it is none. */
export function numberOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim().toLowerCase() ?? "";
  if (/^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/.test(trimmed)) return Number(trimmed);
  if (/^[-+]?nan$/.test(trimmed)) return NaN;
  if (!/^[-+]?inf(?:inity)?$/.test(trimmed)) return undefined;
  return trimmed.startsWith("-") ? -Infinity : Infinity;
}

/** Where a run of the expressions stands: it may be broken off at any point. */
interface Progress {
  line: number;
  definition: number;
  readonly found: FoundMetric[];
}

function advance(
  lines: readonly string[],
  compiled: readonly (Compiled | undefined)[],
  at: Progress,
  untilLine: number,
): void {
  for (; at.line < untilLine; at.line += 1, at.definition = 0) {
    const line = (lines[at.line] as string).slice(0, longestLine);
    for (; at.definition < compiled.length; at.definition += 1) {
      const definition = compiled[at.definition];
      if (definition !== undefined) at.found.push(...matchesOf(definition, line));
    }
  }
}

function matchesOf({ name, pattern, ...groups }: Compiled, line: string): readonly FoundMetric[] {
  const found: FoundMetric[] = [];
  pattern.lastIndex = 0;
  for (let match = pattern.exec(line); match !== null && found.length < mostMatches; match = pattern.exec(line)) {
    if (match[0] === "") pattern.lastIndex += 1;
    const value = numberOf(match[groups.value]);
    if (value === undefined) continue;
    const step = groups.step === 0 ? undefined : numberOf(match[groups.step]);
    const epoch = groups.epoch === 0 ? undefined : numberOf(match[groups.epoch]);
    found.push({ name, value, ...(step === undefined ? {} : { step }), ...(epoch === undefined ? {} : { epoch }) });
  }
  return found;
}

/**
 * Reads metrics off lines. An expression that backtracks without end is broken off: it costs its lines' time once, is given up, and `onGivenUp` is told.
 * Throws `JOBS_SPEC_INVALID`.
 */
export function createMetricReader(
  definitions: readonly MetricDefinition[],
  onGivenUp: (name: string) => void,
): MetricReader {
  const compiled: (Compiled | undefined)[] = [...compileAll(definitions)];
  // A regular expression can be broken off by the engine alone, which has a time limit for scripts of this module.
  const context = createContext({ task: (): void => {} });
  const script = new Script("task()");
  const within = (timeoutMs: number, task: () => void): boolean => {
    context["task"] = task;
    try {
      script.runInContext(context, { timeout: timeoutMs });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return false;
      throw error;
    } finally {
      context["task"] = undefined;
    }
  };
  return {
    read(lines) {
      const at: Progress = { line: 0, definition: 0, found: [] };
      while (at.line < lines.length && compiled.some((each) => each !== undefined)) {
        if (within(batchMs, () => advance(lines, compiled, at, lines.length))) break;
        // A slow machine, or a slow expression? The one that was at work is tried alone.
        const slow = compiled[at.definition];
        const line = (lines[at.line] ?? "").slice(0, longestLine);
        const alone: FoundMetric[] = [];
        if (slow !== undefined && !within(lineMs, () => void alone.push(...matchesOf(slow, line)))) {
          compiled[at.definition] = undefined;
          onGivenUp(slow.name);
        } else at.found.push(...alone);
        at.definition += 1;
      }
      return at.found;
    },
  };
}
