import { type Token, tokensOf } from "./expression-tokens.ts";

/** What an expression is asked of: the answer to one record, by output name, and all its numbers side by side. */
export interface AnsweredRecord {
  readonly named: Readonly<Record<string, unknown>>;
  readonly list: readonly unknown[];
}

/** An expression that was read. */
export type Expression = (record: AnsweredRecord) => boolean;

type Evaluate = (value: unknown, root: AnsweredRecord) => unknown;

/** Deeper ones are refused: they come from callers. */
const mostParts = 64;

/**
 * Reads a part of JMESPath, the part that `EnableExplanations` of SageMaker Clarify is used with: literals (`` `0.5` ``, `'text'`), members (`a.b`, `"a b"`), `@`, elements (`[1]`,
 * `[-1]`), slices (`[:-1]`), comparisons, `!`, `&&`, `||`, parentheses, and the functions `abs`, `contains`, `length`, `max`, `min`, `sum`. Names mean outputs; an
 * element of the record itself is one of its numbers, as in a line of CSV. A bare `true` and `false` are taken for the literals.
 * @returns undefined for what is no such expression. What cannot be compared is false, as in JMESPath.
 */
export function parseExpression(text: string): Expression | undefined {
  const tokens = tokensOf(text);
  if (tokens === undefined || tokens.length === 0 || tokens.length > mostParts) return undefined;
  const parser = new Parser(tokens);
  const evaluate = parser.or();
  if (evaluate === undefined || !parser.atEnd) return undefined;
  return (record) => isTrue(evaluate(record, record));
}

/** False are null, false, and what is empty. */
function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === "") return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== "object" || isRecord(value) || Object.keys(value).length > 0;
}

const isRecord = (value: unknown): value is AnsweredRecord =>
  typeof value === "object" && value !== null && "named" in value && "list" in value;

const listOf = (value: unknown): readonly unknown[] | undefined =>
  isRecord(value) ? value.list : Array.isArray(value) ? (value as readonly unknown[]) : undefined;

function memberOf(value: unknown, name: string): unknown {
  const from = isRecord(value) ? value.named : value;
  if (typeof from !== "object" || from === null || Array.isArray(from) || !Object.hasOwn(from, name)) return null;
  return (from as Readonly<Record<string, unknown>>)[name];
}

const numbersOf = (value: unknown): readonly number[] | undefined => {
  const list = listOf(value);
  return list?.every((each) => typeof each === "number") === true ? (list as readonly number[]) : undefined;
};

const functions: Readonly<Record<string, { readonly takes: number; readonly of: (...values: unknown[]) => unknown }>> =
  {
    abs: { takes: 1, of: (value) => (typeof value === "number" ? Math.abs(value) : null) },
    contains: {
      takes: 2,
      of: (value, part) =>
        typeof value === "string"
          ? typeof part === "string" && value.includes(part)
          : (listOf(value)?.includes(part) ?? null),
    },
    length: {
      takes: 1,
      of: (value) => (typeof value === "string" ? Array.from(value).length : (listOf(value)?.length ?? null)),
    },
    max: { takes: 1, of: (value) => extreme(value, Math.max) },
    min: { takes: 1, of: (value) => extreme(value, Math.min) },
    sum: { takes: 1, of: (value) => numbersOf(value)?.reduce((all, each) => all + each, 0) ?? null },
  };

const extreme = (value: unknown, of: (...numbers: number[]) => number): number | null => {
  const numbers = numbersOf(value);
  return numbers === undefined || numbers.length === 0 ? null : of(...numbers);
};

const comparisons: Readonly<Record<string, (left: unknown, right: unknown) => unknown>> = {
  "==": (left, right) => JSON.stringify(left) === JSON.stringify(right),
  "!=": (left, right) => JSON.stringify(left) !== JSON.stringify(right),
  "<": (left, right) => ordered(left, right, (a, b) => a < b),
  "<=": (left, right) => ordered(left, right, (a, b) => a <= b),
  ">": (left, right) => ordered(left, right, (a, b) => a > b),
  ">=": (left, right) => ordered(left, right, (a, b) => a >= b),
};

const ordered = (left: unknown, right: unknown, compare: (a: number, b: number) => boolean): boolean | null =>
  typeof left === "number" && typeof right === "number" ? compare(left, right) : null;

function slice(list: readonly unknown[], from: number | undefined, to: number | undefined): readonly unknown[] {
  return list.slice(from ?? 0, to ?? list.length);
}

/** By descent; each method gives undefined for what cannot be read. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get atEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  or(): Evaluate | undefined {
    return this.#joined(
      "||",
      () => this.#and(),
      (value) => isTrue(value),
    );
  }

  #and(): Evaluate | undefined {
    return this.#joined(
      "&&",
      () => this.#comparison(),
      (value) => !isTrue(value),
    );
  }

  /** `a || b` is a where that is true, else b; `a && b` likewise. */
  #joined(by: string, part: () => Evaluate | undefined, settles: (value: unknown) => boolean): Evaluate | undefined {
    let left = part();
    while (left !== undefined && this.#takes(by)) {
      const [before, after] = [left, part()];
      if (after === undefined) return undefined;
      left = (value, root) => {
        const first = before(value, root);
        return settles(first) ? first : after(value, root);
      };
    }
    return left;
  }

  #comparison(): Evaluate | undefined {
    const left = this.#not();
    const token = this.#tokens[this.#at];
    const compare = token?.kind === "mark" ? comparisons[token.text] : undefined;
    if (left === undefined || compare === undefined) return left;
    this.#at += 1;
    const right = this.#not();
    return right === undefined ? undefined : (value, root) => compare(left(value, root), right(value, root));
  }

  #not(): Evaluate | undefined {
    if (!this.#takes("!")) return this.#path();
    const inner = this.#not();
    return inner === undefined ? undefined : (value, root) => !isTrue(inner(value, root));
  }

  #path(): Evaluate | undefined {
    let path = this.#first();
    while (path !== undefined) {
      const before: Evaluate = path;
      if (this.#takes(".")) {
        const token = this.#tokens[this.#at];
        if (token?.kind !== "name") return undefined;
        this.#at += 1;
        path = (value, root) => memberOf(before(value, root), token.text);
      } else if (this.#takes("[")) path = this.#element(before);
      else return path;
    }
    return undefined;
  }

  #first(): Evaluate | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined) return undefined;
    if (token.kind === "mark" && token.text === "[") return (value) => value;
    this.#at += 1;
    if (token.kind === "literal") return () => token.value;
    if (token.kind === "name") return this.#named(token.text);
    if (token.kind !== "mark") return undefined;
    if (token.text === "@") return (value) => value;
    if (token.text !== "(") return undefined;
    const inner = this.or();
    return this.#takes(")") ? inner : undefined;
  }

  #named(name: string): Evaluate | undefined {
    if (!this.#takes("(")) {
      // Callers who write no backticks mean the literals all the same.
      if (name === "true" || name === "false") return () => name === "true";
      return (value) => memberOf(value, name);
    }
    const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
    const given: Evaluate[] = [];
    do {
      const argument = this.or();
      if (argument === undefined) return undefined;
      given.push(argument);
    } while (this.#takes(","));
    if (known === undefined || given.length !== known.takes || !this.#takes(")")) return undefined;
    return (value, root) => known.of(...given.map((argument) => argument(value, root)));
  }

  /** After `[`: a number, or a slice. */
  #element(before: Evaluate): Evaluate | undefined {
    const from = this.#number();
    if (!this.#takes(":")) {
      if (from === undefined || !this.#takes("]")) return undefined;
      return (value, root) => listOf(before(value, root))?.at(from) ?? null;
    }
    const to = this.#number();
    if (!this.#takes("]")) return undefined;
    return (value, root) => {
      const list = listOf(before(value, root));
      return list === undefined ? null : slice(list, from, to);
    };
  }

  #number(): number | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "number") return undefined;
    this.#at += 1;
    return token.value;
  }

  #takes(mark: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "mark" || token.text !== mark) return false;
    this.#at += 1;
    return true;
  }
}
