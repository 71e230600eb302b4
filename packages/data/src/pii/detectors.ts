import { hasLuhnDigit, remainderBy97 } from "./check-digits.ts";
import type { Detector, PiiKind } from "./detector.ts";
import { nationalIdDetectors } from "./national-ids.ts";

const digitsOf = (text: string): string => text.replace(/\D/g, "");

const email: Detector = {
  kind: "email",
  pattern: /(?<![\w.%+-])[\w%+-][\w.%+-]{0,63}@(?:[A-Z0-9](?:[A-Z0-9-]{0,61}[A-Z0-9])?\.){1,8}[A-Z]{2,24}(?![\w-])/gi,
};

/** The issuers' number ranges: Visa, Mastercard, American Express, Discover, Diners Club, JCB, UnionPay, Maestro. */
const issuers =
  /^(?:4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|6(?:011|4[4-9]|5)|3(?:0[0-5]|[689])|35(?:2[89]|[3-8])|62|50|5[6-8]|6[37])/;

/** Payment cards (ISO/IEC 7812): written in one, in fours, or as American Express does. */
const card: Detector = {
  kind: "card",
  pattern: /(?<![\w+-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}|3\d{3}([ -])\d{6}\2\d{5}|\d{13,19})(?![\w-])/g,
  accept(match) {
    const digits = digitsOf(match);
    return issuers.test(digits) && hasLuhnDigit(digits);
  },
};

/** Characters of an IBAN by country: ISO 13616 registry. */
const ibanLengths: Readonly<Record<string, number>> = Object.fromEntries(
  (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 " +
    "GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 " +
    "MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
  )
    .split(" ")
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

/** One country's IBANs: of its length, in one or in groups of four. */
const ibanPattern = new RegExp(
  `(?<![A-Z0-9])(?:${Object.entries(ibanLengths)
    .map(([country, length]) => {
      const [groups, rest] = [Math.floor((length - 4) / 4), (length - 4) % 4];
      return `${country}\\d{2}(?: ?[A-Z0-9]{4}){${groups}}${rest === 0 ? "" : ` ?[A-Z0-9]{${rest}}`}`;
    })
    .join("|")})(?![A-Z0-9])`,
  "gi",
);

/** ISO 13616: letters count 10 to 35, the first four characters go last, and the remainder by 97 is 1. */
const iban: Detector = {
  kind: "iban",
  pattern: ibanPattern,
  accept(match) {
    const text = match.replaceAll(" ", "").toUpperCase();
    const digits = Array.from(text.slice(4) + text.slice(0, 4), (character) => Number.parseInt(character, 36)).join("");
    return remainderBy97(digits) === 1;
  },
};

const octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";

const ipv4: Detector = {
  kind: "ipv4",
  pattern: new RegExp(`(?<![\\w.-])${octet}(?:\\.${octet}){3}(?!\\.?\\d)(?![\\w-])`, "g"),
};

/** RFC 4291, section 2.2: eight groups, or fewer around one `::`. What holds no digit is more likely a word. */
const ipv6: Detector = {
  kind: "ipv6",
  pattern: /(?<![\w:.])(?=[0-9a-f:]*\d)(?=[0-9a-f]*:[0-9a-f]*:)[0-9a-f:]{3,39}(?![\w:])/gi,
  accept(match) {
    const sides = match.split("::");
    if (sides.length > 2) return false;
    const groups = sides.flatMap((side) => (side === "" ? [] : side.split(":")));
    if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
    return sides.length === 2 ? groups.length >= 1 && groups.length <= 7 : groups.length === 8;
  },
};

/** E.164 with its plus sign; North American numbers in their three groups; national numbers that start with 0, in groups. No group of a longer number is one. */
const phone: Detector = {
  kind: "phone",
  pattern:
    /(?<![\w+.-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,5}(?:[ .-]?\d{2,5}){1,4}|(?<!\d )(?:(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])[2-9]\d{2}[-. ]\d{4}|\(?0\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,4})(?! \d))(?![\w-])/g,
  accept(match) {
    const digits = digitsOf(match).length;
    return digits >= 8 && digits <= 15;
  },
};

/** The sharpest first: what one has found, the next ones do not see. */
const detectors: readonly Detector[] = [
  email,
  iban,
  ...nationalIdDetectors.slice(0, 4),
  card,
  ipv6,
  ipv4,
  ...nationalIdDetectors.slice(4),
  phone,
];

/** Every kind, in the order in which they are looked for. */
export const piiKinds: readonly PiiKind[] = detectors.map(({ kind }) => kind);

/** @returns the kinds that stand in a text, each once. */
export function kindsIn(text: string, wanted: ReadonlySet<PiiKind>): ReadonlySet<PiiKind> {
  const found = new Set<PiiKind>();
  if (!/[\d@]/.test(text)) return found;
  let rest = text;
  for (const { kind, pattern, accept } of detectors) {
    // Also kinds that are not wanted take what is theirs.
    rest = rest.replace(pattern, (match) => {
      if (accept?.(match) === false) return match;
      if (wanted.has(kind)) found.add(kind);
      return "_".repeat(match.length);
    });
  }
  return found;
}
