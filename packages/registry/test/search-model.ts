import type { Random } from "@millwright/contracts";

/** A run as the naive filter sees it. */
export interface ModelRun {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  readonly startedBy: string | undefined;
  readonly metrics: ReadonlyMap<string, readonly number[]>;
  readonly params: ReadonlyMap<string, string | number>;
  readonly tags: ReadonlyMap<string, string>;
}

export interface ModelComparison {
  readonly entity: "metrics" | "min_metrics" | "max_metrics" | "params" | "tags" | "attributes";
  readonly key: string;
  readonly operator: string;
  readonly value: string | number | readonly string[];
}

export type ModelCondition = ModelComparison | { readonly join: "AND" | "OR"; readonly of: readonly ModelCondition[] };

export interface ModelOrder {
  readonly entity: ModelComparison["entity"];
  readonly key: string;
  readonly isDescending: boolean;
}

const least = (points: readonly number[], sign: 1 | -1): number => {
  const numbers = points.filter((value) => !Number.isNaN(value));
  if (numbers.length === 0) return Number.NaN;
  return numbers.reduce((a, b) => (sign * a <= sign * b ? a : b));
};

/** What the run has there; undefined: nothing. */
export function valueOf(run: ModelRun, { entity, key }: Pick<ModelComparison, "entity" | "key">) {
  const points = run.metrics.get(key);
  if (entity === "metrics") return points?.at(-1);
  if (entity === "min_metrics") return points === undefined ? undefined : least(points, 1);
  if (entity === "max_metrics") return points === undefined ? undefined : least(points, -1);
  if (entity === "params") return run.params.get(key);
  if (entity === "tags") return run.tags.get(key);
  const attributes: Readonly<Record<string, string | number | undefined>> = {
    run_id: run.id,
    run_name: run.name,
    status: run.status,
    start_time: run.startedMs,
    end_time: run.endedMs,
    user_id: run.startedBy,
  };
  return attributes[key];
}

/** The number that a param is or spells. */
const numberOf = (value: string | number): number | undefined => {
  const number = typeof value === "string" && value.trim() === "" ? Number.NaN : Number(value);
  return Number.isFinite(number) ? number : undefined;
};

const textOf = (value: string | number): string => (Object.is(value, -0) ? "-0" : String(value));

/** The letters A to Z alone, as both engines do it. */
const fold = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** By characters, one wildcard after another: nothing of it is shared with what is tested. */
export function matchesLike(text: readonly string[], pattern: readonly string[]): boolean {
  let reachable = new Set([0]);
  for (const sign of pattern) {
    const next = new Set<number>();
    for (const position of reachable) {
      if (sign === "%") for (let end = position; end <= text.length; end += 1) next.add(end);
      else if (position < text.length && (sign === "_" || sign === text[position])) next.add(position + 1);
    }
    reachable = next;
  }
  return reachable.has(text.length);
}

function compare(left: number, operator: string, right: number): boolean {
  if (Number.isNaN(right)) return operator === "=" ? Number.isNaN(left) : operator === "!=" && !Number.isNaN(left);
  switch (operator) {
    case "=":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    default:
      return left >= right;
  }
}

export function holds(run: ModelRun, condition: ModelCondition): boolean {
  if ("join" in condition)
    return condition.join === "AND"
      ? condition.of.every((each) => holds(run, each))
      : condition.of.some((each) => holds(run, each));
  const { entity, operator, value } = condition;
  const own = valueOf(run, condition);
  if (own === undefined) return false;
  if (typeof value === "number") {
    if (entity !== "params") return compare(own as number, operator, value);
    const number = numberOf(own);
    if (number === undefined) return operator === "!=";
    return compare(number, operator, value);
  }
  const text = textOf(own);
  if (Array.isArray(value)) return (value as readonly string[]).includes(text) === (operator === "IN");
  if (operator === "=" || operator === "!=") return (text === value) === (operator === "=");
  const turn = operator === "ILIKE" ? fold : (each: string): string => each;
  return matchesLike(Array.from(turn(text)), Array.from(turn(value as string)));
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** A rank, then numbers, then texts; NaN before what is absent. */
function place(run: ModelRun, order: ModelOrder): readonly [number, number, string] {
  const own = valueOf(run, order);
  if (own === undefined) return [2, 0, ""];
  if (order.entity === "params") {
    const number = numberOf(own);
    return [number === undefined ? 1 : 0, number ?? 0, textOf(own)];
  }
  if (typeof own === "string") return [0, 0, own];
  return Number.isNaN(own) ? [1, 0, ""] : [0, own, ""];
}

export function sortRuns(runs: readonly ModelRun[], orders: readonly ModelOrder[]): readonly ModelRun[] {
  const difference = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);
  return runs.toSorted((a, b) => {
    for (const order of orders) {
      const [left, right] = [place(a, order), place(b, order)];
      if (left[0] !== right[0]) return left[0] - right[0];
      const sign = order.isDescending ? -1 : 1;
      const byValue = difference(left[1], right[1]) || byBytes(left[2], right[2]);
      if (byValue !== 0) return sign * byValue;
    }
    return b.startedMs - a.startedMs || byBytes(b.id, a.id);
  });
}

const quote = (text: string, random: Random): string =>
  random.integer(2) === 0 ? `'${text.replaceAll("'", "''")}'` : `"${text.replaceAll('"', '""')}"`;

const writeNumber = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));

const nameOf = ({ entity, key }: Pick<ModelComparison, "entity" | "key">, random: Random): string => {
  if (/^[\w.]+$/.test(key) && random.integer(2) === 0) return `${entity}.${key}`;
  return random.integer(2) === 0
    ? `${entity}."${key.replaceAll('"', '""')}"`
    : `${entity}.\`${key.replaceAll("`", "``")}\``;
};

/** The condition as a text, in one of the ways that mean it. */
export function writeCondition(condition: ModelCondition, random: Random): string {
  if ("join" in condition) {
    const parts = condition.of.map((each) => {
      const text = writeCondition(each, random);
      return "join" in each ? `(${text})` : text;
    });
    const word = random.integer(2) === 0 ? condition.join : condition.join.toLowerCase();
    return parts.join(` ${word} `);
  }
  const { value, operator } = condition;
  const right = Array.isArray(value)
    ? `(${(value as readonly string[]).map((each) => quote(each, random)).join(", ")})`
    : typeof value === "number"
      ? writeNumber(value)
      : quote(value as string, random);
  return `${nameOf(condition, random)} ${random.integer(2) === 0 ? operator : operator.toLowerCase()} ${right}`;
}

export const writeOrder = (order: ModelOrder, random: Random): string =>
  `${nameOf(order, random)}${order.isDescending ? " DESC" : random.integer(2) === 0 ? "" : " asc"}`;
