import { understood } from '../dialogue.ts';
import { arm, disarm, level, readiness } from '../microphone.ts';
import { attempt } from '../station.ts';
import { handsFree, partial, press, reading, release, saying, toggleHandsFree } from '../voice.ts';
import { voiceKeys } from '../voicekeys.ts';

/** What the microphone is at, in a word. */
function state(): 'off' | 'arming' | 'armed' | 'listening' | 'reading' | 'refused' {
  if (saying.value) return 'listening';
  if (reading.value) return 'reading';
  return readiness.value;
}

const SAYS = {
  off: 'Microphone off',
  arming: 'Asking for it…',
  armed: 'Ready',
  listening: 'Listening',
  reading: 'Reading…',
  refused: 'Microphone refused',
};

function Meter() {
  const isOn = readiness.value === 'armed';
  return (
    <svg class="meter" viewBox="0 0 40 6" aria-hidden="true">
      <rect width="40" height="6" rx="3" />
      <rect class="loud" width={isOn ? 40 * level.value : 0} height="6" rx="3" />
    </svg>
  );
}

/** The button to hold, with the microphone's state; a press without holding arms it. */
export function Microphone() {
  const now = state();
  const begin = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    void press('command');
  };
  return (
    <div class="voice" data-testid="voice" data-state={now}>
      <button
        type="button"
        class="tool talk"
        title="Hold while you say a command"
        aria-pressed={saying.value === 'command'}
        onPointerDown={begin}
        onPointerUp={release}
        onPointerCancel={release}
        onClick={(event) => {
          // by keyboard or by a screen reader there is nothing to hold: get it ready
          if (event.detail === 0) void attempt(arm);
        }}
      >
        <span class="lamp" aria-hidden="true" /> Speak <kbd>{voiceKeys.value.command}</kbd>
      </button>
      <span class="about">
        <span class="quiet" role="status">
          {SAYS[now]}
        </span>
        <Meter />
      </span>
      <button
        type="button"
        class="tool"
        title="Listen without a key: each pause ends a sentence"
        aria-pressed={handsFree.value}
        onClick={toggleHandsFree}
      >
        Hands free
      </button>
      {readiness.value === 'armed' && !saying.value && (
        <button type="button" class="plain quiet" aria-label="Microphone off" onClick={disarm}>
          ×
        </button>
      )}
    </div>
  );
}

/** What is heard so far, grey; and what was understood. */
export function Speaking() {
  const now = state();
  const isBusy = now === 'listening' || now === 'reading';
  const done = understood.value;
  if (isBusy) {
    const what = saying.value === 'dictate' ? 'Dictating' : SAYS[now];
    return (
      <p class="heard is-partial" data-testid="heard" role="status">
        <span class="lamp" aria-hidden="true" /> {partial.value || `${what}…`}
      </p>
    );
  }
  if (!done) return null;
  return (
    <p class="heard" data-testid="understood">
      <span>“{done.heard}”</span>
      {done.parts.map((each, n) => (
        <span key={n} class="part">
          {each}
        </span>
      ))}
      <button
        type="button"
        class="plain"
        aria-label="Close what was understood"
        onClick={() => {
          understood.value = null;
        }}
      >
        ×
      </button>
    </p>
  );
}
