/** A tensor in a computation, row-major. What it was computed from is remembered, so that `backward` can follow it back. */
export interface Variable {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  /** The derivative of what `backward` was called with; zeros before, and for constants. */
  readonly gradient: Float64Array;
}

/** What stands behind a variable. */
export class Node implements Variable {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  gradient: Float64Array;
  readonly needsGradient: boolean;
  readonly parents: readonly Node[];
  /** Adds to its parents' gradients, from its own. */
  readonly back: ((gradient: Float64Array) => void) | undefined;

  constructor(
    shape: readonly number[],
    data: Float64Array,
    parents: readonly Node[],
    back: ((gradient: Float64Array) => void) | undefined,
    needsGradient: boolean,
  ) {
    this.shape = shape;
    this.data = data;
    this.gradient = none;
    this.parents = parents;
    this.back = back;
    this.needsGradient = needsGradient;
  }
}

const none = new Float64Array();

/** How many numbers a shape holds. Throws a RangeError for what is no shape. */
export function sizeOf(shape: readonly number[]): number {
  if (!Array.isArray(shape)) throw new TypeError("A shape must be a list of sizes.");
  const size = shape.reduce((product: number, each: number) => product * each, 1);
  if (!shape.every((each) => Number.isInteger(each) && each >= 0) || size > 2 ** 31)
    throw new RangeError(`The shape [${shape.join(", ")}] is not one of whole sizes of 2^31 numbers at most.`);
  return size;
}

function leaf(shape: readonly number[], data: ArrayLike<number>, needsGradient: boolean): Node {
  const size = sizeOf(shape);
  if (data.length !== size)
    throw new RangeError(`The shape [${shape.join(", ")}] takes ${size} numbers, and ${data.length} are given.`);
  const own = data instanceof Float64Array ? data : Float64Array.from(data);
  const node = new Node([...shape], own, [], undefined, needsGradient);
  if (needsGradient) node.gradient = new Float64Array(size);
  return node;
}

/** A tensor that a gradient is wanted for. A Float64Array is used as it is, not copied. Throws a RangeError where shape and data do not fit. */
export const variable = (shape: readonly number[], data: ArrayLike<number>): Variable => leaf(shape, data, true);

/** A tensor that no gradient is wanted for, such as the inputs. Throws as `variable`. */
export const constant = (shape: readonly number[], data: ArrayLike<number>): Variable => leaf(shape, data, false);

/** What an operation gives. */
export function result(
  shape: readonly number[],
  data: Float64Array,
  inputs: readonly Variable[],
  back: (gradient: Float64Array) => void,
): Variable {
  const parents = inputs as readonly Node[];
  const needsGradient = parents.some((parent) => parent.needsGradient);
  return new Node(shape, data, needsGradient ? parents : [], needsGradient ? back : undefined, needsGradient);
}

/** Where to add an input's gradient; undefined where none is wanted. */
export const gradientOf = (input: Variable): Float64Array | undefined =>
  (input as Node).needsGradient ? input.gradient : undefined;

/** Parents before what was computed from them. */
function inOrder(root: Node): readonly Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const open: { readonly node: Node; at: number }[] = [{ node: root, at: 0 }];
  seen.add(root);
  while (open.length > 0) {
    const top = open[open.length - 1]!;
    const parent = top.node.parents[top.at];
    top.at += 1;
    if (parent === undefined) {
      order.push(top.node);
      open.pop();
    } else if (parent.needsGradient && !seen.has(parent)) {
      seen.add(parent);
      open.push({ node: parent, at: 0 });
    }
  }
  return order;
}

/**
 * Fills `gradient` of every variable that the loss was computed from with the derivative of the loss by it (reverse-mode differentiation; Linnainmaa,
 * 1970). The loss is one number. Throws a RangeError where it is not.
 */
export function backward(loss: Variable): void {
  assertVariable("The loss", loss);
  if (loss.data.length !== 1)
    throw new RangeError(`A loss is one number, and this has the shape [${loss.shape.join(", ")}].`);
  const order = inOrder(loss as Node);
  for (const node of order) node.gradient = new Float64Array(node.data.length);
  (loss as Node).gradient[0] = 1;
  for (const node of order.toReversed()) node.back?.(node.gradient);
}

/** Throws a TypeError for what neither `variable`, `constant` nor an operation gave. */
export function assertVariable(name: string, value: Variable): void {
  if (!(value instanceof Node))
    throw new TypeError(`${name} must be a variable, a constant, or what an operation gives.`);
}

/** Throws a RangeError unless the shape is as wanted; −1 stands for any size. @returns the sizes. */
export function wantShape(name: string, input: Variable, wanted: readonly number[]): readonly number[] {
  assertVariable(name, input);
  const { shape } = input;
  const fits =
    shape.length === wanted.length && shape.every((size, axis) => wanted[axis] === -1 || wanted[axis] === size);
  if (fits) return shape;
  const text = wanted.map((size) => (size === -1 ? "any" : size)).join(", ");
  throw new RangeError(`${name} must have the shape [${text}], not [${shape.join(", ")}].`);
}
