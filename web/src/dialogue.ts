// What was said, taken as what was typed: shown as it was understood, then done by the same path. A
// question is answered by its words, its number, or yes; what leaves waits for a word of its own.

import { signal } from '@preact/signals';

import { answered } from './answers.ts';
import type { CommandEntry } from './api.ts';
import { dictate } from './dictation.ts';
import { command, sendAccepted } from './orders.ts';
import { type Final, type Spoken, whenSaid } from './voice.ts';
import {
  type Asked,
  isHelpOpen,
  isSayingsOpen,
  isSendOpen,
  open,
  question,
  say,
  tab,
} from './station.ts';

export interface Understood {
  heard: string;
  parts: string[];
}

/** What was understood last, shown until something else is said. */
export const understood = signal<Understood | null>(null);

const CONFIRM = /^(yes )?confirm( it| sending| the sending)?$/;
const NOT_NOW = /^(no|not now|cancel|stop|close|never mind)$/;

const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9 ]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();

/** Return what a command asks for, in few words: what, of which thing, on which side. */
export function parts({ action, ...more }: CommandEntry): string[] {
  const words = Object.entries(more).flatMap(([name, value]) => {
    if (name === 'text' || name === 'choices' || value === false || value === null) return [];
    if (Array.isArray(value)) return value.length ? [value.join(', ')] : [];
    if (typeof value === 'number') return [`${name.replaceAll('_', ' ')} ${value}`];
    return value === true ? [name] : [String(value)];
  });
  const negated = action === 'resize' && more['larger'] === false ? ['smaller'] : [];
  return [action.replaceAll('_', ' '), ...words, ...negated];
}

whenSaid((final, spoken) => void take(final, spoken));

async function take(final: Final, spoken: Spoken): Promise<void> {
  understood.value = null;
  const series = open.value?.drawn.info.series_instance_uid ?? null;
  if (final.series_instance_uid !== series) {
    return say(
      'That was said about other images than these: nothing was done. Say it again.',
      true,
    );
  }
  if (!series) return say('Open a study first: commands are about its images.', true);
  if (final.mode === 'dictate') return dictated(final, spoken.into);
  if (isSendOpen.value) return onSheet(final, spoken);
  const asked = question.value;
  if (asked && answer(asked, final)) return;
  isHelpOpen.value = false;
  isSayingsOpen.value = false;
  if (final.command.action === 'question') return askBack(final);
  understood.value = { heard: final.text, parts: parts(final.command) };
  await command(final.text);
}

async function dictated(final: Final, into: HTMLTextAreaElement | null): Promise<void> {
  if (!into?.isConnected) tab.value = 'report';
  await dictate(final.command.text ?? final.text, into);
}

/** What was said while the sheet was shown, and begun before it, sends nothing. */
async function onSheet(final: Final, spoken: Spoken): Promise<void> {
  const words = plain(final.raw_text);
  if (NOT_NOW.test(words)) {
    isSendOpen.value = false;
    return say('Nothing was sent.');
  }
  const isAfter = spoken.since > sheetShownAt;
  if (CONFIRM.test(words) && isAfter) return sendAccepted();
  say(`I heard “${final.raw_text}”. Nothing leaves before you say “confirm” or press Enter.`);
}

let sheetShownAt = Infinity;
isSendOpen.subscribe((shown) => {
  sheetShownAt = shown ? performance.now() : Infinity;
  if (shown) understood.value = null; // the sheet says what is sent, and nothing else
});

/** Take what was said as the answer to a question; return whether it was one. */
function answer(asked: Asked, final: Final): boolean {
  const choices = asked.choices.map(({ says }) => says);
  const chosen = answered(final.raw_text, choices) ?? answered(final.text, choices);
  if (chosen === 'none') {
    question.value = null;
    say('Left as it is.');
    return true;
  }
  if (chosen !== null) {
    choose(asked, chosen);
    return true;
  }
  if (final.command.action !== 'question' || !choices.length) return false;
  say(`I heard “${final.raw_text}”: say one of the choices, or its number.`, true);
  question.value = asked;
  return true;
}

/** Do one of a question's choices, counted from 0. */
export function choose(asked: Asked, number: number): void {
  const choice = asked.choices[number];
  if (!choice) return;
  question.value = null;
  understood.value = { heard: choice.says, parts: [] };
  choice.act();
}

function askBack(final: Final): void {
  const { text, choices } = final.command;
  question.value = {
    says: [text ?? `I heard “${final.text}”.`],
    choices: (choices ?? []).map((says) => ({ says, act: () => void command(says) })),
  };
}
