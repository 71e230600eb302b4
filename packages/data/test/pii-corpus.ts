import { createRandom, type Random } from "@millwright/contracts";
import type { PiiKind } from "../src/index.ts";

/** A text, and the kind that stands in it. */
export interface Sample {
  readonly text: string;
  readonly kind: PiiKind | undefined;
  /** What must never show in a report. */
  readonly secret: string;
}

type Make = (random: Random) => string;

const pick = <Item>(random: Random, items: readonly Item[]): Item => items[random.integer(items.length)] as Item;
const digits = (random: Random, length: number): string => Array.from({ length }, () => random.integer(10)).join("");
const two = (value: number): string => String(value).padStart(2, "0");
const letters = (random: Random, length: number, from = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"): string =>
  Array.from({ length }, () => pick(random, Array.from(from))).join("");

/** Written apart from the detectors: the digit that makes Luhn's sum a multiple of ten, by trying. */
function withLuhn(prefix: string, shift = 0): string {
  for (let digit = 0; digit < 10; digit += 1) {
    const all = `${prefix}${digit}`;
    const sum = Array.from(all)
      .reverse()
      .reduce((total, each, index) => {
        const value = Number(each) * (index % 2 === 0 ? 1 : 2);
        return total + Math.floor(value / 10) + (value % 10);
      }, 0);
    if (sum % 10 === 0) return `${prefix}${(digit + shift) % 10}`;
  }
  throw new Error("No digit fits.");
}

/** ISO 13616 by big integers. */
function withIbanDigits(country: string, bban: string, shift = 0): string {
  const number = Array.from(`${bban}${country}00`, (character) => String(Number.parseInt(character, 36))).join("");
  return `${country}${two(((98 - Number(BigInt(number) % 97n) + shift - 2) % 97) + 2)}${bban}`;
}

const inFours = (text: string): string => text.match(/.{1,4}/g)!.join(" ");
const names = ["maria", "j.smith", "li-wei", "o'neil", "anna_k", "r2d2", "first.last+tag"];
const domains = ["example.com", "mail.example.co.uk", "uni-heidelberg.de", "a1.io"];

const iban: Make = (random) => {
  const [country, bban] = pick(random, [
    ["DE", digits(random, 18)],
    ["GB", `${letters(random, 4)}${digits(random, 14)}`],
    ["FR", `${digits(random, 10)}${letters(random, 3)}${digits(random, 10)}`],
    ["NO", digits(random, 11)],
    ["CH", digits(random, 17)],
  ] as const);
  const text = withIbanDigits(country, bban);
  return random.next() < 0.5 ? text : inFours(text);
};

const card: Make = (random) => {
  const [prefix, length] = pick(random, [
    ["4", 16],
    ["51", 16],
    ["2221", 16],
    ["37", 15],
    ["6011", 16],
    ["36", 14],
  ] as const);
  const text = withLuhn(prefix + digits(random, length - prefix.length - 1));
  if (length === 15) return random.next() < 0.5 ? text : `${text.slice(0, 4)} ${text.slice(4, 10)} ${text.slice(10)}`;
  return length === 16 && random.next() < 0.6 ? inFours(text).replaceAll(" ", pick(random, [" ", "-"])) : text;
};

const phone: Make = (random) =>
  pick<Make>(random, [
    () => `+49 ${digits(random, 0)}89 ${2 + random.integer(7)}${digits(random, 6)}`,
    () => `+1 212-555-${digits(random, 4)}`,
    () => `(${2 + random.integer(8)}12) 555-${digits(random, 4)}`,
    () => `415-${2 + random.integer(8)}55-${digits(random, 4)}`,
    () => `+44 (0)20 7946 ${digits(random, 4)}`,
    () => `07700 900${digits(random, 3)}`,
    () => `+8613${digits(random, 9)}`,
    () => `212.555.${digits(random, 4)}`,
  ])(random);

const ssn: Make = (random) =>
  `${two(1 + random.integer(65))}${1 + random.integer(9)}-${two(1 + random.integer(99))}-${String(1 + random.integer(9999)).padStart(4, "0")}`;

const nino: Make = (random) => {
  const text = `${pick(random, ["AB", "CE", "JK", "SW", "ZY"])}${digits(random, 6)}${pick(random, ["A", "B", "C", "D"])}`;
  return random.next() < 0.5 ? text : text.replace(/(..)(..)(..)(..)(.)/, "$1 $2 $3 $4 $5");
};

const dni: Make = (random) => {
  const number = random.integer(90_000_000) + 10_000_000;
  return `${number}${pick(random, ["", "-"])}${"TRWAGMYFPDXBNJZSQVHLCKE".charAt(number % 23)}`;
};

const nir: Make = (random) => {
  const body = `${1 + random.integer(2)}${digits(random, 2)}${two(1 + random.integer(12))}${two(1 + random.integer(95))}${digits(random, 6)}`;
  const key = two(97 - Number(BigInt(body) % 97n));
  return random.next() < 0.5 ? body + key : `${body.replace(/(.)(..)(..)(..)(...)(...)/, "$1 $2 $3 $4 $5 $6")} ${key}`;
};

/** The letter whose value at an odd place is its index here; a digit counts as the letter of its index. */
const oddOrder = "BAKPLCQDREVOSFTGUHMINJWZYX";

const codiceFiscale: Make = (random) => {
  const day = random.integer(31) + 1 + (random.next() < 0.5 ? 40 : 0);
  const body = `${letters(random, 6)}${digits(random, 2)}${letters(random, 1, "ABCDEHLMPRST")}${two(day)}${letters(random, 1)}${digits(random, 3)}`;
  const sum = Array.from(body).reduce((total, character, index) => {
    const letter = /\d/.test(character) ? "ABCDEFGHIJ".charAt(Number(character)) : character;
    return total + (index % 2 === 0 ? oddOrder.indexOf(letter) : letter.charCodeAt(0) - 65);
  }, 0);
  const text = `${body}${String.fromCharCode(65 + (sum % 26))}`;
  return random.next() < 0.8 ? text : text.toLowerCase();
};

const pesel: Make = (random) => {
  const body = `${digits(random, 2)}${two(pick(random, [0, 20]) + 1 + random.integer(12))}${two(1 + random.integer(28))}${digits(random, 4)}`;
  const sum = Array.from(body).reduce(
    (total, digit, index) => total + Number(digit) * ([1, 3, 7, 9][index % 4] as number),
    0,
  );
  return `${body}${(1000 - sum) % 10}`;
};

const sin: Make = (random) => {
  const text = withLuhn(`${1 + random.integer(7)}${digits(random, 7)}`);
  return text.replace(/(...)(...)(...)/, `$1${pick(random, [" ", "-"])}$2-$3`).replace(/ (...)-/, " $1 ");
};

const hex = (random: Random): string => (1 + random.integer(0xfffe)).toString(16);
const ipv6: Make = (random) =>
  pick<Make>(random, [
    () => Array.from({ length: 8 }, () => `${1 + random.integer(9)}${hex(random).slice(0, 3)}`).join(":"),
    () => `2001:db8::${hex(random)}`,
    () => `fe80::${hex(random)}:${hex(random)}`,
    () => `2001:DB8:0:1::${hex(random).toUpperCase()}`,
  ])(random);

export const positives: Readonly<Record<PiiKind, Make>> = {
  email: (random) =>
    `${pick(
      random,
      names.filter((name) => !name.includes("'")),
    )}${random.integer(100)}@${pick(random, domains)}`,
  phone,
  card,
  iban,
  ipv4: (random) => Array.from({ length: 4 }, () => 1 + random.integer(255)).join("."),
  ipv6,
  usSsn: ssn,
  ukNino: nino,
  caSin: sin,
  esDni: dni,
  frNir: nir,
  itCodiceFiscale: codiceFiscale,
  plPesel: pesel,
};

/** What looks like one and is none. */
const decoys: readonly Make[] = [
  (random) => withLuhn(`4${digits(random, 14)}`, 1 + random.integer(9)),
  (random) => inFours(withLuhn(`51${digits(random, 13)}`, 1 + random.integer(9))),
  (random) => withIbanDigits("DE", digits(random, 18), 1 + random.integer(90)),
  (random) => `2024-${two(1 + random.integer(12))}-${two(1 + random.integer(28))} 12:34:${two(random.integer(60))}`,
  (random) => `order ${digits(random, 8)}`,
  (random) => `${digits(random, 3)}.${two(random.integer(100))} EUR`,
  (random) => `9${digits(random, 2)}-${two(1 + random.integer(99))}-${digits(random, 4)}`,
  (random) => `000-12-${digits(random, 4)}`,
  (random) => `BG${digits(random, 6)}A`,
  (random) => `${random.integer(200)}.${300 + random.integer(600)}.1.2`,
  (random) => `10.${random.integer(9)}.${random.integer(9)}`,
  (random) => `00:1A:2B:${two(random.integer(90))}:4D:5E`,
  () => "std::vector<int>",
  (random) => `N${digits(random, 5)}`,
  (random) => `user at example dot com ${random.integer(50)}`,
  (random) => `@handle${random.integer(50)}`,
  (random) => `${letters(random, 3)}-${digits(random, 4)}`,
  (random) => `${random.integer(1000)} passengers, gate B${random.integer(40)}`,
  (random) => `sha ${Array.from({ length: 40 }, () => random.integer(16).toString(16)).join("")}`,
  (random) =>
    `${digits(random, 8)}-${digits(random, 4)}-4${digits(random, 3)}-8${digits(random, 3)}-${digits(random, 12)}`,
  (random) => `RSSMRA85T10A562${letters(random, 1, "ABCDEFGHIJKLMNOPQR")}`,
  (random) => `12345678${letters(random, 1, "ABCDEFGH")}`,
  () => "",
  () => "departure delayed, weather",
];

const around: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => `call or write: ${text}.`,
  (text) => `"${text}", as noted on 2024-03-01`,
  (text) => `(${text})`,
  (text) => `ref 12; ${text}; end`,
];

/** Seeded: `each` samples of every kind and ten times as many decoys as there are of one, shuffled. */
export function corpus(seed: number, each: number): readonly Sample[] {
  const random = createRandom(seed);
  const samples: Sample[] = [];
  for (const [kind, make] of Object.entries(positives) as [PiiKind, Make][]) {
    for (let index = 0; index < each; index += 1) {
      const secret = make(random);
      samples.push({ text: pick(random, around)(secret), kind, secret });
    }
  }
  for (let index = 0; index < each * 10; index += 1) {
    const secret = pick(random, decoys)(random);
    samples.push({ text: pick(random, around)(secret), kind: undefined, secret });
  }
  return samples
    .map((sample) => ({ sample, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ sample }) => sample);
}
