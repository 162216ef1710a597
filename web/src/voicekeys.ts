// The keys of the voice: held while speaking. A pedal or the button of a dictation microphone is a
// key like any other, and each reader's browser keeps its own.

import { signal } from '@preact/signals';

import type { Mode } from './voice.ts';

const KEPT = 'radcopilot.voice-keys';
const USUAL: Record<Mode, string> = { command: 'F4', dictate: 'F6' };
/** Keys that a page cannot do without, or that type. */
const TAKEN = /^(Key[A-Z]|Digit\d|Escape|Enter|Tab|Space|Arrow\w+|Backspace|Slash)$/;

export const voiceKeys = signal<Record<Mode, string>>(kept());
/** Which of them waits for its new key to be pressed. */
export const choosing = signal<Mode | null>(null);

function kept(): Record<Mode, string> {
  try {
    const read = JSON.parse(localStorage.getItem(KEPT) ?? '{}') as Partial<Record<Mode, string>>;
    return { ...USUAL, ...read };
  } catch {
    return USUAL;
  }
}

const name = (event: KeyboardEvent): string => event.code || event.key;

/** Return what a key is held for; null where it is no key of the voice. */
export function modeOf(event: KeyboardEvent): Mode | null {
  const pressed = name(event);
  const modes = Object.keys(voiceKeys.value) as Mode[];
  return modes.find((mode) => voiceKeys.value[mode] === pressed) ?? null;
}

/** Take the next key that is pressed; return why it cannot be, or null. */
export function choose(event: KeyboardEvent): string | null {
  const mode = choosing.value;
  if (!mode) return null;
  const pressed = name(event);
  if (pressed === 'Escape') {
    choosing.value = null;
    return null;
  }
  if (TAKEN.test(pressed)) return `${pressed} has another meaning here: choose another key.`;
  const other = Object.entries(voiceKeys.value).find(([each]) => each !== mode);
  if (other?.[1] === pressed) return `${pressed} is the other key of the voice: choose another.`;
  voiceKeys.value = { ...voiceKeys.value, [mode]: pressed };
  localStorage.setItem(KEPT, JSON.stringify(voiceKeys.value));
  choosing.value = null;
  return null;
}
