import { KEYS, type Key } from '../keys.ts';
import { readsBack, toggleReadBack } from '../readback.ts';
import { isHelpOpen, said } from '../station.ts';
import type { Mode } from '../voice.ts';
import { choosing, voiceKeys } from '../voicekeys.ts';
import { Sheet } from './Sheet.tsx';

const SHOWN: Record<string, string> = {
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
  Escape: 'Esc',
  PageUp: 'Page ↑',
  PageDown: 'Page ↓',
};

function Keys({ shown }: { shown: Key }) {
  const [first, last] = [shown.keys[0]!, shown.keys.at(-1)!];
  const keys = first.startsWith('Arrow')
    ? ['↑ ↓ ← →']
    : shown.keys.length > 2
      ? [`${first} – ${last}`]
      : [first];
  return (
    <li>
      <span>{shown.says}</span>
      <span>
        {shown.withControl && <kbd>Ctrl</kbd>}{' '}
        {keys.map((key) => (
          <kbd key={key}>
            {SHOWN[key] ?? key.replace(/^[a-z]$/, (letter) => letter.toUpperCase())}
          </kbd>
        ))}
      </span>
    </li>
  );
}

const HELD: Record<Mode, string> = {
  command: 'Hold and say a command',
  dictate: 'Hold and dictate into the report',
};

/** The keys that are held to speak: each reader's own, kept by this browser. */
function VoiceKeys() {
  return (
    <section>
      <h3>Voice</h3>
      <ul>
        {(Object.keys(HELD) as Mode[]).map((mode) => (
          <li key={mode}>
            <span>{HELD[mode]}</span>
            <button
              type="button"
              class="plain"
              aria-label={`${HELD[mode]}: ${voiceKeys.value[mode]}, change it`}
              onClick={() => {
                choosing.value = mode;
              }}
            >
              <kbd>{choosing.value === mode ? 'press a key…' : voiceKeys.value[mode]}</kbd>
            </button>
          </li>
        ))}
        <li>
          <label>
            <input type="checkbox" checked={readsBack.value} onChange={toggleReadBack} /> Read
            answers aloud
          </label>
        </li>
      </ul>
      <p class="quiet small">
        Choose a key, a pedal or a microphone’s button: click it here, then press it.
      </p>
      {said.value?.isError && <p class="warning">{said.value.says}</p>}
    </section>
  );
}

export function Help() {
  const groups = [...new Set(KEYS.map((key) => key.group))];
  return (
    <Sheet
      title="Keys"
      onClose={() => {
        isHelpOpen.value = false;
        choosing.value = null;
      }}
    >
      <div class="columns">
        <VoiceKeys />
        {groups.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <ul>
              {KEYS.filter((key) => key.group === group).map((key) => (
                <Keys key={key.says} shown={key} />
              ))}
            </ul>
          </section>
        ))}
      </div>
      <p class="quiet">
        Mouse: drag for the window, wheel for images, right drag to zoom, middle drag to move the
        image.
      </p>
    </Sheet>
  );
}
