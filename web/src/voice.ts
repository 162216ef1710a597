// What is said: while a key or button is held, or hands free, the microphone goes to the server, and
// its text comes back. Each utterance knows the series that was open when it was begun.

import { batch, signal } from '@preact/signals';

import type { CommandEntry } from './api.ts';
import { MicrophoneError, arm, listenTo, stopListening } from './microphone.ts';
import { hush } from './readback.ts';
import { open, say } from './station.ts';

export type Mode = 'command' | 'dictate';

export interface Final {
  text: string;
  raw_text: string;
  command: CommandEntry;
  mode: Mode;
  series_instance_uid: string | null;
  goes_on: boolean;
}

type Told =
  | { type: 'partial'; text: string }
  | ({ type: 'final' } & Final)
  | { type: 'stopped' }
  | { type: 'error'; error: string; detail: string };

/** What is known of an utterance beside its text. */
export interface Spoken {
  /** When it was begun, as performance.now() counts. */
  since: number;
  /** Where dictated words go: the field that had the cursor then. */
  into: HTMLTextAreaElement | null;
}

interface Utterance extends Spoken {
  mode: Mode;
  handsFree: boolean;
}

/** What is being said now; null while nobody is heard. */
export const saying = signal<Mode | null>(null);
/** How many utterances have ended and are not read yet. */
export const reading = signal(0);
export const partial = signal('');
export const handsFree = signal(false);

const TAIL_MS = 120;
const SHORTEST_MS = 250;
const SLOW_MS = 20_000;
const TRY_LATER = 1013;
const FOREIGN = 4403;

const BROKEN =
  'The connection broke while you spoke: nothing was done. Say it again; typing works on.';

let socket: WebSocket | null = null;
let begun: Utterance | null = null;
let isHeld = false;
/** Sound of an utterance whose socket is not open yet. */
let early: (string | ArrayBuffer)[] = [];
let waiting: Utterance[] = [];
let late: ReturnType<typeof setTimeout> | undefined;
let onFinal: (final: Final, spoken: Spoken) => void = () => undefined;

/** Say who takes what was said. */
export function whenSaid(take: typeof onFinal): void {
  onFinal = take;
}

/** The key is pressed: listen from 400 ms ago on, or arm the microphone first. */
export async function press(mode: Mode, free = false): Promise<void> {
  if (begun || isHeld) return;
  isHeld = true;
  const at = document.activeElement;
  const into = at instanceof HTMLTextAreaElement ? at : null;
  try {
    await arm();
  } catch (error) {
    isHeld = false;
    return say(error instanceof MicrophoneError ? error.message : String(error), true);
  }
  if (!isHeld) return say('The microphone is ready: hold the key while you speak.');
  hush();
  begin({ mode, handsFree: free, into, since: performance.now() });
}

function begin(utterance: Utterance): void {
  begun = utterance;
  batch(() => {
    saying.value = utterance.mode;
    partial.value = '';
    handsFree.value = utterance.handsFree;
  });
  const series = open.value?.drawn.info.series_instance_uid ?? null;
  tell({
    type: 'start',
    mode: utterance.mode,
    hands_free: utterance.handsFree,
    series_instance_uid: series,
  });
  listenTo(send);
}

/** The key is let go: its last sound is on its way for a moment more. */
export function release(): void {
  isHeld = false;
  const ended = begun;
  if (!ended || ended.handsFree) return;
  if (performance.now() - ended.since < SHORTEST_MS) {
    cancel();
    return say('That was too short: hold the key while you speak.');
  }
  setTimeout(() => {
    if (begun === ended) finish();
  }, TAIL_MS);
}

function finish(): void {
  stopListening();
  waiting.push(begun!);
  begun = null;
  tell({ type: 'stop' });
  batch(() => {
    saying.value = null;
    reading.value = waiting.length;
    handsFree.value = false;
  });
  clearTimeout(late);
  late = setTimeout(() => {
    if (waiting.length) say('The speech engine is busy: the text comes, or type the command.');
  }, SLOW_MS);
}

/** Drop what is being said, and what was said and is not read: nothing is done. */
export function cancel(): boolean {
  const was = isSpeaking();
  if (was) tell({ type: 'cancel' });
  forget();
  return was;
}

export const isSpeaking = (): boolean => begun !== null || waiting.length > 0;

function forget(): void {
  stopListening();
  clearTimeout(late);
  begun = null;
  isHeld = false;
  waiting = [];
  early = [];
  batch(() => {
    saying.value = null;
    reading.value = 0;
    partial.value = '';
    handsFree.value = false;
  });
}

/** Begin or end listening without a key: the server finds where each sentence ends. */
export function toggleHandsFree(): void {
  if (begun?.handsFree) return finish();
  if (begun) return;
  void press('command', true).then(() => {
    isHeld = false;
  });
}

function tell(message: object): void {
  send(JSON.stringify(message));
}

function send(message: string | ArrayBuffer): void {
  if (socket?.readyState === WebSocket.OPEN) return socket.send(message);
  early.push(message);
  if (!socket) connect();
}

function connect(): void {
  const url = new URL('/api/voice', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const made = new WebSocket(url);
  socket = made;
  made.onopen = () => {
    for (const message of early) made.send(message);
    early = [];
  };
  made.onmessage = ({ data }: MessageEvent<string>) => take(JSON.parse(data) as Told);
  made.onclose = ({ code }) => {
    if (socket !== made) return;
    socket = null;
    if (begun || waiting.length) say(whyClosed(code), true);
    forget();
  };
}

function whyClosed(code: number): string {
  if (code === TRY_LATER) return 'Too many pages are listened to: close one that is not used.';
  if (code === FOREIGN) return 'This page is of another server: open it from the one that listens.';
  return BROKEN;
}

function take(told: Told): void {
  switch (told.type) {
    case 'partial':
      if (begun) partial.value = told.text;
      return;
    case 'stopped':
      return settle(false);
    case 'error':
      settle(begun?.handsFree ?? false);
      // an engine that is missing hears nothing later either
      if (told.error === 'ModelMissingError') cancel();
      return say(`${capital(told.detail)}. Typing works on.`, true);
    case 'final': {
      const utterance = waiting[0] ?? begun;
      settle(told.goes_on);
      if (!utterance) return;
      onFinal(told, { ...utterance });
      // hands free, the next one begins where this one ended
      utterance.since = performance.now();
      return;
    }
  }
}

/** One that has ended is read, or one that goes on has told a part. */
function settle(goesOn: boolean): void {
  if (!goesOn) waiting.shift();
  batch(() => {
    reading.value = waiting.length;
    partial.value = '';
  });
}

const capital = (words: string): string =>
  (words[0]?.toUpperCase() ?? '') + words.slice(1).replace(/\.$/, '');
