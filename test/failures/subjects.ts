/** Any function at all; its parameters are what the table says. */
export type AnyFunction = (...args: never[]) => unknown;

/** Calls that fail, each by the code it must throw: `DATA_COLUMN_MISSING`, or `DATA_COLUMN_MISSING: when` where there are several. */
export type Failures = Readonly<Record<string, () => unknown>>;

/** A public function or method: a call that goes well, and those that fail. */
export interface Subject {
  readonly call: AnyFunction;
  /** Arguments of a call that goes well, made anew for each call. */
  readonly args: () => readonly unknown[] | Promise<readonly unknown[]>;
  readonly fails: Failures;
  /** What the method belongs to, made or handed out for each call. */
  readonly owner?: (() => object | Promise<object>) | undefined;
  /** Calls the method of a given one. */
  readonly callOn?: ((owner: object, args: readonly unknown[]) => unknown) | undefined;
  /** Most calls with wrong values; fewer for what starts threads or processes. */
  readonly rounds: number;
}

/** Subjects by name: `openRegistry`, and `openRegistry().setAlias` for a method of what it gives. */
export type Subjects = Readonly<Record<string, Subject>>;

export interface FailureTable extends AsyncDisposable {
  readonly subjects: Subjects;
  /** Codes that no call of the table brings about, and the test that shows each, or why none does. */
  readonly elsewhere: Readonly<Record<string, string>>;
}

const manyRounds = 60;

/** A public function. */
export const well = (
  call: AnyFunction,
  args: Subject["args"] = () => [],
  fails: Failures = {},
  rounds: number = manyRounds,
): Subject => ({ call, args, fails, rounds });

/** How a method is called: its arguments, calls that fail, most calls with wrong values. */
export type Method = readonly [args?: Subject["args"], fails?: Failures, rounds?: number];

/** All methods of what a function gives. */
export function methods(
  name: string,
  owner: () => object | Promise<object>,
  table: Readonly<Record<string, Method>>,
): Subjects {
  return Object.fromEntries(
    Object.entries(table).map(([method, [args = () => [], fails = {}, rounds = manyRounds]]) => {
      const callOn = (holder: object, given: readonly unknown[]): unknown =>
        (holder as Readonly<Record<string, (...all: readonly unknown[]) => unknown>>)[method]!(...given);
      const call = async (...given: unknown[]): Promise<unknown> => callOn(await owner(), given);
      return [`${name}.${method}`, { call, callOn, args, fails, owner, rounds }];
    }),
  );
}

export const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

/** Names of the methods of an object, its prototypes' included. */
export function methodsOf(value: object): readonly string[] {
  const names = new Set<string>();
  for (
    let each: object | null = value;
    each !== null && each !== Object.prototype && each !== Function.prototype;
    each = Object.getPrototypeOf(each) as object | null
  ) {
    for (const [name, { value: member }] of Object.entries(Object.getOwnPropertyDescriptors(each)))
      if (name !== "constructor" && typeof member === "function") names.add(name);
  }
  return [...names].toSorted();
}
