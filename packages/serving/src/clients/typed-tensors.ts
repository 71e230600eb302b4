import type { ModelSignature, TensorArrays, TensorSpec, TensorType } from "@millwright/contracts";

/** Sizes of a signature as those of a tensor: −1 is any number. */
export type ShapeOf<Shape extends readonly number[]> = {
  readonly [Axis in keyof Shape]: Shape[Axis] extends -1 ? number : Shape[Axis];
};

/** A tensor of exactly one spec: its type, its array, its rank and the sizes that are fixed. */
export type TensorOf<Spec extends TensorSpec> = Spec extends {
  readonly dtype: infer Type;
  readonly shape: infer Shape extends readonly number[];
}
  ? Type extends TensorType
    ? { readonly dtype: Type; readonly shape: ShapeOf<Shape>; readonly data: TensorArrays[Type] }
    : never
  : never;

/** What an element of a nested list is: 64-bit integers are bigints, booleans booleans. */
export type ElementOf<Type extends TensorType> = Type extends "string"
  ? string
  : Type extends "bool"
    ? boolean
    : Type extends "int64" | "uint64"
      ? bigint
      : number;

/** Lists of fixed sizes beyond this are typed as lists of any size: their sizes are checked when they are sent. */
type LongestTuple = 256;

type TupleOf<Size extends number, Item, Items extends readonly Item[] = readonly []> = Items["length"] extends Size
  ? Items
  : Items["length"] extends LongestTuple
    ? readonly Item[]
    : TupleOf<Size, Item, readonly [...Items, Item]>;

type ListOf<Size extends number, Item> = number extends Size
  ? readonly Item[]
  : Size extends -1
    ? readonly Item[]
    : TupleOf<Size, Item>;

type AnyNesting<Item> = Item | readonly AnyNesting<Item>[];

/** Nested lists of a shape, row by row; fixed sizes up to 256 are tuples. */
export type NestedOf<Shape extends readonly number[], Item> = number extends Shape["length"]
  ? AnyNesting<Item>
  : Shape extends readonly [infer Size extends number, ...infer Rest extends readonly number[]]
    ? ListOf<Size, NestedOf<Rest, Item>>
    : Item;

/** What may be sent for an input: a tensor, or the same as nested lists. */
export type TensorInput<Spec extends TensorSpec> = TensorOf<Spec> | NestedOf<Spec["shape"], ElementOf<Spec["dtype"]>>;

/** Inputs by name, as a signature has them. */
export type InputsOf<Signature extends ModelSignature> = {
  readonly [Spec in Signature["inputs"][number] as Spec["name"]]: TensorInput<Spec>;
};

/** Outputs by name, as a signature has them. */
export type OutputsOf<Signature extends ModelSignature> = {
  readonly [Spec in Signature["outputs"][number] as Spec["name"]]: TensorOf<Spec>;
};
