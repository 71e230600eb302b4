/** Reads parsed JSON of unknown shape; every complaint names the path. */
export interface JsonReader {
  readonly path: string;
  readonly value: unknown;
  object(): Readonly<Record<string, unknown>>;
  field(name: string): JsonReader;
  items(): readonly JsonReader[];
  /** A list of finite numbers, without a reader for each. */
  numbers(): Float64Array;
  /** The same of whole numbers from 0. */
  counts(): Float64Array;
  string(): string;
  boolean(): boolean;
  number(): number;
  /** A whole number from 0. */
  count(): number;
  oneOf<Choice extends string>(choices: readonly Choice[]): Choice;
  fail(problem: string): never;
}

/** Makes the error to throw from a path and a problem. */
type Complain = (path: string, problem: string) => Error;

export const createJsonReader = (value: unknown, path: string, complain: Complain): JsonReader =>
  new PlacedValue(value, undefined, path, complain);

/** Profiles are tens of thousands of values: the path of one is written only where somebody asks for it. */
class PlacedValue implements JsonReader {
  readonly value: unknown;
  readonly #within: JsonReader | undefined;
  readonly #at: string | number;
  readonly #complain: Complain;

  constructor(value: unknown, within: JsonReader | undefined, at: string | number, complain: Complain) {
    this.value = value;
    this.#within = within;
    this.#at = at;
    this.#complain = complain;
  }

  get path(): string {
    const within = this.#within?.path ?? "";
    if (typeof this.#at === "number") return `${within}[${this.#at}]`;
    return within === "" ? this.#at : `${within}.${this.#at}`;
  }

  object(): Readonly<Record<string, unknown>> {
    const { value } = this;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    return this.fail("must be an object");
  }

  field(name: string): JsonReader {
    const object = this.object();
    return new PlacedValue(Object.hasOwn(object, name) ? object[name] : undefined, this, name, this.#complain);
  }

  items(): readonly JsonReader[] {
    return this.#array().map((each, index) => new PlacedValue(each, this, index, this.#complain));
  }

  numbers(): Float64Array {
    return this.#all(Number.isFinite, (item) => item.number());
  }

  counts(): Float64Array {
    return this.#all(isCount, (item) => item.count());
  }

  string(): string {
    return typeof this.value === "string" ? this.value : this.fail("must be a string");
  }

  boolean(): boolean {
    return typeof this.value === "boolean" ? this.value : this.fail("must be true or false");
  }

  number(): number {
    return Number.isFinite(this.value) ? (this.value as number) : this.fail("must be a finite number");
  }

  count(): number {
    const number = this.number();
    return isCount(number) ? number : this.fail("must be a whole number from 0");
  }

  oneOf<Choice extends string>(choices: readonly Choice[]): Choice {
    return choices.find((choice) => choice === this.value) ?? this.fail(`must be one of ${choices.join(", ")}`);
  }

  fail(problem: string): never {
    throw this.#complain(this.path, problem);
  }

  #array(): readonly unknown[] {
    return Array.isArray(this.value) ? (this.value as readonly unknown[]) : this.fail("must be an array");
  }

  #all(isOne: (each: unknown) => boolean, read: (item: JsonReader) => number): Float64Array {
    const values = this.#array();
    const numbers = new Float64Array(values.length);
    for (let index = 0; index < values.length; index += 1) {
      const each = values[index];
      numbers[index] = isOne(each) ? (each as number) : read(new PlacedValue(each, this, index, this.#complain));
    }
    return numbers;
  }
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
