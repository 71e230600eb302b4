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

/** @param complain Makes the error to throw from a path and a problem. */
export function createJsonReader(
  value: unknown,
  path: string,
  complain: (path: string, problem: string) => Error,
): JsonReader {
  const fail = (problem: string): never => {
    throw complain(path, problem);
  };
  const object = (): Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : fail("must be an object");
  const number = (): number =>
    typeof value === "number" && Number.isFinite(value) ? value : fail("must be a finite number");
  const string = (): string => (typeof value === "string" ? value : fail("must be a string"));
  const all = (read: (item: JsonReader) => number, isOne: (each: unknown) => boolean): Float64Array => {
    if (!Array.isArray(value)) return fail("must be an array");
    return Float64Array.from(value, (each: unknown, index) =>
      isOne(each) ? (each as number) : read(createJsonReader(each, `${path}[${index}]`, complain)),
    );
  };
  return {
    path,
    value,
    object,
    field: (name) =>
      createJsonReader(
        Object.hasOwn(object(), name) ? object()[name] : undefined,
        path === "" ? name : `${path}.${name}`,
        complain,
      ),
    items: () =>
      Array.isArray(value)
        ? value.map((each: unknown, index) => createJsonReader(each, `${path}[${index}]`, complain))
        : fail("must be an array"),
    numbers: () => all((item) => item.number(), Number.isFinite),
    counts: () =>
      all(
        (item) => item.count(),
        (each) => Number.isSafeInteger(each) && (each as number) >= 0,
      ),
    string,
    boolean: () => (typeof value === "boolean" ? value : fail("must be true or false")),
    number,
    count: () => (Number.isSafeInteger(number()) && number() >= 0 ? number() : fail("must be a whole number from 0")),
    oneOf: (choices) => choices.find((choice) => choice === value) ?? fail(`must be one of ${choices.join(", ")}`),
    fail,
  };
}
