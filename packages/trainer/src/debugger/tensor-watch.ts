import type { TensorFlow } from "@millwright/tfjs";
import type { ReadyModel } from "../build-model.ts";
import type { Tensor } from "../define-training.ts";
import { watchActivations } from "./layer-activations.ts";
import {
  activeWithin,
  defaultTolerance,
  type ObservedTensor,
  observeTensor,
  percentileOf,
  type TensorCollection,
  type Tolerance,
} from "./observation.ts";

export interface WatchOptions {
  readonly tf: TensorFlow;
  readonly ready: ReadyModel;
  /** Tensors are reduced on the device, and only what rules ask of them is read; else they are read and reduced here, where they lie in memory anyway. */
  readonly onDevice: boolean;
  readonly tolerance?: Tolerance | undefined;
  readonly bounds?: Readonly<Partial<Record<TensorCollection, readonly [number, number]>>> | undefined;
}

interface Taken {
  readonly collection: TensorCollection;
  readonly name: string;
  /** The watch's own. */
  readonly tensor: Tensor;
  readonly before?: Tensor | undefined;
  readonly previous?: Tensor | undefined;
  readonly percentiles?: boolean | undefined;
}

type Rows = { readonly features: Float32Array; readonly labels: Float32Array };

/** One step's tensors, from before it to after it. */
export interface StepWatch {
  /** Shows the loss and the gradients, before they are applied; of them nothing is disposed. */
  gradients(loss: Tensor, gradients: Readonly<Record<string, Tensor>>): void;
  /** Looks at the weights after the step, and reads all there is. */
  read(): Promise<readonly ObservedTensor[]>;
  /** Where the step was left out. */
  dispose(): void;
}

/** Takes a training's tensors along some of its steps; the weights of the last observation stay on the device. */
export class TensorWatch {
  readonly #options: WatchOptions;
  readonly #bounds: Readonly<Partial<Record<TensorCollection, readonly [number, number]>>>;
  #previous: Tensor[] = [];

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#bounds = { ...activeWithin, ...options.bounds };
  }

  /** Weights of the last observation. */
  get previous(): readonly Tensor[] {
    return this.#previous;
  }

  /** @param tensors The watch's from now on. */
  restore(tensors: Tensor[]): void {
    this.dispose();
    this.#previous = tensors;
  }

  dispose(): void {
    for (const tensor of this.#previous) tensor.dispose();
    this.#previous = [];
  }

  /** Begins a step. @param needs What is looked at. */
  begin(rows: Rows, needs: ReadonlySet<TensorCollection>, percentiles: boolean): StepWatch {
    const { tf, ready } = this.#options;
    const { weights } = ready.model;
    const taken: Taken[] = needsForward(needs) ? this.#takeForward(rows, needs) : [];
    const before = needs.has("weights") ? weights.map((weight) => tf.clone(weight.read())) : [];
    const disposeAll = (): void => {
      for (const { tensor } of taken.splice(0)) tensor.dispose();
      for (const tensor of before.splice(0)) tensor.dispose();
    };
    return {
      gradients(loss, gradients) {
        // `clone` alone would be disposed with the tidy scope that this is called in.
        const keep = (tensor: Tensor): Tensor => tf.keep(tf.clone(tensor));
        if (needs.has("losses")) taken.push({ collection: "losses", name: "train", tensor: keep(loss) });
        if (!needs.has("gradients")) return;
        for (const weight of ready.model.trainableWeights) {
          const gradient = gradients[(weight.read() as Tensor & { readonly name: string }).name];
          if (gradient === undefined) continue;
          const { originalName: name } = weight;
          taken.push({ collection: "gradients", name, tensor: keep(gradient), percentiles });
        }
      },
      read: async () => {
        const after = before.length === 0 ? [] : weights.map((weight) => tf.clone(weight.read()));
        for (const [index, tensor] of after.entries()) {
          const name = weights[index]?.originalName ?? String(index);
          const previous = this.#previous[index];
          taken.push({ collection: "weights", name, tensor: tf.clone(tensor), before: before[index], previous });
        }
        try {
          return await this.#read(taken);
        } finally {
          disposeAll();
          if (after.length > 0) this.restore(after);
        }
      },
      dispose: disposeAll,
    };
  }

  /** A pass of its own: the training's must stay what it is, to the bit. */
  #takeForward({ features, labels }: Rows, needs: ReadonlySet<TensorCollection>): Taken[] {
    const { tf, ready } = this.#options;
    const taken: Taken[] = [];
    const keep = (collection: TensorCollection, name: string, tensor: Tensor): void => {
      if (needs.has(collection)) taken.push({ collection, name, tensor: tf.keep(tf.clone(tensor)) });
    };
    tf.tidy(() => {
      const x = tf.tensor2d(features, [labels.length, features.length / labels.length]);
      const forward = (): Tensor => ready.model.apply(x, { training: false }) as Tensor;
      keep("predictions", "predictions", watchActivations(ready.model, forward, keep));
      keep("labels", "labels", tf.tensor2d(labels, [labels.length, 1]));
    });
    return taken;
  }

  async #read(taken: readonly Taken[]): Promise<readonly ObservedTensor[]> {
    if (!this.#options.onDevice) return Promise.all(taken.map((one) => this.#readHere(one)));
    const { tf } = this.#options;
    const reductions = taken.map((one) => reduceOnDevice(tf, one, this.#reductionOf(one)));
    const all = tf.tidy(() => tf.concat(reductions.map((reduction) => reduction.flatten())));
    try {
      const numbers = await all.data();
      let offset = 0;
      const observed: ObservedTensor[] = [];
      for (const [index, one] of taken.entries()) {
        const { size = 0 } = reductions[index] ?? {};
        observed.push(await fromNumbers(one, numbers.slice(offset, offset + size) as Float32Array));
        offset += size;
      }
      return observed;
    } finally {
      tf.dispose([all, ...reductions]);
    }
  }

  #reductionOf({ collection }: Taken): Reduction {
    return { tolerance: this.#options.tolerance ?? defaultTolerance, active: this.#bounds[collection] };
  }

  async #readHere({ collection, name, tensor, before, previous, percentiles }: Taken): Promise<ObservedTensor> {
    const [values, valuesBefore, valuesPrevious] = await Promise.all([tensor.data(), before?.data(), previous?.data()]);
    return observeTensor(collection, name, values, {
      shape: tensor.shape,
      before: valuesBefore,
      previous: valuesPrevious,
      tolerance: this.#options.tolerance,
      percentiles,
      active: this.#bounds[collection],
    });
  }
}

const needsForward = (needs: ReadonlySet<TensorCollection>): boolean =>
  (["relu_input", "relu_output", "tanh_input", "sigmoid_input", "labels", "predictions"] as const).some((one) =>
    needs.has(one),
  );

interface Reduction {
  readonly tolerance: Tolerance;
  readonly active: readonly [number, number] | undefined;
}

const largestFinite = 3.4028234663852886e38;

/** Counts of NaN, infinities and zeros, moments, then what was asked for besides: one row of numbers. */
function reduceOnDevice(tf: TensorFlow, { tensor, before, previous }: Taken, { tolerance, active }: Reduction): Tensor {
  return tf.tidy(() => {
    const flat = tensor.flatten().toFloat();
    const share = (test: Tensor): Tensor => tf.sum(test.toFloat());
    const mean = tf.mean(flat);
    const scalars: Tensor[] = [
      share(tf.notEqual(flat, flat)),
      share(tf.greater(tf.abs(flat), largestFinite)),
      share(tf.equal(flat, 0)),
      mean,
      tf.mean(tf.abs(flat)),
      tf.mean(tf.square(tf.sub(flat, mean))),
    ];
    if (before !== undefined)
      scalars.push(tf.mean(tf.abs(before)), tf.mean(tf.abs(tf.sub(flat, before.flatten().toFloat()))));
    if (previous !== undefined) {
      const old = previous.flatten().toFloat();
      const room = tf.add(tf.mul(tf.abs(old), tolerance.rtol), tolerance.atol);
      scalars.push(share(tf.logicalNot(tf.lessEqual(tf.abs(tf.sub(flat, old)), room))));
    }
    const numbers = tf.stack(scalars.map((scalar) => scalar.asScalar()));
    if (active === undefined) return numbers;
    const rows = tensor.reshape([-1, tensor.shape.at(-1) ?? 1]);
    const above = tf.greater(rows, active[0]);
    const within = active[1] === Infinity ? above : tf.logicalAnd(above, tf.less(rows, active[1]));
    return tf.concat([numbers, tf.mean(within.toFloat(), 0).flatten()]);
  });
}

async function fromNumbers(taken: Taken, numbers: Float32Array): Promise<ObservedTensor> {
  const { collection, name, tensor, before, previous, percentiles = false } = taken;
  const [nans = 0, infinities = 0, zeros = 0, mean = 0, meanAbsolute = 0, variance = 0] = numbers;
  let place = 6;
  const next = (): number => numbers[place++] ?? Number.NaN;
  const update = before === undefined ? undefined : { before: next(), change: next() };
  const unchanged = previous === undefined ? undefined : next() === 0;
  const activity = Array.from(numbers.subarray(place));
  const keeps = collection === "labels" || collection === "predictions";
  const values = keeps || percentiles ? await tensor.data() : undefined;
  const sorted = percentiles && values !== undefined ? Float64Array.from(values).toSorted() : undefined;
  return {
    name,
    collection,
    size: tensor.size,
    rank: tensor.shape.length,
    nans,
    infinities,
    zeros,
    mean,
    meanAbsolute,
    variance,
    ...(sorted === undefined ? {} : { percentiles: [percentileOf(sorted, 5), percentileOf(sorted, 95)] as const }),
    ...(activity.length === 0 ? {} : { activity }),
    ...(update === undefined ? {} : { update }),
    ...(unchanged === undefined ? {} : { unchanged }),
    ...(keeps && values !== undefined ? { values } : {}),
  };
}
