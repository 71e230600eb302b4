// Random numbers of the benchmark itself: shifts, rotations and noise. They depend on their seed alone; peers/check_functions.py makes the same ones.

/** mulberry32: uniform in [0, 1), 32 bits. */
export function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Standard normal numbers, two uniforms each. */
export function normals(seed) {
  const uniform = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** FNV-1a over the text, 32 bits: one seed from several things. */
export function seedOf(...parts) {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(parts.join("/"))) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** One standard normal number that belongs to the parts. */
export const normalOf = (...parts) => normals(seedOf(...parts))();

/** A random rotation: Gram and Schmidt on rows of normal numbers. */
export function rotation(dimensions, seed) {
  const normal = normals(seed);
  const rows = [];
  while (rows.length < dimensions) {
    const row = Array.from({ length: dimensions }, () => normal());
    for (const other of rows) {
      const along = row.reduce((sum, value, index) => sum + value * other[index], 0);
      for (let index = 0; index < dimensions; index += 1) row[index] -= along * other[index];
    }
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    rows.push(row.map((value) => value / length));
  }
  return rows;
}
