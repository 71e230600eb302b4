import type { VariantState } from "./monitor-state.ts";

/** What other monitors saw, by who told it. */
export interface ToldStates {
  /** What a source tells; what it told before is forgotten. */
  put(source: string, states: readonly VariantState[]): void;
  of(endpoint: string, variant: string): readonly VariantState[];
  endpoints(): readonly string[];
  variants(endpoint: string): readonly string[];
  /** Forgets windows that ended before. */
  forget(beforeMs: number): void;
}

export function createToldStates(): ToldStates {
  const bySource = new Map<string, readonly VariantState[]>();
  const all = (): readonly VariantState[] => [...bySource.values()].flat();
  return {
    put: (source, states) => void bySource.set(source, states),
    of: (endpoint, variant) => all().filter((each) => each.endpoint === endpoint && each.variant === variant),
    endpoints: () => all().map(({ endpoint }) => endpoint),
    variants: (endpoint) =>
      all()
        .filter((each) => each.endpoint === endpoint)
        .map(({ variant }) => variant),
    forget(beforeMs) {
      for (const [source, states] of bySource) bySource.set(source, withoutOld(states, beforeMs));
    },
  };
}

const withoutOld = (states: readonly VariantState[], beforeMs: number): readonly VariantState[] =>
  states
    .map((state) => ({ ...state, windows: state.windows.filter((each) => each.startMs + each.lengthMs > beforeMs) }))
    .filter(({ windows }) => windows.length > 0);

/** Of what several say of one variant, what is of the model that began to answer last. */
export function newestModelOf(states: readonly VariantState[]): readonly VariantState[] {
  const [first] = states;
  if (first === undefined) return [];
  const newest = states.reduce((a, b) => (b.sinceMs > a.sinceMs ? b : a), first);
  return states.filter(({ model }) => model?.digest === newest.model?.digest);
}
