// Which of a question's choices an answer means: "the second", "left", "yes". Where it is not clear,
// none: the question stays.

const ORDINALS: Record<string, number> = {
  first: 1,
  one: 1,
  '1': 1,
  '1st': 1,
  second: 2,
  two: 2,
  '2': 2,
  '2nd': 2,
  third: 3,
  three: 3,
  '3': 3,
  '3rd': 3,
  fourth: 4,
  four: 4,
  '4': 4,
  '4th': 4,
};
const AROUND: ReadonlySet<string> = new Set([
  'the',
  'a',
  'it',
  'is',
  'one',
  'number',
  'please',
  'choice',
  'answer',
  'side',
  'i',
  'mean',
  'that',
  'took',
  'take',
]);
const YES: ReadonlySet<string> = new Set([
  'yes',
  'yeah',
  'yep',
  'correct',
  'ok',
  'okay',
  'confirm',
]);
const NO: ReadonlySet<string> = new Set([
  'no',
  'nope',
  'cancel',
  'neither',
  'none',
  'leave it',
  'never mind',
  'not now',
]);

export type Answer = number | 'none' | null;

const plain = (text: string): string[] =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9 ]+/g, ' ')
    .split(/\s+/)
    .filter(Boolean);

/** Return the choice that is meant, "none" where all are declined, null where it is not clear. */
export function answered(said: string, choices: readonly string[]): Answer {
  const words = plain(said);
  const whole = words.join(' ');
  if (!whole) return null;
  const exact = choices.findIndex((each) => plain(each).join(' ') === whole);
  if (exact >= 0) return exact;
  if (NO.has(whole)) return 'none';
  const fitting = byWords(words, choices);
  if (fitting !== null) return fitting;
  const number = ordinal(words);
  if (number !== null) return byNumber(number, words, choices);
  const isYes =
    YES.has(whole) || (YES.has(words[0]!) && words.slice(1).every((w) => AROUND.has(w)));
  const kept = choices.filter((each) => !NO.has(plain(each).join(' ')));
  return isYes && kept.length === 1 ? choices.indexOf(kept[0]!) : null;
}

/** Return the only choice that has every word of the answer. */
function byWords(words: string[], choices: readonly string[]): number | null {
  const telling = words.filter((each) => !AROUND.has(each));
  if (!telling.length) return null;
  const holding = choices.flatMap((choice, n) => {
    const has = new Set(plain(choice));
    return telling.every((each) => has.has(each)) ? [n] : [];
  });
  return holding.length === 1 ? holding[0]! : null;
}

/** Return the choice of a number: the one that names it, else the one in that place. */
function byNumber(number: number, words: string[], choices: readonly string[]): number | null {
  const named = choices.map((each) => plain(each)).map((has) => has.includes(String(number)));
  const place = number - 1;
  if (choices.some((each) => /\d/.test(each))) {
    // "the first" of "finding 3" and "finding 1" may be either
    const isPlace = words.some((each) => /(st|nd|rd|th)$/.test(each) || each === 'second');
    const at = named.indexOf(true);
    if (!isPlace || at === place) return at < 0 ? null : at;
    return at < 0 && place < choices.length ? place : null;
  }
  return place < choices.length ? place : null;
}

function ordinal(words: string[]): number | null {
  const numbers = words.filter((each) => each in ORDINALS && each !== 'one');
  const telling = words.filter((each) => !AROUND.has(each));
  if (numbers.length === 1 && telling.length === 1) return ORDINALS[numbers[0]!]!;
  const isOne = numbers.length === 0 && telling.length === 0 && words.includes('one');
  return isOne && !words.includes('that') ? 1 : null;
}
