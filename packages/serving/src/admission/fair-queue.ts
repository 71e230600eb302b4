/** What may wait to be let in. */
export interface Applicant {
  /** 0 is the most important class. */
  readonly priority: number;
  readonly tenant: string;
  /** What it counts for against its tenant's share: its rows. */
  readonly cost: number;
}

/** Those who wait: classes one after another, and within a class tenants by their weights. */
export interface FairQueue<Item extends Applicant> {
  readonly size: number;
  push(item: Item): void;
  /** The next to be let in. */
  shift(): Item | undefined;
  /** Takes one out. @returns whether it was there. */
  remove(item: Item): boolean;
  /**
   * Who has to go if `item` is to wait in a full queue: the newest of the least important class if that is below the item's, else the newest of the
   * tenant that is furthest beyond its share if that is another's. @returns `undefined` where it is the item that has to go.
   */
  victimFor(item: Item): Item | undefined;
  /** How many would be let in before `item` if nobody came after it. */
  ahead(item: Item): number;
  items(): Item[];
}

interface Line<Item> {
  readonly tenant: string;
  readonly weight: number;
  items: Item[];
  /** What it was let in for so far, over its weight. */
  pass: number;
}

interface Class<Item> {
  readonly lines: Map<string, Line<Item>>;
  size: number;
  /** The pass of the line that was served last: whoever comes back begins there, and has saved nothing up. */
  passed: number;
}

const keptLines = 256;

/** By stride scheduling (Waldspurger and Weihl, 1995): the line goes next that was let in for least, over its weight. */
export function createFairQueue<Item extends Applicant>(
  classes: number,
  weightOf: (tenant: string) => number,
): FairQueue<Item> {
  return new ClassedQueue<Item>(classes, weightOf);
}

class ClassedQueue<Item extends Applicant> implements FairQueue<Item> {
  readonly #classes: readonly Class<Item>[];
  readonly #weightOf: (tenant: string) => number;
  size = 0;

  constructor(classes: number, weightOf: (tenant: string) => number) {
    this.#classes = Array.from({ length: classes }, () => ({ lines: new Map(), size: 0, passed: 0 }));
    this.#weightOf = weightOf;
  }

  push(item: Item): void {
    const of = this.#classOf(item);
    const { tenant } = item;
    let line = of.lines.get(tenant);
    if (line === undefined) {
      if (of.lines.size >= keptLines) forgetIdle(of);
      line = { tenant, weight: this.#weightOf(tenant), items: [], pass: of.passed };
      of.lines.set(tenant, line);
    }
    line.items.push(item);
    of.size += 1;
    this.size += 1;
  }

  shift(): Item | undefined {
    const of = this.#classes.find((each) => each.size > 0);
    if (of === undefined) return undefined;
    const line = nextLine(of);
    const item = line.items.shift() as Item;
    of.passed = line.pass;
    line.pass += item.cost / line.weight;
    this.#onTaken(of);
    return item;
  }

  remove(item: Item): boolean {
    const of = this.#classOf(item);
    const line = of.lines.get(item.tenant);
    const at = line?.items.indexOf(item) ?? -1;
    if (line === undefined || at < 0) return false;
    line.items.splice(at, 1);
    this.#onTaken(of);
    return true;
  }

  victimFor(item: Item): Item | undefined {
    const lowest = this.#classes.findLastIndex((each) => each.size > 0);
    if (lowest < item.priority) return undefined;
    const of = this.#classes[lowest] as Class<Item>;
    const longest = longestLine(of);
    if (lowest > item.priority) return longest.items.at(-1);
    const own = of.lines.get(item.tenant);
    const share = ((own?.items.length ?? 0) + 1) / (own?.weight ?? this.#weightOf(item.tenant));
    return longest !== own && longest.items.length / longest.weight > share ? longest.items.at(-1) : undefined;
  }

  ahead(item: Item): number {
    let count = 0;
    for (const each of this.#classes.slice(0, item.priority)) count += each.size;
    const of = this.#classOf(item);
    const own = of.lines.get(item.tenant);
    const mine = (own?.items.length ?? 0) + 1;
    const weight = own?.weight ?? this.#weightOf(item.tenant);
    for (const line of of.lines.values()) {
      // While this tenant is served `mine` times, another is so often as its weight says, or as it has requests.
      count += line === own ? mine - 1 : Math.min(line.items.length, Math.ceil((mine * line.weight) / weight));
    }
    return count;
  }

  items(): Item[] {
    return this.#classes.flatMap(({ lines }) => [...lines.values()].flatMap(({ items }) => items));
  }

  #classOf({ priority }: Item): Class<Item> {
    return this.#classes[priority] as Class<Item>;
  }

  #onTaken(of: Class<Item>): void {
    this.size -= 1;
    of.size -= 1;
    // Where nobody waits nobody has to be kept from more than a share.
    if (of.size === 0) of.lines.clear();
  }
}

/** Lines without anybody are kept while they are ahead of the others, or a tenant who asks again and again would take more than its share. */
function forgetIdle<Item>({ lines, passed }: Class<Item>): void {
  for (const [tenant, { items, pass }] of lines) if (items.length === 0 && pass <= passed) lines.delete(tenant);
  if (lines.size < keptLines * 4) return;
  for (const [tenant, { items }] of lines) if (items.length === 0) lines.delete(tenant);
}

function nextLine<Item>({ lines }: Class<Item>): Line<Item> {
  let found: Line<Item> | undefined;
  for (const line of lines.values())
    if (line.items.length > 0 && (found === undefined || line.pass < found.pass)) found = line;
  return found as Line<Item>;
}

function longestLine<Item>({ lines }: Class<Item>): Line<Item> {
  let found: Line<Item> | undefined;
  for (const line of lines.values())
    if (found === undefined || line.items.length / line.weight > found.items.length / found.weight) found = line;
  return found as Line<Item>;
}
