const CALLS_AT_ONCE = 16;

/** Calls made side by side, but not all of them. */
export async function sideBySide<Given, Result>(
  all: readonly Given[],
  work: (each: Given) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(all.length);
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < all.length) {
      const at = next++;
      results[at] = await work(all[at]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CALLS_AT_ONCE, all.length) }, run));
  return results;
}
