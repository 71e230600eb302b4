/** The numbers in a JSON-like value by path: `{ a: { b: 1 } }` has `a/b`. Values that are no numbers are left out. */
export function* numbersOf(value: object, prefix = ""): Generator<readonly [name: string, value: number], void> {
  for (const [key, member] of Object.entries(value) as [string, unknown][]) {
    const name = prefix + key;
    if (typeof member === "number") yield [name, member];
    // A boxed number or a scalar that was fetched.
    else if (typeof member === "object" && member !== null && !Array.isArray(member))
      yield* numbersOf(member, `${name}/`);
  }
}
