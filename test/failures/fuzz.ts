import { inspect } from "node:util";
import { isMillwrightError } from "../../packages/contracts/dist/index.js";
import { ofTheCaller, wrongCalls } from "./hostile-values.ts";
import { isAsyncIterable, type Subject, type Subjects } from "./subjects.ts";

/** How long a call with wrong values is waited for: it may wait in earnest, as a sleep of a thousand years does. */
const patienceMs = 300;

const categories: readonly string[] = ["user", "transient", "capacity", "quota", "data", "bug"];

/** What is wrong with something that was thrown; undefined where it may be thrown. */
export function problemOf(thrown: unknown, codes: ReadonlySet<string>): string | undefined {
  if (thrown === ofTheCaller) return undefined;
  if (!(thrown instanceof Error)) return `threw what is no error: ${String(thrown)}`;
  if (!isMillwrightError(thrown)) {
    if (thrown instanceof TypeError || thrown instanceof RangeError) return undefined;
    return `${thrown.name}: ${brief(thrown.message)}`;
  }
  const { code, category, retryable, remedy, docs, message } = thrown;
  if (!codes.has(code)) return `the code ${code} is in no README: ${brief(message)}`;
  if (!categories.includes(category)) return `${code} has the category ${String(category)}`;
  if (typeof retryable !== "boolean") return `${code} does not say whether it is retryable`;
  if (typeof remedy !== "string" || remedy === "" || !message.endsWith(remedy)) return `${code} has no remedy`;
  if (docs !== `docs/errors.md#${code.toLowerCase()}`) return `${code} is explained at ${String(docs)}`;
  return undefined;
}

const brief = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

async function walk(values: AsyncIterable<unknown>): Promise<void> {
  let count = 0;
  for await (const _ of values) if ((count += 1) >= 3) return;
}

/** Uses what a call gave as its caller would: walks what can be walked, disposes what a function opened. */
async function use(result: unknown, isOpened: boolean): Promise<void> {
  if (typeof result !== "object" || result === null) return;
  // A queue is waited for by who takes from it.
  if (isAsyncIterable(result) && !("tryPut" in result)) return walk(result);
  if (isOpened && Symbol.asyncDispose in result) await (result as AsyncDisposable)[Symbol.asyncDispose]();
}

/** Makes the call and uses what it gives. @returns what it throws, in a list; an empty list where it goes well, or waits for longer. */
export async function thrownBy(
  call: () => unknown,
  { waitMs = 20_000, isOpened = false }: { readonly waitMs?: number; readonly isOpened?: boolean } = {},
): Promise<readonly unknown[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs);
  });
  try {
    const done = (async () => use(await call(), isOpened))();
    await Promise.race([done, late]);
    return [];
  } catch (error) {
    return [error];
  } finally {
    clearTimeout(timer);
  }
}

const calling = (subject: Subject, args: readonly unknown[]): (() => unknown) => {
  const call = subject.call as (...all: readonly unknown[]) => unknown;
  return () => call(...args);
};

/** Calls a subject well, then with wrong values. @returns what is wrong with what it throws. */
export async function fuzz(name: string, subject: Subject, codes: ReadonlySet<string>): Promise<readonly string[]> {
  const first = await subject.args();
  const isOpened = subject.owner === undefined;
  // Some always fail, as the reference to what is only in memory: their table says by which code.
  const expected = Object.keys(subject.fails).map((title) => title.split(":")[0]);
  const [problem] = await thrownBy(calling(subject, first), { isOpened });
  if (problem !== undefined && !(isMillwrightError(problem) && expected.includes(problem.code)))
    return [`${name} should go well, and throws ${inspect(problem)}`];
  const leaks: string[] = [];
  for (const { what, change } of wrongCalls(name, first, subject.rounds)) {
    const args = change(await subject.args());
    for (const thrown of await thrownBy(calling(subject, args), { waitMs: patienceMs, isOpened })) {
      const leak = problemOf(thrown, codes);
      if (leak !== undefined) leaks.push(`${name} with ${what}: ${leak}`);
    }
  }
  return leaks;
}

/** Calls each method of what has been closed. @returns what is wrong with what they throw. */
export async function useClosed(subjects: Subjects, codes: ReadonlySet<string>): Promise<readonly string[]> {
  const leaks: string[] = [];
  for (const [name, subject] of Object.entries(subjects)) {
    const { callOn } = subject;
    const owner = await subject.owner?.();
    if (callOn === undefined || owner === undefined || !(Symbol.asyncDispose in owner)) continue;
    const args = await subject.args();
    await (owner as AsyncDisposable)[Symbol.asyncDispose]();
    for (const thrown of await thrownBy(() => callOn(owner, args), { waitMs: patienceMs })) {
      const leak = problemOf(thrown, codes);
      if (leak !== undefined) leaks.push(`${name} of what is closed: ${leak}`);
    }
  }
  return leaks;
}
