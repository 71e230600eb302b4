import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "@millwright/contracts";

/** Points of two half circles that reach into each other, with noise: x, y, and 1 for those of the lower one. */
function moons(rows: number, seed: number): readonly (readonly [number, number, number])[] {
  const random = createRandom(seed);
  return Array.from({ length: rows }, (_, row) => {
    const angle = random.next() * Math.PI;
    const noise = (): number => random.normal() * 0.1;
    return row % 2 === 0
      ? [Math.cos(angle) + noise(), Math.sin(angle) + noise(), 0]
      : [1 - Math.cos(angle) + noise(), 0.5 - Math.sin(angle) + noise(), 1];
  });
}

/** Writes the channels of the training job. @returns their folders. */
export async function writeMoons(folder: string): Promise<{ readonly train: string; readonly validation: string }> {
  const channels = { train: join(folder, "train"), validation: join(folder, "validation") };
  for (const [seed, [channel, rows]] of [
    ["train", 2_000],
    ["validation", 500],
  ].entries() as Iterable<[number, ["train" | "validation", number]]>) {
    await mkdir(channels[channel], { recursive: true });
    const lines = moons(rows, seed + 1).map((row) => row.map((value) => value.toFixed(6)).join(","));
    await writeFile(join(channels[channel], "part-0.csv"), `${lines.join("\n")}\n`);
  }
  return channels;
}
