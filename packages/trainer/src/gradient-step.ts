import type { TensorFlow } from "@millwright/tfjs";
import type { ReadyModel } from "./build-model.ts";
import type { Optimizer, Tensor } from "./define-training.ts";
import type { Matrix } from "./minibatches.ts";
import type { GradientClipping, Optimization } from "./optimization.ts";
import type { Phase } from "./profiler/step-profiler.ts";
import { seedStep } from "./seeding.ts";

type Rows = Pick<Matrix, "features" | "labels">;
/** By the name of the variable. */
export type Gradients = Record<string, Tensor>;
type Scalar = ReturnType<TensorFlow["scalar"]>;

/** The caller disposes of the tensors. */
export interface SourcedGradients {
  /** The batch's mean loss. */
  readonly value: Scalar;
  readonly grads: Gradients;
  /** Gives the model what learning changes besides: moving statistics. Called where the step is taken. */
  settle(): void;
}

/** Where the gradients of a batch come from, where they are not computed here alone. */
export interface GradientSource {
  /** @param lossScale Factor of the loss while gradients are computed; what is given back is without it. */
  of(rows: Rows, step: number, lossScale: number): Promise<SourcedGradients>;
}

/** The optimizer's learning rate now; undefined for one that has none, as a module's own may. */
export function learningRateOf(optimizer: Optimizer): number | undefined {
  const { learningRate } = optimizer as unknown as { readonly learningRate?: unknown };
  return typeof learningRate === "number" ? learningRate : undefined;
}

export function setLearningRate(optimizer: Optimizer, learningRate: number): void {
  const target = optimizer as unknown as { learningRate: number; setLearningRate?: (learningRate: number) => void };
  // Those that descend by a constant tensor must make it anew.
  if (target.setLearningRate === undefined) target.learningRate = learningRate;
  else target.setLearningRate(learningRate);
}

/** Clips gradients on their device. The result is the caller's; of `gradients` nothing is disposed. */
export function clipGradients(tf: TensorFlow, gradients: Gradients, clip: GradientClipping): Gradients {
  return tf.tidy(() => {
    if ("value" in clip) return mapped(gradients, (gradient) => tf.clipByValue(gradient, -clip.value, clip.value));
    const squares = Object.values(gradients).map((gradient) => tf.sum(tf.square(gradient)));
    const norm = tf.sqrt(tf.addN(squares));
    const scale = tf.div(clip.norm, tf.maximum(norm, clip.norm));
    return mapped(gradients, (gradient) => tf.mul(gradient, scale));
  });
}

const mapped = (gradients: Gradients, change: (gradient: Tensor) => Tensor): Gradients =>
  Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [name, change(gradient)]));

/** Sees a step's loss and gradients before they are clipped and applied. */
export interface GradientWatch {
  gradients(loss: Tensor, gradients: Readonly<Record<string, Tensor>>): void;
}

/** The loss of rows, with the model's own penalties, as a step makes it small. */
export function costOf(tf: TensorFlow, { model, loss }: ReadyModel, x: Tensor, y: Tensor): Scalar {
  const predictions = model.apply(x, { training: true }) as Tensor;
  const penalties = model.calculateLosses();
  return penalties.reduce((sum, penalty) => tf.add(sum, penalty), loss(y, predictions)).asScalar();
}

export interface GradientStepOptions {
  readonly optimization: Optimization;
  readonly seed: number;
  readonly width: number;
  /** Most rows learned from at once. Default: as `optimization.accumulate` says. */
  readonly pieceRows?: number | undefined;
  /** Default: gradients are computed here. */
  readonly source?: GradientSource | undefined;
  /** Told when a phase of a step is over. */
  readonly lap?: ((phase: Phase) => void) | undefined;
}

/** Steps of the optimizer, as a run's options want them. */
export class GradientStep {
  readonly #tf: TensorFlow;
  readonly #ready: ReadyModel;
  readonly #optimization: Optimization;
  readonly #seed: number;
  readonly #width: number;
  readonly #pieceRows: number;
  readonly #source: GradientSource | undefined;
  readonly #lap: (phase: Phase) => void;

  constructor(
    tf: TensorFlow,
    ready: ReadyModel,
    { optimization, seed, width, pieceRows = Infinity, source, lap = () => {} }: GradientStepOptions,
  ) {
    this.#tf = tf;
    this.#ready = ready;
    this.#optimization = optimization;
    this.#seed = seed;
    this.#width = width;
    this.#pieceRows = pieceRows;
    this.#source = source;
    this.#lap = lap;
  }

  /**
   * One step; what its loss is stays on the device.
   * @param watch Is shown the loss and the gradients.
   * @returns undefined where the step was not taken, because its loss or gradients are no numbers and the options say not to.
   */
  async take(rows: Rows, step: number, watch?: GradientWatch, lossScale?: number): Promise<Tensor | undefined> {
    const { clip, accumulate = 1, notFinite = "fail" } = this.#optimization;
    if (this.#source !== undefined) {
      const found = await this.#source.of(rows, step, lossScale ?? 1);
      this.#lap("backward"); // and forward: workers do not say when they turn
      return this.#apply(found, watch, lossScale !== undefined);
    }
    const size = Math.min(Math.ceil(rows.labels.length / accumulate), this.#pieceRows);
    const plain = clip === undefined && notFinite === "fail" && watch === undefined && lossScale === undefined;
    if (plain && size >= rows.labels.length) return this.#takePlain(rows, step);
    const { value, grads } = this.#tf.tidy(() => this.#gradientsOf(rows, step, { size, lossScale }));
    return this.#apply({ value, grads, settle: () => {} }, watch, lossScale !== undefined);
  }

  /** @returns the loss; undefined where the step was not taken. */
  async #apply(
    { value, grads, settle }: SourcedGradients,
    watch: GradientWatch | undefined,
    scaled: boolean,
  ): Promise<Tensor | undefined> {
    const { clip, notFinite = "fail" } = this.#optimization;
    const tf = this.#tf;
    watch?.gradients(value, grads);
    const taken = (notFinite === "fail" && !scaled) || (await this.#areNumbers(value, grads));
    if (taken) {
      settle();
      tf.tidy(() => this.#ready.optimizer.applyGradients(clip === undefined ? grads : clipGradients(tf, grads, clip)));
    } else value.dispose();
    tf.dispose(grads);
    this.#lap("optimizer");
    return taken ? value : undefined;
  }

  #takePlain({ features, labels }: Rows, step: number): Tensor {
    const { model, optimizer } = this.#ready;
    const tf = this.#tf;
    seedStep(model, this.#seed, step);
    return tf.tidy(() => {
      const x = tf.tensor2d(features, [labels.length, this.#width]);
      const y = tf.tensor2d(labels, [labels.length, 1]);
      const variables = this.#variables() ?? [];
      if (optimizer.minimize !== tf.Optimizer.prototype.minimize) {
        // One of the module's own, which may do more than the two halves of the original.
        const cost = optimizer.minimize(() => this.#cost(x, y), true, variables);
        this.#lap("optimizer");
        return cost ?? tf.scalar(Number.NaN);
      }
      const { value, grads } = optimizer.computeGradients(() => this.#cost(x, y), variables);
      this.#lap("backward");
      optimizer.applyGradients(variables.map(({ name }) => ({ name, tensor: grads[name] as Tensor })));
      this.#lap("optimizer");
      return value;
    });
  }

  #variables(): Parameters<Optimizer["minimize"]>[2] {
    const variables = this.#ready.model.trainableWeights.map((weight) => weight.read());
    return variables as unknown as Parameters<Optimizer["minimize"]>[2];
  }

  /** Gradients of the batch's mean loss: each part's weigh as many rows as it has. */
  #gradientsOf(
    rows: Rows,
    step: number,
    { size, lossScale = 1 }: { readonly size: number; readonly lossScale: number | undefined },
  ): { readonly value: Scalar; readonly grads: Gradients } {
    const tf = this.#tf;
    const total = rows.labels.length;
    let sum: { value: Scalar; grads: Gradients } | undefined;
    for (let start = 0, part = 0; start < total; start += size, part += 1) {
      const before = sum;
      const end = Math.min(total, start + size);
      const share = (end - start) / total;
      seedStep(this.#ready.model, this.#seed, step, part);
      const next = tf.tidy(() => {
        const x = tf.tensor2d(rows.features.subarray(start * this.#width, end * this.#width), [
          end - start,
          this.#width,
        ]);
        const y = tf.tensor2d(rows.labels.subarray(start, end), [end - start, 1]);
        const { value, grads } = tf.variableGrads(() => this.#cost(x, y, lossScale), this.#variables());
        this.#lap("backward");
        if (share === 1) return { value, grads: { ...grads } as Gradients };
        const weigh = (name: string, gradient: Tensor): Tensor => {
          const weighed = tf.mul(gradient, share);
          return before === undefined ? weighed : tf.add(before.grads[name] as Tensor, weighed);
        };
        const weighed = Object.fromEntries(Object.entries(grads).map(([name, grad]) => [name, weigh(name, grad)]));
        const mean = tf.mul(value, share);
        return { value: (before === undefined ? mean : tf.add(before.value, mean)).asScalar(), grads: weighed };
      });
      if (before !== undefined) tf.dispose([before.value, ...Object.values(before.grads)]);
      sum = next;
    }
    const { value, grads } = sum as { value: Scalar; grads: Gradients };
    if (lossScale === 1) return { value, grads };
    const unscale = (tensor: Tensor): Tensor => tf.mul(tensor, 1 / lossScale);
    return { value: unscale(value).asScalar(), grads: mapped(grads, unscale) };
  }

  async #areNumbers(value: Tensor, grads: Gradients): Promise<boolean> {
    const tf = this.#tf;
    // Sums of what is left when finite numbers are taken out: 0 · x is no number where x is none.
    const zero = tf.tidy(() =>
      tf.addN([
        tf.mul(value, 0).asScalar(),
        ...Object.values(grads).map((gradient) => tf.sum(tf.mul(gradient, 0)).asScalar()),
      ]),
    );
    const finite = Number.isFinite((await zero.data())[0] ?? Number.NaN);
    zero.dispose();
    return finite;
  }

  #cost(x: Tensor, y: Tensor, lossScale = 1): Scalar {
    const cost = costOf(this.#tf, this.#ready, x, y);
    this.#lap("forward");
    return lossScale === 1 ? cost : this.#tf.mul(cost, lossScale).asScalar();
  }
}
