// The microphone: armed once, so that the first word is not lost, and heard by nobody until somebody
// listens. What it gives before that stays in a ring of 400 ms and is overwritten.

import { signal } from '@preact/signals';

export type Readiness = 'off' | 'arming' | 'armed' | 'refused';

export const readiness = signal<Readiness>('off');
/** How loud it is, from 0 to 1. */
export const level = signal(0);

const RATE_HZ = 16_000;
const FRAME_MS = 20;
const PRE_ROLL_FRAMES = 400 / FRAME_MS;
const METER_FLOOR_DB = -60;
const FALLS_BY = 0.85;
const REMEMBERED = 'radcopilot.microphone';

export class MicrophoneError extends Error {}

type Hear = (frame: ArrayBuffer) => void;

let stream: MediaStream | null = null;
let context: AudioContext | null = null;
let arming: Promise<void> | null = null;
let hear: Hear | null = null;
const ring: ArrayBuffer[] = [];

/** What each of the browser's refusals means for a reader, by its name. */
const REFUSALS: Record<string, string> = {
  NotAllowedError:
    'The browser refuses the microphone: allow it for this address, beside the address itself, then press the key again. Typing works on.',
  NotFoundError:
    'No microphone is connected: connect one, then press the key again. Typing works on.',
  NotReadableError:
    'Another program holds the microphone: close it, then press the key again. Typing works on.',
};

/** Ask for the microphone and keep it ready; asked again while it is ready, nothing happens. */
export async function arm(): Promise<void> {
  if (readiness.value === 'armed') return;
  arming ??= open().finally(() => {
    arming = null;
  });
  await arming;
}

async function open(): Promise<void> {
  readiness.value = 'arming';
  try {
    if (!navigator.mediaDevices) {
      throw new MicrophoneError(
        'Browsers give a microphone to https addresses and to this machine alone: open the page by https. Typing works on.',
      );
    }
    // what a browser does to please a listener's ear takes away what an engine listens for
    const sound = { channelCount: 1, echoCancellation: false, noiseSuppression: false };
    stream = await navigator.mediaDevices.getUserMedia({ audio: sound });
    context = new AudioContext({ sampleRate: RATE_HZ });
    await context.audioWorklet.addModule(new URL('./capture.worklet.js', import.meta.url));
    const capture = new AudioWorkletNode(context, 'capture', { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => take(data);
    context.createMediaStreamSource(stream).connect(capture);
    await context.resume();
    stream.getAudioTracks()[0]!.onended = disarm;
    readiness.value = 'armed';
    localStorage.setItem(REMEMBERED, 'armed');
  } catch (error) {
    disarm();
    readiness.value = 'refused';
    throw explained(error);
  }
}

function explained(error: unknown): MicrophoneError {
  if (error instanceof MicrophoneError) return error;
  const { name, message } = error as Error;
  return new MicrophoneError(
    REFUSALS[name] ?? `The microphone does not work (${message || name}). Typing works on.`,
  );
}

/** Let go of the microphone: the browser's sign that it is on goes out. */
export function disarm(): void {
  stream?.getTracks().forEach((track) => {
    track.onended = null;
    track.stop();
  });
  void context?.close();
  [stream, context] = [null, null];
  ring.length = 0;
  readiness.value = 'off';
  level.value = 0;
  localStorage.removeItem(REMEMBERED);
}

/** Arm it again where it was armed when the page was left, unless the browser would ask. */
export async function armAgain(): Promise<void> {
  if (!localStorage.getItem(REMEMBERED)) return;
  const name = 'microphone' as PermissionName;
  const permission = await navigator.permissions.query({ name }).catch(() => null);
  if (permission?.state === 'granted') await arm().catch(() => undefined);
}

/** Hand on what comes from now on, and what came in the 400 ms before. */
export function listenTo(to: Hear): void {
  for (const frame of ring) to(frame);
  ring.length = 0;
  hear = to;
}

export function stopListening(): void {
  hear = null;
}

function take(frame: ArrayBuffer): void {
  level.value = Math.max(loudness(new Int16Array(frame)), level.value * FALLS_BY);
  if (hear) return hear(frame);
  ring.push(frame);
  if (ring.length > PRE_ROLL_FRAMES) ring.shift();
}

function loudness(samples: Int16Array): number {
  let power = 0;
  for (const each of samples) power += each * each;
  const db = 10 * Math.log10(power / samples.length / 32768 ** 2 + 1e-12);
  return Math.max(0, 1 - db / METER_FLOOR_DB);
}
