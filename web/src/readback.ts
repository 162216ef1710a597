// What the page says, said aloud: off until a reader wants it, and by a voice of this machine alone,
// since other voices send their words away.

import { effect, signal } from '@preact/signals';

import { question, said, say } from './station.ts';

const KEPT = 'radcopilot.read-back';

export const readsBack = signal(localStorage.getItem(KEPT) === 'on');

const ownVoice = (): SpeechSynthesisVoice | undefined =>
  window.speechSynthesis
    ?.getVoices()
    .find((each) => each.localService && each.lang.toLowerCase().startsWith('en'));

export function toggleReadBack(): void {
  readsBack.value = !readsBack.value;
  localStorage.setItem(KEPT, readsBack.value ? 'on' : 'off');
  if (!readsBack.value) return void window.speechSynthesis?.cancel();
  if (!ownVoice())
    say('This browser has no English voice of this machine: nothing is read aloud.', true);
}

/** Say words aloud; return whether there is a voice of this machine. */
export function aloud(words: string): boolean {
  const voice = ownVoice();
  if (!voice || !words) return false;
  const spoken = new SpeechSynthesisUtterance(words);
  spoken.voice = voice;
  window.speechSynthesis.cancel();
  window.speechSynthesis.speak(spoken);
  return true;
}

/** Fall silent, so that a microphone does not hear the page. */
export function hush(): void {
  window.speechSynthesis?.cancel();
}

effect(() => {
  const asked = question.value;
  const words = asked
    ? [...asked.says, ...asked.choices.map(({ says }, n) => `${n + 1}: ${says}`)].join('. ')
    : said.value?.says;
  if (readsBack.value && words) aloud(words);
});
