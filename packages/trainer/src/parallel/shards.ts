/** Rows `start … end - 1` of a batch, whose gradient is one leaf of the sum. */
export interface Shard {
  /** From 0, in the order of the rows. */
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

/** Cuts a batch in at most `count` shards that differ by one row at most; none is empty. A function of the two numbers alone. */
export function shardsOf(rows: number, count: number): readonly Shard[] {
  const shards = Math.min(rows, count);
  return Array.from({ length: shards }, (_, index) => ({
    index,
    start: Math.floor((index * rows) / shards),
    end: Math.floor(((index + 1) * rows) / shards),
  }));
}

/** Shards `from … to - 1`. */
export interface ShardRange {
  readonly from: number;
  readonly to: number;
}

/** The shards of one of so many workers: neighbours, and as many as any other has, or one more. @param position From 0. */
export const rangeOf = (shards: number, position: number, workers: number): ShardRange => ({
  from: Math.floor((position * shards) / workers),
  to: Math.floor(((position + 1) * shards) / workers),
});

/**
 * The sums that can be made of a range's own shards, of the one tree over all of them: halves of halves. Whoever makes them, and in whatever order, they
 * are the same sums, so that the whole is the same to the bit for any number of workers.
 */
export function rootsOf(shards: number, own: ShardRange): readonly ShardRange[] {
  const roots: ShardRange[] = [];
  const visit = (node: ShardRange): void => {
    if (node.to <= own.from || node.from >= own.to) return;
    if (own.from <= node.from && node.to <= own.to) roots.push(node);
    else for (const half of halvesOf(node)) visit(half);
  };
  if (shards > 0) visit({ from: 0, to: shards });
  return roots;
}

export function halvesOf({ from, to }: ShardRange): readonly [ShardRange, ShardRange] {
  const middle = (from + to) >> 1;
  return [
    { from, to: middle },
    { from: middle, to },
  ];
}

/** Adds up the tree from a node on, in the slot of its first shard. @param done Whether a node's sum lies there already. */
export function sumTree(
  node: ShardRange,
  slot: (index: number) => Float32Array,
  done: (node: ShardRange) => boolean,
): void {
  if (done(node)) return;
  const [left, right] = halvesOf(node);
  sumTree(left, slot, done);
  sumTree(right, slot, done);
  addInto(slot(left.from), slot(right.from));
}

/** Adds numbers as float32 does: a float64 sum of two of them, rounded, is the sum that float32 makes. */
export function addInto(sum: Float32Array, values: Float32Array): void {
  for (let index = 0; index < sum.length; index += 1) sum[index] = (sum[index] as number) + (values[index] as number);
}
