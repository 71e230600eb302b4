import type { CapturedTensors } from "@millwright/contracts";
import { TensorBlock } from "./tensor-block.ts";

/** Blocks that take requests, and those that may take others when they were counted. */
export interface OpenBlocks {
  /** Copies a prediction to others of its kind. @returns the block that was begun for it, if one was; false where it is of no block's kind. */
  add(prediction: CapturedTensors): TensorBlock | boolean;
  /** They take no more. */
  close(blocks: readonly TensorBlock[]): void;
  /** They were counted: their memory is used again. */
  reuse(blocks: readonly TensorBlock[]): void;
}

/** Most blocks that take requests at one time. */
const mostOpen = 16;
/** Most blocks that wait for requests of their kind to come again. */
const mostSpare = 4;

export function createOpenBlocks(): OpenBlocks {
  let open: TensorBlock[] = [];
  const spare: TensorBlock[] = [];
  const begin = (prediction: CapturedTensors): TensorBlock | undefined => {
    const at = spare.findLastIndex((block) => block.add(prediction));
    if (at >= 0) return spare.splice(at, 1)[0];
    const block = TensorBlock.of(prediction);
    return block?.add(prediction) === true ? block : undefined;
  };
  return {
    add(prediction) {
      // The newest takes most of them; others are full, or of another kind or second.
      for (let at = open.length - 1; at >= 0; at -= 1) if (open[at]?.add(prediction) === true) return true;
      const block = begin(prediction);
      if (block === undefined) return false;
      open.push(block);
      if (open.length > mostOpen) open.shift();
      return block;
    },
    close(blocks) {
      open = open.filter((block) => !blocks.includes(block));
    },
    reuse(blocks) {
      for (const block of blocks) if (block.clear()) spare.push(block);
      while (spare.length > mostSpare) spare.shift();
    },
  };
}
