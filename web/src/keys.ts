// The keys: one table, which the help shows too.

import {
  ownWindow,
  shownViews,
  step,
  toggleCine,
  toggleCuts,
  toggleMasks,
  windowTo,
} from './acts.ts';
import { choose as answer } from './dialogue.ts';
import { decideCurrent, keepCurrent, nextFinding } from './performing.ts';
import {
  active,
  isHelpOpen,
  isSayingsOpen,
  isSendOpen,
  open,
  question,
  say,
  tab,
  view,
} from './station.ts';
import { brighter, toggleFusion } from './fusion.ts';
import { closeStudy, togglePrior } from './studies.ts';
import { escape, moveCursor, pressCursor, redo, setExtent, take, tool, undo } from './tools.ts';
import { cancel, isSpeaking, press, release } from './voice.ts';
import { choose, choosing, modeOf } from './voicekeys.ts';
import { PRESETS } from './windows.ts';

export interface Key {
  keys: string[];
  says: string;
  group: string;
  act: (event: KeyboardEvent) => void;
  withControl?: boolean;
}

const LARGE_STEP = 10;

function arrows(event: KeyboardEvent): void {
  const by = event.shiftKey ? LARGE_STEP : 1;
  const ways: Record<string, [number, number]> = {
    ArrowUp: [-by, 0],
    ArrowDown: [by, 0],
    ArrowLeft: [0, -by],
    ArrowRight: [0, by],
  };
  const [rows, columns] = ways[event.key]!;
  if (tool.value === 'look') void step(rows + columns);
  else moveCursor(rows, columns);
}

const focusCommand = (): void => document.getElementById('command')?.focus();

export const KEYS: Key[] = [
  {
    keys: ['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight'],
    says: 'Image before or after; with a tool: move its cursor',
    group: 'Images',
    act: arrows,
  },
  { keys: ['PageUp'], says: 'Ten images back', group: 'Images', act: () => void step(-LARGE_STEP) },
  { keys: ['PageDown'], says: 'Ten images on', group: 'Images', act: () => void step(LARGE_STEP) },
  { keys: ['Home'], says: 'First image', group: 'Images', act: () => void step(-Infinity) },
  { keys: ['End'], says: 'Last image', group: 'Images', act: () => void step(1e9) },
  {
    keys: PRESETS.map((_, n) => `${n + 1}`),
    says: `Window: ${PRESETS.map(({ name }) => name).join(', ')}`,
    group: 'Images',
    act: (event) => windowTo(Number(event.key)),
  },
  { keys: ['0'], says: "Window of the images' own", group: 'Images', act: ownWindow },
  { keys: ['+', '='], says: 'Nearer', group: 'Images', act: () => view.value?.zoom(1.2) },
  { keys: ['-'], says: 'Farther', group: 'Images', act: () => view.value?.zoom(1 / 1.2) },
  { keys: ['f'], says: 'Fit the image', group: 'Images', act: () => view.value?.fit() },
  { keys: ['m'], says: 'Three cuts, or one view', group: 'Images', act: () => void toggleCuts() },
  { keys: ['x'], says: 'Earlier study beside it', group: 'Images', act: () => void togglePrior() },
  { keys: ['i'], says: 'PET over the images', group: 'Images', act: () => void toggleFusion() },
  {
    keys: ['{', '}'],
    says: 'PET: fainter, or brighter',
    group: 'Images',
    act: (event) => brighter(event.key === '}' ? 1 : -1),
  },
  {
    keys: ['v'],
    says: 'Next view',
    group: 'Images',
    act: () => {
      active.value = (active.value + 1) % shownViews().length;
    },
  },
  { keys: ['.'], says: 'Play or stop', group: 'Images', act: toggleCine },

  {
    keys: ['t'],
    says: 'What you can say',
    group: 'Copilot',
    act: () => {
      isSayingsOpen.value = true;
    },
  },
  { keys: ['/'], says: 'Type a command', group: 'Copilot', act: focusCommand },
  { keys: ['b'], says: 'Box round a thing', group: 'Copilot', act: () => take('box') },
  { keys: ['p'], says: 'Click on a thing', group: 'Copilot', act: () => take('point') },
  { keys: ['o'], says: 'Click on what it is not', group: 'Copilot', act: () => take('not') },
  { keys: ['d'], says: 'Longest diameter (RECIST)', group: 'Copilot', act: () => take('line') },
  { keys: ['s'], says: 'Scribble on a thing', group: 'Copilot', act: () => take('scribble') },
  { keys: ['['], says: 'It begins on this image', group: 'Copilot', act: () => setExtent(0) },
  { keys: [']'], says: 'It ends on this image', group: 'Copilot', act: () => setExtent(1) },
  { keys: ['Enter'], says: 'With a tool: press at its cursor', group: 'Copilot', act: pressCursor },
  {
    keys: ['Escape'],
    says: 'Let go: message, drawing, tool, marks',
    group: 'Copilot',
    act: escape,
  },

  { keys: ['j'], says: 'Next finding', group: 'Findings', act: () => void nextFinding(1) },
  { keys: ['k'], says: 'Finding before', group: 'Findings', act: () => void nextFinding(-1) },
  { keys: ['y'], says: 'Accept', group: 'Findings', act: () => void decideCurrent(true) },
  { keys: ['n'], says: 'Reject', group: 'Findings', act: () => void decideCurrent(false) },
  { keys: ['h'], says: 'Hide or show outlines', group: 'Findings', act: toggleMasks },
  { keys: ['w'], says: 'Brush: add to the outline', group: 'Findings', act: () => take('brush') },
  {
    keys: ['e'],
    says: 'Eraser: take from the outline',
    group: 'Findings',
    act: () => take('eraser'),
  },
  {
    keys: ['c'],
    says: 'Keep the correction: measure anew',
    group: 'Findings',
    act: () => void keepCurrent(),
  },
  {
    keys: ['z'],
    says: 'Undo',
    group: 'Findings',
    act: (event) => (event.shiftKey ? redo() : undo()),
    withControl: true,
  },
  {
    keys: ['u'],
    says: 'Undo; with Shift: do again',
    group: 'Findings',
    act: (event) => (event.shiftKey ? redo() : undo()),
  },
  {
    keys: ['g'],
    says: 'See what is sent where, and send',
    group: 'Findings',
    act: () => {
      isSendOpen.value = true;
    },
  },

  { keys: ['l'], says: 'Length', group: 'Measure', act: () => take('length') },
  { keys: ['a'], says: 'Angle', group: 'Measure', act: () => take('angle') },
  {
    keys: ['r'],
    says: 'Report, or findings',
    group: 'Page',
    act: () => {
      tab.value = tab.value === 'report' ? 'findings' : 'report';
    },
  },
  { keys: ['q'], says: 'Back to the list', group: 'Page', act: closeStudy },
  {
    keys: ['?'],
    says: 'These keys',
    group: 'Page',
    act: () => {
      isHelpOpen.value = true;
    },
  },
];

const TYPED: ReadonlySet<string> = new Set(['INPUT', 'TEXTAREA', 'SELECT']);
const PRESSED: ReadonlySet<string> = new Set(['BUTTON', 'A', 'SUMMARY']);

function isMeantElsewhere(event: KeyboardEvent): boolean {
  const at = event.target as HTMLElement;
  if (document.querySelector('dialog[open]')) return true;
  if (TYPED.has(at.tagName) || at.isContentEditable) {
    if (event.key === 'Escape') at.blur();
    return true;
  }
  return event.key === 'Enter' && PRESSED.has(at.tagName);
}

/** Give the keys back to the images after a click on a button or a slider. */
function letGo(event: MouseEvent): void {
  const at = document.activeElement;
  const isByMouse = event.detail > 0;
  const isHeld =
    at instanceof HTMLButtonElement || (at instanceof HTMLInputElement && at.type === 'range');
  if (isByMouse && isHeld && !at.closest('dialog')) at.blur();
}

/** Let a held key speak, wherever the cursor is; Escape takes back what is being said. */
function listenToVoiceKeys(): void {
  const pressed = (event: KeyboardEvent): void => {
    if (choosing.value) {
      const reason = choose(event);
      if (reason) say(reason, true);
    } else if (event.key === 'Escape' && isSpeaking()) {
      cancel();
      say('Cancelled: what you said is dropped.');
    } else {
      const mode = modeOf(event);
      if (!mode) return;
      if (!event.repeat) void press(mode);
    }
    event.preventDefault();
    event.stopPropagation();
  };
  document.addEventListener('keydown', pressed, { capture: true });
  document.addEventListener(
    'keyup',
    (event) => {
      if (modeOf(event)) release();
    },
    { capture: true },
  );
  // a key that is let go elsewhere is not heard of here
  window.addEventListener('blur', release);
}

/** While a question is shown, digits choose among its answers. */
function answersQuestion(event: KeyboardEvent): boolean {
  const asked = question.value;
  const number = /^[1-9]$/.test(event.key) ? Number(event.key) : 0;
  if (!asked?.choices.length || !number || number > asked.choices.length) return false;
  answer(asked, number - 1);
  return true;
}

/** Listen to the keys of an open study. */
export function listenToKeys(): void {
  document.addEventListener('click', letGo);
  listenToVoiceKeys();
  document.addEventListener('keydown', (event) => {
    if (event.altKey || event.metaKey || isMeantElsewhere(event)) return;
    if (!event.ctrlKey && answersQuestion(event)) return event.preventDefault();
    const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const isPage = pressed === '?';
    if (!open.value && !isPage) return;
    const found = KEYS.find(
      (key) => key.keys.includes(pressed) && (key.withControl ?? false) === event.ctrlKey,
    );
    if (!found) return;
    event.preventDefault();
    found.act(event);
  });
}
