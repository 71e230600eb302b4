import { type Clock, createRandom, type Digest, digestOf, type Random } from "@millwright/contracts";
import { type CollectableArtifactStore, collectGarbage } from "@millwright/storage";
import { expect } from "vitest";

export interface ModelOptions {
  readonly seed: number;
  /** Opens an empty store by this clock. */
  readonly open: (clock: Clock, turns: Turns) => Promise<CollectableArtifactStore>;
  readonly publications: number;
  readonly collections: number;
}

/** Lets the others go on for a random while. */
export type Turns = () => Promise<void>;

/** Longer than chunks are kept that nothing is made of, so that those come and go too. */
const graceMs = 2 * 24 * 60 * 60 * 1000;
const longMs = 5 * graceMs;

interface Node {
  readonly text: string;
  readonly children: readonly Digest[];
}

/** What is published, and what each blob refers to: the truth that a collection must agree with. */
class Model {
  readonly nodes = new Map<Digest, Node>();
  readonly roots = new Map<string, Digest>();
  /** When each publication under way began: the clock may not leave it behind by more than the grace period. */
  readonly began = new Map<string, number>();
  nowMs = 1_700_000_000_000;

  reachable(): Set<Digest> {
    const found = new Set<Digest>();
    const queue = [...this.roots.values()];
    for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) {
      if (found.has(digest)) continue;
      found.add(digest);
      queue.push(...(this.nodes.get(digest)?.children ?? []));
    }
    return found;
  }

  /** Moves the clock as far as the rule allows: who puts refers to it within the grace period. */
  tick(random: Random): void {
    const latest = Math.min(...this.began.values()) + graceMs - 1;
    this.nowMs = Math.min(this.nowMs + random.integer(graceMs), Math.max(this.nowMs, latest));
  }
}

/**
 * Publishers that put random graphs of blobs out of a small world, so that they meet each other's and what was garbage; others that take publications
 * back; and collections, all at once, with their steps in an order that the seed chooses. At every moment all that is published is there, whole.
 * @returns how many blobs were deleted on the way.
 */
export async function runGarbageModel(options: ModelOptions): Promise<number> {
  const random = createRandom(options.seed);
  const model = new Model();
  const clock: Clock = { nowMs: () => model.nowMs, monotonicMs: () => performance.now(), sleep: () => turns() };
  const turns: Turns = async () => {
    for (let turn = random.integer(4); turn > 0; turn -= 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const store = await options.open(clock, turns);
  let publishing = options.publications;
  let deleted = 0;
  const publisher = async (name: string): Promise<void> => {
    while (publishing > 0) {
      publishing -= 1;
      await publish(store, model, `${name} ${publishing}`, random, turns);
    }
  };
  const retractor = async (): Promise<void> => {
    while (publishing > 0) {
      await turns();
      const names = [...model.roots.keys()];
      if (names.length > 2) model.roots.delete(names[random.integer(names.length)] as string);
      model.tick(random);
    }
  };
  const collector = async (): Promise<void> => {
    for (let turn = 0; turn < options.collections || publishing > 0; turn += 1) {
      const reachable = async function* (): AsyncGenerator<Digest> {
        // One moment after the call began, and a slow reading of what was true then.
        await turns();
        yield* model.reachable();
      };
      const report = await collectGarbage(store, { reachable: reachable(), graceMs, clock });
      deleted += report.deleted.artifacts;
      model.tick(random);
      await turns();
    }
  };
  const checker = async (): Promise<void> => {
    while (publishing > 0) {
      await checkPublished(store, model);
      await turns();
    }
  };
  await Promise.all([publisher("a"), publisher("b"), publisher("c"), retractor(), collector(), collector(), checker()]);
  await checkPublished(store, model);
  await checkEmptied(store, model, clock);
  return deleted;
}

async function publish(
  store: CollectableArtifactStore,
  model: Model,
  name: string,
  random: Random,
  turns: Turns,
): Promise<void> {
  model.began.set(name, model.nowMs);
  const put = async (node: Node): Promise<Digest> => {
    const digest = digestOf(node.text);
    model.nodes.set(digest, node);
    await turns();
    // What is there already may be referred to once it is young.
    if (random.integer(3) > 0 || !(await store.touch(digest))) await store.put(Buffer.from(node.text));
    return digest;
  };
  const leaves: Digest[] = [];
  for (let count = 1 + random.integer(3); count > 0; count -= 1)
    leaves.push(await put({ text: `leaf ${random.integer(8)} ${"x".repeat(6000)}`, children: [] }));
  const middle: Digest[] = [];
  for (let count = random.integer(3); count > 0; count -= 1) {
    const children = leaves.filter(() => random.integer(2) === 0);
    middle.push(await put({ text: `middle ${children.toSorted().join()}`, children }));
  }
  const children = [...middle, leaves[0] as Digest];
  const root = await put({ text: `root ${children.toSorted().join()}`, children });
  model.roots.set(name, root);
  model.began.delete(name);
}

async function checkPublished(store: CollectableArtifactStore, model: Model): Promise<void> {
  const roots = new Map(model.roots);
  for (const digest of model.reachable()) {
    const bytes: Uint8Array[] = [];
    try {
      for await (const chunk of store.open(digest)) bytes.push(new Uint8Array(chunk));
    } catch (error) {
      // Taken back while it was read: it may be gone.
      if (model.reachable().has(digest))
        throw new Error(`lost ${model.nodes.get(digest)?.text.slice(0, 40)}`, { cause: error });
      continue;
    }
    expect(Buffer.concat(bytes).toString()).toBe(model.nodes.get(digest)?.text);
  }
  expect(roots.size).toBeGreaterThanOrEqual(0);
}

/** What is published stays, whatever its age; when all is taken back, nothing is left. */
async function checkEmptied(store: CollectableArtifactStore, model: Model, clock: Clock): Promise<void> {
  model.nowMs += longMs;
  await collectGarbage(store, { reachable: model.reachable(), graceMs, clock });
  await checkPublished(store, model);
  model.roots.clear();
  await collectGarbage(store, { reachable: [], graceMs, clock });
  for await (const { digest } of store.list()) throw new Error(`${digest} was left`);
}
