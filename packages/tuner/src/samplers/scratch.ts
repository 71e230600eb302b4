/**
 * Arrays for the length of one suggestion: they are handed out again at the next, which spares their making. What they hold at first is not known.
 */
export interface Scratch {
  /** All that was handed out is free again. */
  begin(): void;
  floats(length: number): Float64Array;
}

export function createScratch(): Scratch {
  let buffer = new Float64Array(0);
  let used = 0;
  let wanted = 0;
  return {
    begin() {
      if (wanted > buffer.length) buffer = new Float64Array(wanted + (wanted >> 2));
      used = 0;
      wanted = 0;
    },
    floats(length) {
      wanted += length;
      if (used + length > buffer.length) return new Float64Array(length);
      used += length;
      return buffer.subarray(used - length, used);
    },
  };
}
