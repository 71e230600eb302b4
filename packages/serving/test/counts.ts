import type { Labels, Meter } from "@millwright/contracts";

/** What instruments were told, by name and labels. */
export function createCounts(): {
  readonly meter: Meter;
  readonly of: (name: string, labels?: Labels) => readonly number[];
} {
  const seen: { readonly name: string; readonly labels: Labels; readonly value: number }[] = [];
  const take =
    (name: string) =>
    (value = 1, labels: Labels = {}): void =>
      void seen.push({ name, labels, value });
  return {
    meter: {
      counter: (name) => ({ add: take(name) }),
      gauge: (name) => ({ set: take(name) }),
      histogram: (name) => ({ observe: take(name) }),
    },
    of: (name, labels = {}) =>
      seen
        .filter(
          (each) => each.name === name && Object.entries(labels).every(([key, value]) => each.labels[key] === value),
        )
        .map(({ value }) => value),
  };
}
