import { createHash } from "node:crypto";

const adjectives =
  "able amber ample brave brisk broad calm clear clever cosy crisp deft dry early easy even fair fast fine firm fleet fond free fresh gentle glad grand green hale handy happy hardy keen kind late lean light likely lively loyal lucid merry mild neat nimble noble open patient plain proud quick quiet rare ready ripe round sharp sleek smart smooth snug sound spry steady still stout sturdy sunny sure swift tall tidy trim true upright vast vivid warm wise witty young zesty".split(
    " ",
  );
const nouns =
  "acorn alder anvil ash axle barn beam bee birch bolt brook cask cedar chaff cog cove crane crow dam dove drum elm falcon fern field finch flax flint flume forge fox gear grain grist hare hawk heron hinge hopper ivy keel kiln lark latch lathe ledge lever loom lynx maple mast meadow mill moth oak oat otter owl pine plane plum pulley quail race reed robin rook rye sail sedge shaft sieve sluice spindle spoke stone stork swan teal thorn trout vane vale weir wheat wheel willow wren yarrow yoke".split(
    " ",
  );

/** A name for a run that has none, such as `steady-wheel-318`; the same for the same id. */
export function nameForRun(id: string): string {
  const bytes = createHash("sha256").update(id).digest();
  const pick = (words: readonly string[], at: number): string => words[bytes.readUInt16LE(at) % words.length] as string;
  return `${pick(adjectives, 0)}-${pick(nouns, 2)}-${100 + (bytes.readUInt16LE(4) % 900)}`;
}
