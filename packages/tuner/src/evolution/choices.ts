/** One categorical distribution per categorical parameter and the adaptive step of its natural gradient. Never changed in place. */
export interface ChoicesState {
  /** Per parameter, the probability of each choice. */
  readonly probabilities: readonly Float64Array[];
  /** Accumulated normalised gradient; one entry per free probability. */
  readonly signal: Float64Array;
  readonly signalScale: number;
  /** Δ: grows where successive steps agree little. */
  readonly caution: number;
  /** δ: length of the next step; 1 / Δ of one generation ago, as in the authors' program. */
  readonly stepLength: number;
}

/** Uniform. @param sizes Number of choices per parameter, each at least 2. */
export function startChoices(sizes: readonly number[]): ChoicesState {
  return {
    probabilities: sizes.map((size) => new Float64Array(size).fill(1 / size)),
    signal: new Float64Array(sizes.reduce((total, size) => total + size - 1, 0)),
    signalScale: 0,
    caution: 1,
    stepLength: 1,
  };
}

/** (1 − 0.73^(1/parameters)) / (choices − 1): the least probability of a choice. */
export const choiceMargin = (parameters: number, size: number): number => (1 - 0.73 ** (1 / parameters)) / (size - 1);

/**
 * The categorical half of CatCMA, an adaptive stochastic natural gradient with a margin.
 * Hamano et al., "CatCMA", GECCO 2024, arXiv 2405.09962; Akimoto et al., "Adaptive Stochastic Natural Gradient Method for One-Shot Neural
 * Architecture Search", ICML 2019, appendix B.
 * @param ranked Per member, best first, the index of the choice of each parameter.
 * @param weights As many, none negative, their sum 1.
 */
export function updateChoices(
  state: ChoicesState,
  ranked: readonly (readonly number[])[],
  weights: Float64Array,
): ChoicesState {
  const gradients = state.probabilities.map((probabilities, parameter) => {
    const gradient = probabilities.map((value) => -value * weights.reduce((total, weight) => total + weight, 0));
    for (const [member, choices] of ranked.entries()) {
      const choice = choices[parameter] as number;
      gradient[choice] = (gradient[choice] as number) + (weights[member] as number);
    }
    return gradient;
  });
  const whitened = whiten(state.probabilities, gradients);
  const length = Math.sqrt(whitened.reduce((total, value) => total + value * value, 0)) + 1e-30;
  const delta = 1 / state.caution;
  const beta = delta / Math.sqrt(whitened.length);
  const signal = state.signal.map(
    (value, index) => (1 - beta) * value + (Math.sqrt(beta * (2 - beta)) * (whitened[index] as number)) / length,
  );
  const signalScale = (1 - beta) ** 2 * state.signalScale + beta * (2 - beta);
  const square = signal.reduce((total, value) => total + value * value, 0);
  return {
    probabilities: state.probabilities.map((probabilities, parameter) =>
      keepMargin(
        probabilities.map(
          (value, choice) =>
            value + (state.stepLength / length) * ((gradients[parameter] as Float64Array)[choice] as number),
        ),
        choiceMargin(state.probabilities.length, probabilities.length),
      ),
    ),
    signal,
    signalScale,
    caution: state.caution * Math.exp(beta * (signalScale - square / 1.5)),
    stepLength: delta,
  };
}

/** The gradients times the root of the Fisher information, the last choice of each parameter being the dependent one. */
function whiten(probabilities: readonly Float64Array[], gradients: readonly Float64Array[]): Float64Array {
  const whitened: number[] = [];
  for (const [parameter, current] of probabilities.entries()) {
    const free = (gradients[parameter] as Float64Array).subarray(0, -1);
    const total = free.reduce((sum, value) => sum + value, 0);
    const last = current.at(-1) as number;
    for (const [choice, value] of free.entries()) {
      const root = Math.sqrt(current[choice] as number);
      whitened.push(value / root + (root * total) / (last + Math.sqrt(last)));
    }
  }
  return Float64Array.from(whitened);
}

function keepMargin(probabilities: Float64Array, least: number): Float64Array {
  const lifted = probabilities.map((value) => Math.max(value, least));
  const total = lifted.reduce((sum, value) => sum + value, 0);
  const spare = total - least * lifted.length;
  const moved = lifted.map((value) => value - ((total - 1) * (value - least)) / spare);
  const sum = moved.reduce((all, value) => all + value, 0);
  return moved.map((value) => value / sum);
}
