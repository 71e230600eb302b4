import type { RandomBytes } from "../random-bytes.ts";
import { type ByteCursor, createByteCursor } from "./byte-cursor.ts";

/** What a pickle would do to who reads it; none of it was done. */
export interface PickleReport {
  /** What it imports, as `posix.system`; `?` where a name is put together while it is read. Each once. */
  readonly imports: readonly string[];
  /** Whether it calls something that it imported. */
  readonly calls: boolean;
  /** Where the last whole pickle ends. */
  readonly endByte: number;
}

/** What stands on the machine's stack: a text, the mark, or anything else. */
type Item = string | typeof mark | undefined;

const mark: unique symbol = Symbol("mark");

interface Machine {
  readonly stack: Item[];
  readonly memo: Map<number, Item>;
  readonly imports: Set<string>;
  calls: boolean;
}

/** Bytes that are no pickle. */
class NoPickle extends Error {}

/** Thrown for nearly every file there is: without the cost of a stack of its own. */
const noPickle = new NoPickle();

const mostOpcodes = 2_000_000;
const mostLine = 1 << 16;
const identifier = /^[A-Za-z_][\w.]*$/;

/**
 * Walks the opcodes of a pickle, protocols 0 to 5 (https://github.com/python/cpython/blob/main/Lib/pickletools.py), over a stack that holds texts alone: nothing is imported, called or built.
 * One that goes on for millions of opcodes, or breaks after a call, is reported too, for Python calls before it gets there. Pickles that follow each other, as older releases of PyTorch write them, are walked all.
 * @returns `undefined` for what is no pickle.
 */
export async function walkPickle(bytes: RandomBytes): Promise<PickleReport | undefined> {
  const cursor = createByteCursor(bytes);
  const imports = new Set<string>();
  let calls = false;
  let endByte = 0;
  let steps = 0;
  let claims = false;
  for (;;) {
    const machine: Machine = { stack: [], memo: new Map(), imports: new Set(), calls: false };
    const start = cursor.position;
    const { opcodes, ended, protocol } = await walkOne(cursor, machine, mostOpcodes - steps);
    steps += opcodes;
    // Nothing else reads as so many: what it would do may come later still.
    claims ||= steps >= mostOpcodes;
    const isOne = ended
      ? isPickle(opcodes, protocol, machine, cursor.position - start, bytes.sizeBytes - start)
      : false;
    claims ||= isOne || machine.calls || (protocol && machine.imports.size > 0);
    if (isOne || machine.calls || protocol) for (const each of machine.imports) imports.add(each);
    calls ||= machine.calls;
    if (!isOne) break;
    endByte = cursor.position;
  }
  return claims ? { imports: [...imports], calls, endByte } : undefined;
}

/** Numbers may, by chance, read as a pickle of a byte or two: it has to say its protocol, import something, or take up all there is. */
const isPickle = (
  opcodes: number,
  protocol: boolean,
  { imports }: Machine,
  length: number,
  available: number,
): boolean => (protocol && opcodes > 2) || imports.size > 0 || (length === available && opcodes > 3);

async function walkOne(
  cursor: ByteCursor,
  machine: Machine,
  most: number,
): Promise<{ readonly opcodes: number; readonly ended: boolean; readonly protocol: boolean }> {
  let opcodes = 0;
  let protocol = false;
  try {
    while (opcodes < most) {
      const opcode = await cursor.byte();
      if (opcode === undefined) break;
      if (opcode === 0x80) protocol = (await number(cursor, 1)) <= 5 && (protocol || opcodes === 0);
      else if (opcode === 0x2e) return { opcodes: opcodes + 1, ended: machine.stack.length > 0, protocol };
      else await step(String.fromCharCode(opcode), cursor, machine);
      opcodes += 1;
    }
  } catch (error) {
    if (!(error instanceof NoPickle)) throw error;
  }
  return { opcodes, ended: false, protocol };
}

/** Opcodes with bytes behind them that are pushed as a value: how many bytes, or how many say how many. */
const fixed: Readonly<Record<string, number>> = { J: 4, K: 1, M: 2, G: 8, "\x82": 1, "\x83": 2, "\x84": 4 };
const counted: Readonly<Record<string, number>> = {
  T: 4,
  U: 1,
  X: 4,
  B: 4,
  C: 1,
  "\x8a": 1,
  "\x8b": 4,
  "\x8c": 1,
  "\x8d": 8,
  "\x8e": 8,
  "\x96": 8,
};
const texts = "TUX\x8c\x8d";
/** Opcodes with a line behind them that is pushed, and what it may hold. */
const lines: Readonly<Record<string, RegExp>> = {
  F: /^\s*[+-]?(?:[0-9.]+(?:e[+-]?[0-9]+)?|inf|nan)\s*$/i,
  I: /^\s*[+-]?[0-9]+\s*$/,
  L: /^\s*[+-]?[0-9]+L?\s*$/,
  S: /^\s*(?:'.*'|".*")\s*$/,
  V: /^/,
  P: /^/,
};
/** How many values an opcode takes, and whether it leaves one: of those without bytes behind them. */
const plain: Readonly<Record<string, readonly [takes: number, gives: 0 | 1]>> = {
  N: [0, 1],
  "]": [0, 1],
  "}": [0, 1],
  ")": [0, 1],
  "\x88": [0, 1],
  "\x89": [0, 1],
  "\x8f": [0, 1],
  "\x97": [0, 1],
  "0": [1, 0],
  Q: [1, 1],
  "\x98": [1, 1],
  "\x85": [1, 1],
  "\x86": [2, 1],
  "\x87": [3, 1],
  a: [1, 0],
  s: [2, 0],
  b: [1, 0],
  R: [2, 1],
  "\x81": [2, 1],
  "\x92": [3, 1],
};
/** Those that call what lies below what they take. */
const calling = "R\x81\x92b";
/** Those that take everything down to the mark, and whether they leave a value. */
const toMark: Readonly<Record<string, 0 | 1>> = { "1": 0, e: 0, u: 0, "\x90": 0, l: 1, d: 1, t: 1, "\x91": 1, o: 1 };

async function step(opcode: string, cursor: ByteCursor, machine: Machine): Promise<void> {
  const { stack } = machine;
  if (fixed[opcode] !== undefined) {
    await number(cursor, fixed[opcode]);
    stack.push(undefined);
  } else if (counted[opcode] !== undefined) stack.push(await countedValue(opcode, cursor));
  else if (lines[opcode] !== undefined) {
    const text = await line(cursor);
    if (!lines[opcode].test(text)) throw noPickle;
    stack.push(opcode === "V" ? text : opcode === "S" ? text.trim().slice(1, -1) : undefined);
  } else if (plain[opcode] !== undefined) {
    const [takes, gives] = plain[opcode];
    for (let taken = 0; taken < takes; taken += 1) pop(stack);
    // BUILD leaves below what it fills in; appending wants something to append to.
    if ("asb".includes(opcode) && stack.length === 0) throw noPickle;
    if (calling.includes(opcode) && machine.imports.size > 0) machine.calls = true;
    if (gives === 1) stack.push(undefined);
  } else if (toMark[opcode] !== undefined) {
    popToMark(stack);
    if (opcode === "o" && machine.imports.size > 0) machine.calls = true;
    if (toMark[opcode] === 1) stack.push(undefined);
  } else await special(opcode, cursor, machine);
}

async function special(opcode: string, cursor: ByteCursor, machine: Machine): Promise<void> {
  const { stack, memo } = machine;
  switch (opcode) {
    case "(":
      stack.push(mark);
      return;
    case "2":
      stack.push(top(stack));
      return;
    case "\x95":
      await number(cursor, 8);
      return;
    case "c":
    case "i":
      await importLines(opcode, cursor, machine);
      return;
    case "\x93": {
      const name = pop(stack);
      noteImport(machine, pop(stack), name);
      stack.push(undefined);
      return;
    }
    case "\x94":
      memo.set(memo.size, top(stack));
      return;
    case "p":
    case "q":
    case "r":
      memo.set(await memoKey(opcode === "p", opcode === "q" ? 1 : 4, cursor), top(stack));
      return;
    case "g":
    case "h":
    case "j": {
      const key = await memoKey(opcode === "g", opcode === "h" ? 1 : 4, cursor);
      if (!memo.has(key)) throw noPickle;
      stack.push(memo.get(key));
      return;
    }
    default:
      throw noPickle;
  }
}

async function importLines(opcode: "c" | "i", cursor: ByteCursor, machine: Machine): Promise<void> {
  const module = await line(cursor);
  const name = await line(cursor);
  if (!identifier.test(module) || !identifier.test(name)) throw noPickle;
  if (opcode === "i") popToMark(machine.stack);
  noteImport(machine, module, name);
  machine.calls ||= opcode === "i";
  machine.stack.push(undefined);
}

function noteImport({ imports }: Machine, module: Item, name: Item): void {
  const text = (item: Item): string => (typeof item === "string" ? item : "?");
  if (imports.size < 1000) imports.add(`${text(module)}.${text(name)}`);
}

async function countedValue(opcode: string, cursor: ByteCursor): Promise<string | undefined> {
  const length = await number(cursor, counted[opcode] ?? 1);
  // Names of modules are short; what is longer is data.
  if (texts.includes(opcode) && length <= 1024) {
    const bytes = await cursor.take(length);
    if (bytes === undefined) throw noPickle;
    return new TextDecoder().decode(bytes);
  }
  if (!cursor.skip(length)) throw noPickle;
  return undefined;
}

async function memoKey(isLine: boolean, length: number, cursor: ByteCursor): Promise<number> {
  if (!isLine) return number(cursor, length);
  const text = await line(cursor);
  if (!/^[0-9]{1,15}$/.test(text)) throw noPickle;
  return Number(text);
}

/** Little-endian. */
async function number(cursor: ByteCursor, length: number): Promise<number> {
  const bytes = await cursor.take(length);
  if (bytes === undefined) throw noPickle;
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}

async function line(cursor: ByteCursor): Promise<string> {
  const text = await cursor.line(mostLine);
  if (text === undefined) throw noPickle;
  return text;
}

function top(stack: readonly Item[]): Item {
  const item = stack.at(-1);
  if (stack.length === 0 || item === mark) throw noPickle;
  return item;
}

function pop(stack: Item[]): Item {
  if (stack.length === 0 || stack.at(-1) === mark) throw noPickle;
  return stack.pop();
}

function popToMark(stack: Item[]): void {
  const at = stack.lastIndexOf(mark);
  if (at === -1) throw noPickle;
  stack.length = at;
}
