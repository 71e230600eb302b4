/**
 * The root of an increasing function between `low`, where it is negative, and `high`, where it is positive: Newton's steps, and bisection wherever a
 * step would leave what still brackets the root. `at` gives value and slope.
 */
export function increasingRoot(
  at: (x: number) => readonly [number, number],
  { low, high, start }: { readonly low: number; readonly high: number; readonly start: number },
): number {
  let [below, above] = [low, high];
  let x = start > below && start < above ? start : (below + above) / 2;
  for (let step = 0; step < 300; step += 1) {
    const [value, slope] = at(x);
    if (value === 0) return x;
    if (value > 0) above = x;
    else below = x;
    let next = x - value / slope;
    if (!(next > below && next < above)) next = (below + above) / 2;
    const moved = Math.abs(next - x);
    x = next;
    if (moved <= Math.abs(x) * 1e-16 || above - below <= Math.abs(x) * 2e-16) break;
  }
  return x;
}
