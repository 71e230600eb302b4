import { queryInvalid } from "../errors.ts";
import type { AttributeRule, ComparisonOperator, EntityName, SearchGrammar } from "./grammar.ts";
import { parseIdentifier } from "./identifier.ts";
import { type QueryToken, tokenize, unquote } from "./query-tokens.ts";

/** `entity.key operator value`. It holds of no record that has no such key. */
export interface Comparison {
  readonly kind: "comparison";
  readonly entity: EntityName;
  /** Of an attribute: the grammar's field. */
  readonly key: string;
  readonly operator: ComparisonOperator;
  /** A list for `IN` and `NOT IN` alone. */
  readonly value: string | number | readonly string[];
}

export type Condition =
  | Comparison
  | { readonly kind: "and" | "or"; readonly conditions: readonly [Condition, ...Condition[]] };

const mostComparisons = 200;
const mostInList = 1000;
const deepest = 50;
/** SQLite takes patterns of 50,000 bytes. */
const longestPattern = 10_000;
const numeric: ReadonlySet<string> = new Set(["=", "!=", "<", "<=", ">", ">="]);
const textual: ReadonlySet<string> = new Set(["=", "!=", "LIKE", "ILIKE"]);
const listing: ReadonlySet<string> = new Set(["IN", "NOT IN"]);

/** @returns undefined where the filter is blank: every record matches. Throws `REGISTRY_QUERY_INVALID`. */
export function parseFilter(filter: string, grammar: SearchGrammar): Condition | undefined {
  const tokens = tokenize(filter);
  if (tokens.length === 0) return undefined;
  return new FilterParser(filter, tokens, grammar).parse();
}

class FilterParser {
  readonly #filter: string;
  readonly #tokens: readonly QueryToken[];
  readonly #grammar: SearchGrammar;
  #position = 0;
  #comparisons = 0;

  constructor(filter: string, tokens: readonly QueryToken[], grammar: SearchGrammar) {
    this.#filter = filter;
    this.#tokens = tokens;
    this.#grammar = grammar;
  }

  parse(): Condition {
    const condition = this.#any(0);
    const rest = this.#peek();
    if (rest !== undefined) throw invalidClause(this.#clauseAt(rest));
    return condition;
  }

  #any(depth: number): Condition {
    const conditions: [Condition, ...Condition[]] = [this.#all(depth)];
    while (this.#isWord("OR")) {
      if (this.#grammar.language === "mlflow") throw invalidClause(this.#take().raw);
      this.#take();
      conditions.push(this.#all(depth));
    }
    return conditions.length === 1 ? conditions[0] : { kind: "or", conditions };
  }

  #all(depth: number): Condition {
    const conditions: [Condition, ...Condition[]] = [this.#one(depth)];
    while (this.#isWord("AND")) {
      this.#take();
      conditions.push(this.#one(depth));
    }
    return conditions.length === 1 ? conditions[0] : { kind: "and", conditions };
  }

  #one(depth: number): Condition {
    const token = this.#peek();
    if (token === undefined) throw invalidClause(this.#tokens.at(-1)?.raw ?? "");
    if (token.kind !== "open") return this.#comparison();
    if (this.#grammar.language === "mlflow") throw invalidClause(this.#clauseAt(token));
    if (depth >= deepest) throw queryInvalid(`A filter nests at most ${deepest} parentheses.`);
    this.#take();
    const condition = this.#any(depth + 1);
    if (this.#peek()?.kind !== "close") throw queryInvalid("A parenthesis of the filter is not closed.");
    this.#take();
    return condition;
  }

  #comparison(): Comparison {
    this.#comparisons += 1;
    if (this.#comparisons > mostComparisons) throw queryInvalid(`A filter has at most ${mostComparisons} comparisons.`);
    const first = this.#take();
    if (first.kind !== "name" || this.#peek() === undefined) throw invalidClause(this.#clauseAt(first));
    const operator = this.#operator(first);
    const { entity, key, rule } = parseIdentifier(first.raw, this.#grammar, "filter");
    const value = this.#value(entity, key, rule, operator);
    return { kind: "comparison", entity, key: rule?.field ?? key, operator, value };
  }

  #operator(first: QueryToken): ComparisonOperator {
    const token = this.#take();
    const word = token.raw.toUpperCase();
    if (word === "NOT" && this.#isWord("IN")) {
      this.#take();
      return "NOT IN";
    }
    const isKnown = token.kind === "operator" ? numeric.has(word) : textual.has(word) || word === "IN";
    if (isKnown) return word as ComparisonOperator;
    if (token.kind !== "operator") throw invalidClause(this.#clauseAt(first));
    throw queryInvalid(`Invalid comparator '${token.raw}' not one of ${quoted([...numeric, ...textual, ...listing])}`);
  }

  #value(
    entity: EntityName,
    key: string,
    rule: AttributeRule | undefined,
    operator: ComparisonOperator,
  ): Comparison["value"] {
    const token = this.#peek();
    if (token === undefined) throw invalidClause(this.#filter.slice(this.#tokens.at(-3)?.start));
    const isMlflow = this.#grammar.language === "mlflow";
    const isNumber = entity.endsWith("metric") || rule?.type === "number";
    if (isNumber) return this.#number(entity, key, operator);
    if (entity === "param" && !isMlflow && token.kind === "number" && !listing.has(operator) && !isLike(operator))
      return this.#number(entity, key, operator);
    const mayList = entity === "dataset" || rule?.lists === true || !isMlflow;
    assertOperator(operator, mayList || rule !== undefined ? [...textual, ...listing] : [...textual]);
    if (listing.has(operator) || token.kind === "open") return this.#list(operator, mayList);
    const text = this.#text(entity);
    if (isLike(operator) && text.length > longestPattern)
      throw queryInvalid(`A pattern has at most ${longestPattern} characters, not ${text.length}.`);
    return text;
  }

  #number(entity: EntityName, key: string, operator: ComparisonOperator): number {
    assertOperator(operator, [...numeric]);
    const token = this.#take();
    if (token.kind === "number") return Number(token.raw);
    const special = this.#grammar.language === "mlflow" ? undefined : specialNumber(token);
    if (special !== undefined) return special;
    const of = entity === "attribute" ? `numeric attribute: ${key}` : "metric";
    throw queryInvalid(`Expected numeric value type for ${of}. Found ${this.#clauseAt(token)}`);
  }

  #text(entity: EntityName): string {
    const token = this.#take();
    const value = token.kind === "text" || token.kind === "name" ? unquote(token.raw, `'"`) : undefined;
    if (value !== undefined) return value;
    if (token.kind === "name") {
      throw queryInvalid(
        "Parameter value is either not quoted or unidentified quote types used for string value " +
          `${token.raw}. Use either single or double quotes.`,
      );
    }
    const raw = this.#clauseAt(token);
    if (entity === "param" || entity === "tag") {
      const of = entity === "param" ? "parameter" : "tag";
      throw queryInvalid(`Expected a quoted string value for ${of} (e.g. 'my-value'). Got value ${raw}`);
    }
    const of = entity === "dataset" ? "dataset attributes" : "attributes";
    throw queryInvalid(`Expected a quoted string value for ${of}. Got value ${raw}`);
  }

  #list(operator: ComparisonOperator, mayList: boolean): readonly string[] {
    if (!mayList)
      throw queryInvalid("Only the 'run_id' attribute supports comparison with a list of quoted string values.");
    const expected = "While parsing a list in the query, expected a non-empty list of string values, but got";
    if (!listing.has(operator) || this.#peek()?.kind !== "open") throw queryInvalid(`${expected} ill-formed list.`);
    this.#take();
    if (this.#peek()?.kind === "close") throw queryInvalid(`${expected} empty list`);
    const values: string[] = [];
    for (;;) {
      const token = this.#peek();
      const value = token === undefined ? undefined : unquote(token.raw, `'"`);
      if (value === undefined) throw queryInvalid(`${expected} ill-formed list.`);
      this.#take();
      values.push(value);
      if (values.length > mostInList) throw queryInvalid(`A list of a filter has at most ${mostInList} values.`);
      const next = this.#peek()?.kind;
      if (next !== "comma" && next !== "close") throw queryInvalid(`${expected} ill-formed list.`);
      this.#take();
      if (next === "close") return values;
      // A comma may stand at the end, as Python writes a list of one.
      if (this.#peek()?.kind === "close") {
        this.#take();
        return values;
      }
    }
  }

  #peek(): QueryToken | undefined {
    return this.#tokens[this.#position];
  }

  #isWord(word: string): boolean {
    const token = this.#peek();
    return token?.kind === "name" && token.raw.toUpperCase() === word;
  }

  #take(): QueryToken {
    const token = this.#tokens[this.#position];
    if (token === undefined) throw invalidClause(this.#tokens.at(-1)?.raw ?? "");
    this.#position += 1;
    return token;
  }

  /** What begins with `token`, up to the next AND or the parenthesis that closes it. */
  #clauseAt(token: QueryToken): string {
    const from = this.#tokens.indexOf(token);
    let depth = 0;
    for (const each of this.#tokens.slice(from)) {
      if (each.kind === "open") depth += 1;
      if (each.kind === "close") depth -= 1;
      const isEnd = each.kind === "close" ? depth <= 0 : depth === 0 && each.raw.toUpperCase() === "AND";
      if (!isEnd && !(each === token && depth === 0 && each.kind !== "name")) continue;
      const end = each.kind === "name" ? each.start : each.start + each.raw.length;
      return this.#filter.slice(token.start, end).trim() || token.raw;
    }
    return this.#filter.slice(token.start).trim();
  }
}

const isLike = (operator: ComparisonOperator): boolean => operator === "LIKE" || operator === "ILIKE";

const specials: ReadonlyMap<string, number> = new Map([
  ["nan", Number.NaN],
  ...["inf", "infinity", "+inf", "+infinity"].map((word) => [word, Infinity] as const),
  ...["-inf", "-infinity"].map((word) => [word, -Infinity] as const),
]);

const specialNumber = (token: QueryToken): number | undefined =>
  token.kind === "name" ? specials.get(token.raw.toLowerCase()) : undefined;

function assertOperator(operator: ComparisonOperator, allowed: readonly string[]): void {
  if (!allowed.includes(operator)) throw queryInvalid(`Invalid comparator '${operator}' not one of ${quoted(allowed)}`);
}

const quoted = (words: readonly string[]): string => `{${[...new Set(words)].map((word) => `'${word}'`).join(", ")}}`;

const invalidClause = (clause: string) => queryInvalid(`Invalid clause(s) in filter string: '${clause}'`);
