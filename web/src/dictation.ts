// Dictated words into the report: at the cursor of the field that had it, else into the reader's own
// words. They are typed as by a hand, so that the field is Edited and kept like any other.

import { loadReport, report, NAMES } from './report.ts';
import { say } from './station.ts';

interface Dictated {
  field: string;
  before: string;
  after: string;
}

const done: Dictated[] = [];
const MOST_KEPT = 100;
const DRAWN_MS = 3000;
const OWN = 'own';

/** Return the words as they continue what stands before them. */
export function continued(before: string, text: string): string {
  const words = text.trimStart() === text ? text : text.replace(/^ +/, '');
  const isFirst = /(^|[.!?:]\s*|\n\s*)$/.test(before);
  const first = words.search(/\p{L}/u);
  const written = isFirst && first === 0 ? words[0]!.toUpperCase() + words.slice(1) : words;
  const joins = before === '' || /\s$/.test(before) || /^[\s.,;:!?)]/.test(written);
  return joins ? written : ` ${written}`;
}

/** Put words where the cursor is, or at the end of a section's own words; return where they went. */
export async function dictate(
  text: string,
  into: HTMLTextAreaElement | null,
  section: string | null = null,
): Promise<boolean> {
  const field = into?.isConnected && !section ? into : await ownWords(section ?? 'impression');
  if (!field) return false;
  const before = field.value;
  const isWhereItWas = field === into;
  const start = isWhereItWas ? field.selectionStart : before.length;
  const end = isWhereItWas ? field.selectionEnd : before.length;
  const words = continued(before.slice(0, start), text);
  field.setRangeText(words, start, end, 'end');
  changed(field);
  remember({ field: idOf(field), before, after: field.value });
  say(`Dictated into ${nameOf(field)}.`);
  return true;
}

/** Take the last dictated words back, unless the field was typed in since. */
export function undoDictation(): boolean {
  const last = done.at(-1);
  const field = last && find(last.field);
  if (!last || !field || field.value !== last.after) return false;
  done.pop();
  field.value = last.before;
  changed(field);
  say(`Undone: the words dictated into ${nameOf(field)}.`);
  return true;
}

/** Words of one patient are not taken back in the report of another. */
export function forgetDictation(): void {
  done.length = 0;
}

function remember(each: Dictated): void {
  done.push(each);
  if (done.length > MOST_KEPT) done.shift();
}

function changed(field: HTMLTextAreaElement): void {
  field.dispatchEvent(new Event('input', { bubbles: true }));
}

const idOf = (field: HTMLTextAreaElement): string =>
  field.closest<HTMLElement>('[data-field]')?.dataset['field'] ?? '';

const nameOf = (field: HTMLTextAreaElement): string => field.ariaLabel ?? 'the field';

const find = (id: string): HTMLTextAreaElement | null =>
  document.querySelector<HTMLTextAreaElement>(`[data-field="${CSS.escape(id)}"] textarea`);

/** Return the field of a reader's own words in a section, once it is on the screen. */
async function ownWords(section: string): Promise<HTMLTextAreaElement | null> {
  if (!report.value) await loadReport();
  const until = performance.now() + DRAWN_MS;
  while (performance.now() < until) {
    const field = find(`${section}/${OWN}`);
    if (field) return field;
    await new Promise((after) => setTimeout(after, 30));
  }
  say(
    `The report has no field for ${NAMES[section] ?? section}: put the cursor where it goes.`,
    true,
  );
  return null;
}
