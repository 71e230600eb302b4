import { join } from "node:path";
import { fitGbdt, packFitted } from "@millwright/algorithms";
import { createRandom } from "@millwright/contracts";
import { batchOf, datasetOf } from "@millwright/data";

export type Order = { readonly channel: string; readonly euros: number; readonly days: number };

const channels = ["web", "app", "phone"];

/** Made orders, and whether each was sent back; the same seed makes the same ones. */
export function makeOrders(count: number, seed: number): readonly (Order & { readonly returned: boolean })[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => {
    const channel = channels[random.integer(channels.length)]!;
    const euros = Math.round(Math.exp(3.5 + random.normal()) * 100) / 100;
    const days = random.integer(15);
    const odds = -3 + (days > 6 ? 3.5 : 0) + (euros > 60 ? 1.5 : 0) + (channel === "app" ? 0.5 : 0);
    return { channel, euros, days, returned: random.next() < 1 / (1 + Math.exp(-odds)) };
  });
}

type Rows = readonly Readonly<Record<string, string | number | boolean>>[];

/** Fits trees to rows and packs them as a version of `returns`. */
export async function packVersion(folder: string, version: number, rows: Rows): Promise<void> {
  const names = Object.keys(rows[0]!);
  const batch = batchOf(Object.fromEntries(names.map((name) => [name, rows.map((row) => row[name]!)])));
  const train = datasetOf([batch]);
  const fitted = await fitGbdt(train, { label: "returned", task: "binary", trees: 60, maxLeaves: 8 });
  await packFitted(join(folder, "returns", String(version)), fitted, { name: "returns", train });
}
