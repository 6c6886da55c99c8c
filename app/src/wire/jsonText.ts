/** Checks of JSON text without parsing, in linear time. */

/** Character codes. */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const [SMALL_E, CAPITAL_E] = [0x65, 0x45];
const OPENING = ["[", "{"] as const;
const [OPENING_BRACKET, OPENING_BRACE] = [0x5b, 0x7b];
const [CLOSING_BRACKET, CLOSING_BRACE] = [0x5d, 0x7d];

/** A number without an exponent is safe with fewer digits before its point, and fewer characters in total. */
const LONG_WHOLE = 16;
const LONG_NUMBER = 300;

/** Number of significant digits that a double keeps, unless it is very small. */
const KEPT_DIGITS = 15;

/**
 * Whether arrays and objects are nested more than `maxDepth` deep. The time of `JSON.stringify` grows with the square of the
 * depth, and `JSON.parse` needs several times as long for nested values as for flat ones.
 * @param text JSON. For other text the result has no meaning.
 */
export function isTooDeep(text: string, maxDepth: number): boolean {
  // A value of this depth has as many opening and closing characters.
  if (text.length < 2 * (maxDepth + 1) || hasFewOpenings(text, maxDepth)) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) at = findStringEnd(text, at);
    else if (character === OPENING_BRACKET || character === OPENING_BRACE) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (character === CLOSING_BRACKET || character === CLOSING_BRACE) depth -= 1;
  }
  return false;
}

/** A fast check that most texts pass: `indexOf` is faster than a loop over the characters. */
function hasFewOpenings(text: string, few: number): boolean {
  let count = 0;
  for (const opening of OPENING) {
    for (let at = text.indexOf(opening); at >= 0; at = text.indexOf(opening, at + 1)) {
      count += 1;
      if (count > few) return false;
    }
  }
  return true;
}

/**
 * Whether ECMAScript changes a number of the text: it rounds integers beyond 2^53 - 1, and a number can become infinite or 0.
 * Fractions that are rounded to the nearest double are safe.
 * @param json valid JSON.
 */
export function hasUnsafeNumber(json: string): boolean {
  for (let at = 0; at < json.length; at++) {
    const character = json.charCodeAt(at);
    if (character === QUOTE) at = findStringEnd(json, at);
    else if (character === MINUS || isDigit(character)) {
      const start = at;
      at = findDigitsEnd(json, at + 1);
      let isSuspect = at - start >= LONG_WHOLE;
      if (json.charCodeAt(at) === DOT) at = findDigitsEnd(json, at + 1);
      if (isExponent(json.charCodeAt(at))) {
        isSuspect = true;
        // The next character is a sign or the first digit.
        at = findDigitsEnd(json, at + 2);
      }
      if ((isSuspect || at - start >= LONG_NUMBER) && !isSafe(json.slice(start, at))) return true;
      // No value starts with the character after a number.
    }
  }
  return false;
}

/** Returns the position of the quote that ends the string at `at`. */
function findStringEnd(text: string, at: number): number {
  for (let end = at + 1; end < text.length; end++) {
    const character = text.charCodeAt(end);
    if (character === QUOTE) return end;
    if (character === BACKSLASH) end += 1;
  }
  return text.length;
}

function isDigit(character: number): boolean {
  return character >= DIGIT_0 && character <= DIGIT_9;
}

function isExponent(character: number): boolean {
  return character === SMALL_E || character === CAPITAL_E;
}

function findDigitsEnd(json: string, at: number): number {
  let end = at;
  while (isDigit(json.charCodeAt(end))) end += 1;
  return end;
}

function isSafe(source: string): boolean {
  const value = Number(source);
  if (value !== 0 && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return true;
  if (!Number.isFinite(value)) return false;
  if (value !== 0 && source.length <= KEPT_DIGITS) return true;
  const { digits, exponent } = parseDecimal(source);
  if (value === 0) return digits === "";
  if (digits.length <= KEPT_DIGITS) return true;
  const own = parseDecimal(String(value));
  return digits === own.digits && exponent === own.exponent;
}

interface Decimal {
  /** Digits without leading and trailing zeros. */
  readonly digits: string;
  /** Power of ten of the last digit. */
  readonly exponent: number;
}

function parseDecimal(source: string): Decimal {
  const [mantissa = "", power = "0"] = source.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
  const all = whole + fraction;
  let end = all.length;
  // A regular expression for the trailing zeros would need quadratic time.
  while (all.charCodeAt(end - 1) === DIGIT_0) end -= 1;
  const digits = all.slice(0, end).replace(/^0+/, "");
  return { digits, exponent: Number(power) - fraction.length + all.length - end };
}
